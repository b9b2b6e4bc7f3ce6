"""The data set that a load command was given."""

from __future__ import annotations

from pathlib import Path

from cli.problem import WRONG_USE, Problem
from recommender.loaders import Loader, MissingFile, UnknownDataset, WrongFormat, open_loader


def open_dataset(dataset: str, file: Path) -> Loader:
    """Open a data set.

    Raises:
        Problem: there is no such format or file, or the folder has no file of the format; all of it wrong use.
        UnreadableFile: the file is there, but damaged or not to be read.
    """
    try:
        return open_loader(dataset, file)
    except (UnknownDataset, MissingFile, WrongFormat) as error:
        raise Problem(str(error), WRONG_USE) from None
