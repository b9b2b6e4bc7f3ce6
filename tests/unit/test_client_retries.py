"""When the client asks again: a server that answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from liveshelf_client import Client, EventBuffer, EventsNotSent, RefusedRequest, Unavailable

Answer = tuple[int, dict[str, str], Any]
TRENDING = {"slate_id": "1", "surface": "trending", "items": [], "answered_by": "live", "took_ms": 1.0, "newer": 1}
BUSY = {"error": {"code": "too_many_requests", "message": "key: 5/second", "details": []}}


class Server:
    """Gives its answers one after the other, and notes what came and when."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.got: list[tuple[float, Any, dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                server.got.append((time.monotonic(), json.loads(body or b"null"), dict(self.headers)))
                status, headers, content = server.answers.pop(0)
                encoded = json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def accepted(count: int) -> Answer:
    return 202, {}, {"accepted": count, "rejected": 0, "results": [{"index": 0, "status": "accepted"}] * count}


def test_a_busy_api_is_asked_again_when_it_says_and_the_key_is_shown_each_time(server: Server) -> None:
    server.answers = [(429, {"Retry-After": "1"}, BUSY), (200, {}, TRENDING)]
    with Client(server.url, key="secret", timeout_s=5) as client:
        assert client.trending().answered_by == "live"
    assert server.got[1][0] - server.got[0][0] >= 1.0
    assert {headers["authorization"] for _, _, headers in server.got} == {"Bearer secret"}


def test_an_api_that_wants_more_patience_than_there_is_is_unavailable_at_once(server: Server) -> None:
    server.answers = [(503, {"Retry-After": "60"}, BUSY)]
    with Client(server.url, timeout_s=1) as client, pytest.raises(Unavailable, match=r"key: 5/second \(status 503\)"):
        client.trending()
    assert len(server.got) == 1


def test_an_api_that_is_not_there_is_unavailable(server: Server) -> None:
    server.close()
    with Client(server.url, timeout_s=0.5) as client, pytest.raises(Unavailable, match="/v1/trending: ConnectError"):
        client.trending()


def test_an_answer_of_something_else_is_refused(server: Server) -> None:
    server.answers = [(200, {}, {"hello": "world"})]
    with Client(server.url) as client, pytest.raises(RefusedRequest, match="answer: Object missing required field"):
        client.trending()


def test_events_are_sent_again_with_the_same_ids(server: Server) -> None:
    server.answers = [(503, {"Retry-After": "0"}, BUSY), accepted(2)]
    buffer = EventBuffer(server.url, every_s=0.05)
    ids = [buffer.add("view", user_id="anna", item_id=item) for item in ("boot", "shoe")]
    buffer.flush(20)
    buffer.close()
    (_, first, _), (_, second, _) = server.got
    assert first == second
    assert [event["event_id"] for event in second] == ids
    assert all(event["event_time"].endswith("Z") and event["kind"] == "view" for event in second)


def test_a_batch_too_large_for_the_api_goes_in_halves(server: Server) -> None:
    too_large = (413, {}, {"error": {"code": "too_large", "message": "body: must be at most 10 bytes"}})
    server.answers = [too_large, accepted(1), too_large]
    buffer = EventBuffer(server.url, every_s=0.05)
    for item in ("boot", "shoe"):
        buffer.add("view", user_id="anna", item_id=item)
    with pytest.raises(EventsNotSent, match="1 events not sent: body: must be at most 10 bytes"):
        buffer.flush(20)
    buffer.close()
    assert [len(events) for _, events, _ in server.got] == [2, 1, 1]


def test_so_many_events_as_fit_into_a_request_do_not_wait(server: Server) -> None:
    server.answers = [accepted(2)]
    buffer = EventBuffer(server.url, most_events=2, every_s=60)
    for item in ("boot", "shoe"):
        buffer.add("view", user_id="anna", item_id=item)
    deadline = time.monotonic() + 10
    while len(buffer) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert len(server.got) == 1
    buffer.close()
