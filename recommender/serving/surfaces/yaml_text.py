"""YAML that says each thing once: no key twice in a mapping, and no aliases, which grow without bound."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class _Refused(ValueError):
    """It is YAML, and of a kind that is not taken."""

    def __init__(self, mark: Any, rule: str) -> None:
        super().__init__(f"line {mark.line + 1}: {rule}")


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.peek_event()  # type: ignore[no-untyped-call]
            raise _Refused(event.start_mark, f"must have no aliases; got *{event.anchor}")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _Refused(key.start_mark, f"must name each key once; got {key.value[:40]!r} again")
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Return what a text in YAML says.

    Raises:
        ValueError: it is no YAML or not of this kind, as ``line: rule; got value``.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - it is a SafeLoader
    except _Refused:
        raise
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{where}must be YAML; {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise ValueError(f"must be YAML; {getattr(error, 'reason', None) or type(error).__name__}") from error
