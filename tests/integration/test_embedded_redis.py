from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import redis
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from recommender.embedded_redis import EmbeddedRedis, RedisNotStarted, answers, redis_of, start_locked, url_of
from recommender.folder_lock import FolderInUse, lock_folder
from recommender.settings import Settings


def wait_until_it_answers(url: str) -> None:
    Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.05), retry=retry_if_result(lambda ok: not ok))(answers, url)


def stopped_installation(folder: Path) -> Settings:
    return Settings(data_dir=folder / "data", redis_url=None)


def test_what_was_written_is_there_after_the_next_start_at_the_same_port(tmp_path: Path) -> None:
    settings = stopped_installation(tmp_path)
    with redis_of(settings, "a test") as first_url, redis.Redis.from_url(first_url) as client:
        client.set("shelf", "full")
    with redis_of(settings, "a test") as second_url, redis.Redis.from_url(second_url) as client:
        assert client.get("shelf") == b"full"
    assert second_url == first_url


def test_what_was_acknowledged_outlives_a_kill_and_a_torn_last_write(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    port = server.choose_port()
    process = start_locked(server, port, tmp_path / "log")
    wait_until_it_answers(url_of(port))
    with redis.Redis.from_url(url_of(port)) as client:
        client.set("shelf", "full")
        os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    with (tmp_path / "redis" / "appendonly.aof").open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$5\r\nshe")

    process = start_locked(server, port, tmp_path / "log")
    try:
        wait_until_it_answers(url_of(port))
        with redis.Redis.from_url(url_of(port)) as client:
            assert client.get("shelf") == b"full"
    finally:
        process.terminate()
        process.wait(10)


def test_a_server_left_behind_is_stopped_before_another_one_starts(tmp_path: Path) -> None:
    settings = stopped_installation(tmp_path)
    left_behind = EmbeddedRedis(settings.data_dir.resolve() / "redis")
    port = left_behind.choose_port()
    process = start_locked(left_behind, port, tmp_path / "log")
    wait_until_it_answers(url_of(port))
    with redis.Redis.from_url(url_of(port)) as client:
        client.set("shelf", "full")

    assert left_behind.is_running()
    with redis_of(settings, "a test") as url, redis.Redis.from_url(url) as client:
        assert process.wait(10) == 0
        assert client.get("shelf") == b"full"
    assert not left_behind.is_running()


def test_a_port_that_someone_else_took_is_not_used(tmp_path: Path, redis_server: str) -> None:
    taken = int(redis_server.rpartition(":")[2].partition("/")[0])
    server = EmbeddedRedis(tmp_path / "redis")
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "port").write_text(f"{taken}\n")
    assert server.choose_port() != taken


def test_a_given_redis_is_used_as_it_is(settings: Settings) -> None:
    with redis_of(settings, "a test") as url:
        assert url == settings.redis_url
    assert not (settings.data_dir / "redis").exists()


def test_a_held_folder_is_refused_with_the_pid_that_holds_it(tmp_path: Path) -> None:
    settings = stopped_installation(tmp_path)
    held = lock_folder(settings.data_dir, "liveshelf up")
    with held, pytest.raises(FolderInUse) as caught, redis_of(settings, "liveshelf import"):
        pass
    assert str(caught.value) == (
        f"{settings.data_dir}: another process holds this data folder; got pid {os.getpid()} (liveshelf up)"
    )


def test_an_installation_with_its_data_in_another_redis_gets_no_empty_one(tmp_path: Path) -> None:
    settings = stopped_installation(tmp_path)
    (settings.data_dir / "recovery").mkdir(parents=True)
    with pytest.raises(RedisNotStarted) as caught, redis_of(settings, "a test"):
        pass
    assert str(caught.value) == (
        f"redis: {settings.data_dir} has its data in a Redis elsewhere; set LIVESHELF_REDIS_URL to its address"
    )
