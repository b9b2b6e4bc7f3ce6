"""The files of a model's parts: what was written is read, what breaks a rule is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.model.links import Links
from recommender.model.parts import (
    BadPart,
    Parts,
    decode_links,
    decode_parts,
    encode_links,
    encode_parts,
    part_files,
)
from recommender.model.ranker import Ranker, fit_ranker
from recommender.model.visits import Visits

ITEMS = 5
VISITS = ("visits", "histories")
LINKS = ("followers", "history_followers", "linear")


def links(seed: int) -> Links:
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, 3, ITEMS)
    starts = np.r_[0, np.cumsum(counts)].astype(np.int64)
    total = int(starts[-1])
    return Links(starts, draw.integers(0, ITEMS, total).astype(np.int32), draw.random(total, np.float32))


def visits(seed: int) -> Visits:
    draw = np.random.default_rng(seed)
    return Visits.of_events(draw.integers(0, 6, 30), draw.integers(0, ITEMS, 30), np.arange(30) + 10**15, 50)


def ranker() -> Ranker:
    draw = np.random.default_rng(1)
    values, right = draw.random((400, 2)).astype(np.float32), (draw.random(400) < 0.5).astype(np.float32)
    questions = [(values[start : start + 100], right[start : start + 100]) for start in range(0, 400, 100)]
    return fit_ranker(("a", "b"), questions, 1, seed=1, threads=1)


def parts(of_ranker: Ranker | None = None) -> Parts:
    return Parts(visits(1), visits(2), links(3), links(4), links(5), of_ranker)


@pytest.mark.parametrize("of_ranker", [None, ranker()], ids=["without a ranker", "with a ranker"])
def test_parts_are_the_same_after_they_were_written_and_read(of_ranker: Ranker | None) -> None:
    before = parts(of_ranker)
    files = encode_parts(before)
    after = decode_parts(files, ITEMS)
    assert list(files) == part_files(of_ranker is not None)
    for name in VISITS:
        for array in ("starts", "items", "ends_us"):
            np.testing.assert_array_equal(getattr(getattr(after, name), array), getattr(getattr(before, name), array))
    for name in LINKS:
        for mine, theirs in zip(getattr(after, name), getattr(before, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert (after.ranker and after.ranker.text) == (of_ranker and of_ranker.text)
    assert encode_parts(after) == files


def test_a_model_without_parts_has_empty_ones() -> None:
    after = decode_parts(encode_parts(Parts()), ITEMS)
    assert len(after.visits) == len(after.histories) == 0
    assert all(len(getattr(after, name).of(0)[0]) == 0 for name in LINKS)
    assert after.ranker is None


def file_of(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def starts(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def items(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def weights(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


WHOLE = {"starts": starts(0, 1, 3), "items": items(0, 4, 2), "weights": weights(1, 2, 3)}


def test_links_that_keep_the_rules_are_read() -> None:
    assert decode_links("linear", file_of(**WHOLE), ITEMS).of(1)[0].tolist() == [4, 2]
    assert encode_links(Links(**WHOLE)) == encode_links(decode_links("linear", encode_links(Links(**WHOLE)), ITEMS))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"starts": starts()}, "starts must rise from 0 to the number of items"),
        ({"starts": starts(1, 1, 3)}, "starts must rise from 0 to the number of items"),
        ({"starts": starts(0, 2, 1, 3)}, "starts must rise from 0 to the number of items"),
        ({"starts": starts(0, 1, 2)}, "starts must rise from 0 to the number of items"),
        ({"starts": starts(0, 1, 4)}, "starts must rise from 0 to the number of items"),
        ({"items": items(0, 5, 2)}, "items must be numbers below 5; got 0 to 5"),
        ({"items": items(0, -1, 2)}, "items must be numbers below 5; got -1 to 2"),
        ({"weights": weights(1, 2)}, "weights must be finite, one for each item"),
        ({"weights": weights(1, 2, np.nan)}, "weights must be finite, one for each item"),
        ({"weights": weights(1, 2, np.inf)}, "weights must be finite, one for each item"),
        ({"weights": np.ones(3)}, "weights must be a vector of float32; got float64"),
        ({"items": np.array([0, 4, 2])}, "items must be a vector of int32; got int64"),
        ({"starts": starts(0, 1, 3).astype(np.float64)}, "starts must be a vector of int64; got float64"),
        ({"weights": weights(1, 2, 3).reshape(3, 1)}, "weights must be a vector of float32; got float32"),
    ],
)
def test_links_that_break_a_rule_are_refused(change: dict[str, np.ndarray], rule: str) -> None:
    with pytest.raises(BadPart) as refused:
        decode_links("linear", file_of(**WHOLE | change), ITEMS)
    assert str(refused.value) == f"linear.npz: {rule}"


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


NO_ARCHIVES = {
    "nothing": b"",
    "words": b"these are no arrays",
    "the head of an archive": file_of(**WHOLE)[:100],
    "the head of a head": b"PK\x03\x04",
    "an array alone": npy(np.zeros(3)),
    "an archive without an array": file_of(starts=WHOLE["starts"], items=WHOLE["items"]),
    "objects": file_of(**WHOLE | {"weights": np.array([{}, {}, {}])}),
    "a pickle": npy(np.array([{}])),
    "a changed byte": file_of(**WHOLE).replace(np.float32(2).tobytes(), np.float32(5).tobytes(), 1),
}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_a_file_that_holds_no_such_arrays_is_refused(content: bytes) -> None:
    with pytest.raises(BadPart, match=r"^followers\.npz: must hold the arrays starts, items, weights; "):
        decode_links("followers", content, ITEMS)


@pytest.mark.parametrize("name", VISITS)
def test_visits_need_an_end_each(name: str) -> None:
    files = encode_parts(parts())
    files[f"{name}.npz"] = file_of(starts=starts(0, 2, 4), items=items(0, 1, 2, 3), ends_us=starts(7))
    with pytest.raises(BadPart, match=rf"^{name}\.npz: ends_us must have one entry for each visit"):
        decode_parts(files, ITEMS)


@pytest.mark.parametrize("name", [*VISITS, *LINKS])
def test_a_part_of_more_items_than_the_model_has_is_refused(name: str) -> None:
    files = encode_parts(parts())
    assert decode_parts(files, ITEMS)
    part = getattr(parts(), name)
    with pytest.raises(BadPart, match="items must be numbers below"):
        decode_parts(files, int(part.items.max()))


@pytest.mark.parametrize("content", [b"no trees", b"\xff\xfe"])
def test_a_file_that_holds_no_ranker_is_refused(content: bytes) -> None:
    with pytest.raises(BadPart, match=r"^ranker\.txt: "):
        decode_parts(encode_parts(parts()) | {"ranker.txt": content}, ITEMS)


@settings(max_examples=200)
@given(st.data())
def test_a_file_with_a_changed_byte_is_refused_or_says_the_same(data: st.DataObject) -> None:
    content = bytearray(file_of(**WHOLE))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_links("linear", bytes(content), ITEMS)
    except BadPart:
        return
    for array, expected in WHOLE.items():
        np.testing.assert_array_equal(getattr(found, array), expected)
