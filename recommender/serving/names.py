"""Which codes of the item table a name stands for, whatever its case."""

from __future__ import annotations

from array import array

from recommender.events import category_levels


class Names:
    """Names of categories and brands; the empty one, for what is unknown, is none."""

    def __init__(self) -> None:
        self.called: dict[str, array[int]] = {}
        """Casefolded name -> codes."""
        self.below: dict[str, array[int]] = {}
        """Casefolded category, at any level of the tree -> codes of it and of all below it."""

    def note(self, name: str, code: int) -> None:
        """Take a code that is new."""
        if name:
            self.called.setdefault(name.casefold(), array("q")).append(code)
        for level in category_levels(name):
            self.below.setdefault(level.casefold(), array("q")).append(code)
