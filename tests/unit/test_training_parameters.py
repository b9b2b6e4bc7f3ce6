"""The file of ``liveshelf train --params``."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.problem import Problem
from cli.training_parameters import read_parameters
from recommender.training.parameters import TrainingParameters


@pytest.mark.parametrize(
    "text",
    [
        '{"embedding_size": 8, "learning_rate": 1, "linear_l2": [5, 50.5]}',
        "embedding_size = 8\nlearning_rate = 1\nlinear_l2 = [5, 50.5]",
    ],
)
def test_json_and_toml_are_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "parameters"
    file.write_text(text)
    expected = TrainingParameters(embedding_size=8, learning_rate=1.0, linear_l2=(5.0, 50.5))
    assert read_parameters(file) == expected


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "parameters.toml"
    file.write_text("")
    assert read_parameters(file) == TrainingParameters()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("embedding_size = 0", "embedding_size: Expected `int` >= 1; got 0"),
        ('embedding_size = "64"', 'embedding_size: Expected `int`, got `str`; got "64"'),
        ("embedding_size = 6.5", "embedding_size: Expected `int`, got `float`; got 6.5"),
        ("learning_rate = 0", "learning_rate: Expected `float` > 0.0; got 0"),
        ("test_ratio = 0.6", "test_ratio: Expected `float` <= 0.4; got 0.6"),
        ('linear_l2 = ["much"]', 'linear_l2: Expected `float`, got `str`; got ["much"]'),
        ("margin = -1", "margin: Expected `float` >= 0.0; got -1"),
        ("linear_l2 = []", "linear_l2: Expected `array` of length >= 1; got []"),
        ("linear_l2 = [nan]", "linear_l2: Expected `float` > 0.0; got [NaN]"),
        ("linear_l2 = [-3]", "linear_l2: Expected `float` > 0.0; got [-3]"),
        ("seed = -1", "seed: Expected `int` >= 0; got -1"),
        ("threads = 100000", "threads: Expected `int` <= 256; got 100000"),
        ('{"seed": null}', "seed: Expected `int`, got `null`; got null"),
    ],
)
def test_a_value_that_breaks_its_rule_is_told(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "parameters"
    file.write_text(text)
    with pytest.raises(Problem) as refused:
        read_parameters(file)
    assert str(refused.value) == f"{file}: {problem}"
    assert refused.value.code == 2


def test_an_unknown_name_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "parameters"
    file.write_text("epochs = 5")
    with pytest.raises(Problem, match=r"epochs: must be one of embedding_size, .*, threads; got an unknown name"):
        read_parameters(file)


@pytest.mark.parametrize("text", ["{", "embedding_size", '"text"', "\x00", "embedding_size = 1\nembedding_size = 2"])
def test_what_is_neither_toml_nor_json_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "parameters"
    file.write_text(text)
    with pytest.raises(Problem, match="must be TOML or JSON; "):
        read_parameters(file)


def test_json_that_is_no_object_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text("[1, 2]")
    with pytest.raises(Problem, match=r"must be an object of parameters; got \[1, 2\]"):
        read_parameters(file)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "nowhere", tmp_path, tmp_path / "binary"):
        with pytest.raises(Problem, match="must be a readable TOML or JSON file; "):
            read_parameters(file)
