"""What a test needs beyond Python: without it the test is skipped, or fails where everything is required."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def do_without(reason: str) -> NoReturn:
    """Skip the test; with ``LIVESHELF_REQUIRE_ALL=1``, as in CI, fail it."""
    if os.environ.get("LIVESHELF_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def tool(name: str) -> str:
    """Return the path of a command."""
    return shutil.which(name) or do_without(f"needs the command {name}")
