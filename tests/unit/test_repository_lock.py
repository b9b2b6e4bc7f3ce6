"""The lock file: every version pinned, every file by its hash, and no address in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}$")


def locked() -> list[tuple[Requirement, list[str]]]:
    """Each locked requirement with the lines of its hashes."""
    text = (ROOT / "requirements.lock").read_text().replace(" \\\n", "\n")
    entries: list[tuple[Requirement, list[str]]] = []
    for line in text.splitlines():
        if line.startswith(" "):
            entries[-1][1].append(line)
        else:
            entries.append((Requirement(line), []))
    return entries


def declared() -> list[Requirement]:
    """The requirements that pyproject.toml names, those for development too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [Requirement(text) for text in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]


def test_every_version_is_pinned() -> None:
    loose = [
        str(requirement) for requirement, _ in locked() if not re.fullmatch(r"==[^*]+", str(requirement.specifier))
    ]

    assert loose == []


def test_every_package_has_hashes_and_nothing_else() -> None:
    wrong = [
        requirement.name for requirement, lines in locked() if not lines or not all(HASH.match(line) for line in lines)
    ]

    assert wrong == []


def test_no_address_is_in_it() -> None:
    text = (ROOT / "requirements.lock").read_text()

    assert re.findall(r"://| @ |--(?:extra-)?index-url|--find-links|--trusted-host", text) == []


@pytest.mark.parametrize("wanted", declared(), ids=lambda wanted: wanted.name)
def test_what_the_project_declares_is_locked_within_its_bounds(wanted: Requirement) -> None:
    versions = [
        str(requirement.specifier).removeprefix("==")
        for requirement, _ in locked()
        if canonicalize_name(requirement.name) == canonicalize_name(wanted.name)
    ]

    assert versions, f"{wanted.name} is not locked; run: make lock"
    assert all(wanted.specifier.contains(version, prereleases=True) for version in versions), "run: make lock"
