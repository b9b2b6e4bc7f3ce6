"""What holds for every file of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import do_without

ROOT = Path(__file__).parents[2]
THIS_FILE = Path(__file__).relative_to(ROOT).as_posix()
LONGEST_MODULE = 400

# In parts, so that this file does not name them itself.
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("golang", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
    )
)
PLACE_OF_A_MACHINE = re.compile(r"(?<![\w.$}-])/(?:root|workspace|home/\w+|Users/\w+)\b")
LINK = re.compile(r"\]\((?!\w+:)([\w./][^)#\s]*)")


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text file that git knows, by its path in the repository."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        do_without("needs git and a checkout, to know which files belong to the repository")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    known = [ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name]
    texts = {}
    for path in known:
        if path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                texts[path.relative_to(ROOT).as_posix()] = content.decode()
    return texts


def test_no_file_names_a_registry(texts: dict[str, str]) -> None:
    naming = [
        (name, host)
        for name, text in texts.items()
        for host in REGISTRIES
        if re.search(rf"\b{re.escape(host)}\b", text)
    ]

    assert naming == []


def test_no_file_names_a_place_of_one_machine(texts: dict[str, str]) -> None:
    naming = [
        (name, found[0])
        for name, text in texts.items()
        if name != THIS_FILE and (found := PLACE_OF_A_MACHINE.search(text))
    ]

    assert naming == []


@pytest.mark.parametrize("text", [" /root/x", "=/workspace/shop", '"/home/ada/shop"', "(/Users/ada/shop)"])
def test_a_place_of_one_machine_is_recognised(text: str) -> None:
    assert PLACE_OF_A_MACHINE.search(text)


@pytest.mark.parametrize(
    "text", ["net/workspace", "$HOME/root", "page=/home", "../workspace/x", "/workspaces", "https://shop/home/"]
)
def test_other_paths_are_not_taken_for_one(text: str) -> None:
    assert not PLACE_OF_A_MACHINE.search(text)


def test_no_python_file_is_longer_than_400_lines(texts: dict[str, str]) -> None:
    lengths = {name: text.count("\n") for name, text in texts.items() if name.endswith(".py")}

    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_feast_finds_nothing_but_definitions_in_its_repository(texts: dict[str, str]) -> None:
    modules = [name for name in texts if name.startswith("feature_repo/") and name.endswith(".py")]

    assert modules
    assert [name for name in modules if "test" in name or "__main__" in texts[name]] == []


def test_every_link_between_documents_leads_somewhere(texts: dict[str, str]) -> None:
    dead = [
        (name, link)
        for name, text in texts.items()
        if name.endswith(".md")
        for link in LINK.findall(text)
        if not (ROOT / name).parent.joinpath(link).exists()
    ]

    assert dead == []


def test_every_record_of_a_decision_is_in_the_index(texts: dict[str, str]) -> None:
    records = {name.rpartition("/")[2] for name in texts if re.fullmatch(r"docs/adr/\d{4}-[a-z0-9-]+\.md", name)}
    listed = set(LINK.findall(texts["docs/adr/README.md"]))

    assert records == listed
    assert len({name[:4] for name in records}) == len(records)
