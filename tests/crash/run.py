"""The crash test itself: replay a real file, kill processes all the while, and judge what is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from recommender.store import FeastFeatures
from tests.crash.schedule import BROKER, DATAFLOW, Kill
from tests.crash.shop import Gone, Shop, age_s, family, wait_until
from tests.crash.verdict import Verdict, judge
from tests.integration.recount import read_taobao

_WAIT_LIMIT_S = 300.0
_DRAIN_LIMIT_S = 600.0
_INTERRUPTED = 130


class Hit(NamedTuple):
    """One kill that was made."""

    at_s: float
    """Since the replay began."""
    target: str
    phase: str
    """``replay``, ``start`` (of the process itself) or ``drain``."""
    lag: int | None
    """Entries of the log that the stream had not completed; None when the log did not answer."""
    lived_s: float
    in_flight: bool
    """Whether a replay was sending, or the stream had not completed the log."""


class Feeder:
    """Keeps a replay going: the same file again and again, whose repeated events must not count."""

    def __init__(self, shop: Shop, file: Path) -> None:
        self._shop = shop
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None
        self.laps = 0
        self.broken_off = 0
        """Replays that had given up, and were started again."""

    def sends(self) -> bool:
        """Tell whether a replay runs."""
        return self._process is not None and self._process.poll() is None

    def keep_going(self, speed: str) -> None:
        """Start a replay if none runs."""
        if self.sends():
            return
        if self._process is not None and self._process.returncode != 0:
            self.broken_off += 1
        self._process = self._shop.replay(self._file, speed)
        self.laps += 1

    def break_off(self) -> None:
        """End the replay as Ctrl-C does."""
        if self._process is not None and self.sends():
            self._process.terminate()
            if self._process.wait(90) not in (0, _INTERRUPTED):
                self.broken_off += 1
        self._process = None

    def finish(self) -> None:
        """Wait until the replay has sent the whole file; start it again where it gave up."""
        deadline = time.monotonic() + _DRAIN_LIMIT_S
        while self._process is None or self._process.poll() != 0:
            self.keep_going("max")
            self._shop.require_running()
            if time.monotonic() > deadline:
                raise Gone("liveshelf replay does not come to its end:\n" + self._shop.replay_output()[-2_000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End the replay at once."""
        if self._process is not None and self.sends():
            self._process.kill()
            self._process.wait()


class CrashTest:
    """One run over one event log.

    Args:
        shop: the installation, not yet started.
        file: the taobao file to replay.
        rows: how many rows it has.
        seed: chooses which process of several workers is killed.
        broker: the Kafka broker, started; None for the embedded log.
    """

    def __init__(self, shop: Shop, file: Path, rows: int, seed: int, broker: Any = None) -> None:
        self._shop = shop
        self._file = file
        self._rows = rows
        self._broker = broker
        self._chance = random.Random(f"workers {seed}")
        self._feeder = Feeder(shop, file)
        self._restart: Thread | None = None
        self._began = 0.0
        self.hits: list[Hit] = []
        self.laps = self.broken_off = 0
        self.dead_letters: int | None = None

    def run(self, kills: Sequence[Kill], drain_kills: Sequence[Kill]) -> Verdict:
        """Start the installation, replay and kill, drain, judge, stop."""
        try:
            self._shop.start()
            say("all is up; the replay begins")
            self._began = time.monotonic()
            self._replay_and_kill(kills)
            self._drain_and_kill(drain_kills)
            self._wait_until_drained()
            say(f"drained after {time.monotonic() - self._began:.0f} s; compares every row")
            features = FeastFeatures.open(self._shop.settings)
            try:
                return judge(features, self._shop.data_dir / "history", self._events())
            finally:
                features.close()
        finally:
            self.laps, self.broken_off = self._feeder.laps, self._feeder.broken_off
            self._feeder.kill()
            self._shop.stop()

    def _events(self) -> list[Any]:
        return read_taobao(self._file, self._rows, prefix=id_prefix(self._file))

    def _replay_and_kill(self, kills: Sequence[Kill]) -> None:
        """Replay at a pace at which new events come until the last kill."""
        span_s = (lambda events: events[-1].t - events[0].t)(self._events())
        planned_s = 1.6 * sum(kill.gap_s + kill.aim_s for kill in kills) + 60.0
        speed = str(max(1.0, span_s / planned_s))
        self._make_all(kills, "replay", speed)
        self._feeder.break_off()

    def _drain_and_kill(self, kills: Sequence[Kill]) -> None:
        """Send the whole file as fast as it goes, what came before again too, and kill while the backlog drains."""
        self._make_all(kills, "drain", "max")
        self._feeder.finish()

    def _make_all(self, kills: Sequence[Kill], phase: str, speed: str) -> None:
        self._feeder.keep_going(speed)
        left = list(kills)
        while left:
            time.sleep(left[0].gap_s)
            kill = self._first_ripe(left, speed)
            time.sleep(kill.aim_s)
            if self._make(kill, phase):
                left.remove(kill)

    def _first_ripe(self, left: Sequence[Kill], speed: str) -> Kill:
        """Wait for the next kill of the schedule, but do not let one that has to wait hold up those behind it."""
        deadline = time.monotonic() + _WAIT_LIMIT_S
        while time.monotonic() < deadline:
            self._shop.require_running()
            self._feeder.keep_going(speed)
            for place, kill in enumerate(left):
                if (place == 0 or not kill.again) and self._is_ripe(kill):
                    return kill
            time.sleep(0.05)
        raise Gone(f"{left[0].target}: cannot be killed within {_WAIT_LIMIT_S:.0f} s:\n{self._shop.output()[-2_000:]}")

    def _make(self, kill: Kill, phase: str) -> bool:
        """Kill; return False where the process has died of itself meanwhile, as one does if Redis goes as it starts."""
        pid = self._pid(kill.target)
        if pid is None or not self._is_ripe(kill):
            return False
        lag, sends = self._shop.lag(), self._feeder.sends()
        lived_s = age_s(pid) or 0.0
        starts = kill.target != BROKER and not self._shop.is_up(kill.target)
        at_s = time.monotonic() - self._began
        self._kill(kill.target, pid)
        hit = Hit(round(at_s, 1), kill.target, "start" if starts else phase, lag, round(lived_s, 1), sends or bool(lag))
        self.hits.append(hit)
        say(f"{hit.at_s:6.1f} s  kill -9 {hit.target:<8} in {hit.phase:<6} lag {hit.lag}, had lived {hit.lived_s} s")
        return True

    def _is_ripe(self, kill: Kill) -> bool:
        if kill.target == BROKER:
            return self._restart is None or not self._restart.is_alive()
        if self._pid(kill.target) is None or not self._shop.may_die(kill.target):
            return False
        return kill.again or (self._shop.is_up(kill.target) and (self._feeder.sends() or bool(self._shop.lag())))

    def _pid(self, target: str) -> int | None:
        pid: int | None = self._broker.pid if target == BROKER else self._shop.pid(target)
        return pid

    def _kill(self, target: str, pid: int) -> None:
        if target != BROKER:
            os.kill(self._chance.choice(family(pid)) if target == DATAFLOW else pid, signal.SIGKILL)
            return
        self._broker.kill()
        self._restart = Thread(target=self._broker.start)  # so that others are killed while it is away
        self._restart.start()

    def _wait_until_drained(self) -> None:
        def drained() -> bool:
            self._shop.require_running()
            return self._shop.lag() == 0

        wait_until(drained, _DRAIN_LIMIT_S, "liveshelf status: lag 0")
        status = self._shop.status()
        self.dead_letters = status["dead_letters"]
        if status["lag"] != 0:
            raise Gone(f"liveshelf status: lag must be 0 once drained; got {status['lag']}")


def id_prefix(file: Path) -> str:
    """Return what the ids of a file's events begin with: the data set, and a hash of the first 4 KiB."""
    import gzip
    import hashlib

    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as content:
        return f"taobao-{hashlib.blake2b(content.read(4_096), digest_size=4).hexdigest()}"


def say(line: str) -> None:
    """Print progress."""
    sys.stderr.write(f"crash test: {line}\n")
    sys.stderr.flush()
