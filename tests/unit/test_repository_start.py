"""The command line starts quickly because it loads nothing that its command does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    "bytewax",
    "confluent_kafka",
    "dask",
    "duckdb",
    "fastapi",
    "feast",
    "great_expectations",
    "ibis",
    "lightfm",
    "numpy",
    "pandas",
    "pyarrow",
}
COMMANDS = ("up", "replay", "import", "train", "validate", "schema", "status", "deadletters")

PROGRAM = """
import json, sys
from cli.main import main
try:
    main()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def liveshelf(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )


def loaded_by(*arguments: str) -> set[str]:
    return set(json.loads(liveshelf(*arguments).stderr.splitlines()[-1]))


def test_help_loads_no_heavy_library() -> None:
    assert loaded_by("--help") & HEAVY == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_no_heavy_library(command: str) -> None:
    assert loaded_by(command, "--help") & HEAVY == set()


def test_the_schema_is_printed_without_a_heavy_library() -> None:
    assert loaded_by("schema") & HEAVY == set()


def test_help_names_every_command() -> None:
    shown = liveshelf("--help").stdout

    assert [command for command in COMMANDS if command not in shown] == []
