"""The fuzzer of the decoder, for some seconds; ``make fuzz`` runs it longer."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.needs import do_without


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        do_without("needs Atheris, which there is for Linux on x86-64")
    command = [sys.executable, "-m", "tests.fuzz.decoder", "--runs", "10000", "--found", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)

    assert done.returncode == 0, done.stdout + done.stderr[-4_000:]
    assert "Done 10000 runs" in done.stderr
    assert list(tmp_path.iterdir()) == []
