"""YAML read safely, with the line of every key: plain values only, other tools' tags as what they hold.

PyYAML is loaded when a file is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.mappers.files import read_text

if TYPE_CHECKING:
    from yaml import Node

MOST_NODES = 100_000
"""Aliases can make a small file stand for a tree without end."""
DEEPEST = 60
LINES = "\0lines"
"""Key under which a table keeps the lines of its keys; no YAML text can spell it."""
MERGE = "<<"


@dataclass(frozen=True, slots=True)
class YamlTable:
    """A table of a YAML file with the line of each key. Its readers raise InputError at the key's place."""

    values: dict[str, Any]
    file: str
    at: int
    """Line of the table itself."""

    def error(self, key: str, message: str, hint: str | None = None) -> InputError:
        """An error at one of the table's keys."""
        lines: dict[str, int] = self.values.get(LINES, {})
        return InputError(Problem(file=self.file, line=lines.get(key, self.at), key=key, message=message, hint=hint))

    def get(self, key: str) -> Any:
        """A value of any type; None when it is absent."""
        return self.values.get(key)

    def keys(self) -> list[str]:
        return [key for key in self.values if key != LINES]

    def need(self, key: str) -> Any:
        if self.values.get(key) is None:
            raise self.error(key, "is missing")
        return self.values[key]

    def table(self, key: str) -> YamlTable:
        value = self.need(key)
        if not isinstance(value, dict):
            raise self.error(key, f"must be a table (got {spelled(value)})")
        return YamlTable(value, self.file, self._line(key))

    def tables(self, key: str) -> list[YamlTable]:
        value = self.need(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.error(key, f"must be a list of tables (got {spelled(value)})")
        return [YamlTable(item, self.file, min(item[LINES].values(), default=self._line(key))) for item in value]

    def _line(self, key: str) -> int:
        lines: dict[str, int] = self.values.get(LINES, {})
        return lines.get(key, self.at)

    def text(self, key: str) -> str:
        value = self.need(key)
        if not isinstance(value, str):
            raise self.error(key, f"must be text (got {spelled(value)})")
        return value

    def whole(self, key: str, *, default: int | None = None, least: int = 1, most: int = 10**9) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            got = "it is missing" if value is None else f"got {spelled(value)}"
            raise self.error(key, f"must be a whole number from {least} to {most} ({got})")
        return value

    def names(self, key: str) -> list[str] | None:
        """A list of texts; None when the key is absent."""
        if key not in self.values:
            return None
        value = self.values[key] or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of names (got {spelled(value)})")
        return value


@contextmanager
def collecting(problems: list[Problem]) -> Iterator[None]:
    """What is wrong in the block goes to `problems`; the block ends at its first error."""
    try:
        yield
    except InputError as error:
        problems.extend(error.problems)


def read_yaml(path: str | Path) -> YamlTable:
    """The table in a YAML file.

    Raises:
        InputError: the file is missing, unreadable, larger than 1 MB, not YAML, or no table.
    """
    name = str(path)
    text = read_text(path)
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        line = None if mark is None else mark.line + 1
        raise InputError(Problem(file=name, line=line, message=f"not valid YAML: {reason}")) from None
    except RecursionError:
        raise InputError(Problem(file=name, message="lists or tables are nested too deeply")) from None
    if root is None or not isinstance(root, yaml.MappingNode):
        raise InputError(Problem(file=name, line=1, message="must be a table of keys and values"))
    return YamlTable(_Reader(name).value(root, 0), name, 1)


@dataclass(slots=True)
class _Reader:
    """Plain values of composed nodes; counts what it visits."""

    file: str
    visited: int = field(default=0)

    def value(self, node: Node, depth: int) -> Any:
        """Tables as dicts with the lines of their keys under `LINES`, lists as lists, the rest as YAML resolves it."""
        import yaml

        self.visited += 1
        if self.visited > MOST_NODES or depth > DEEPEST:
            message = f"holds more than {MOST_NODES} values" if depth <= DEEPEST else "is nested too deeply"
            raise self._error(node, message)
        match node:
            case yaml.MappingNode():
                return self._table(node, depth)
            case yaml.SequenceNode():
                return [self.value(item, depth + 1) for item in node.value]
            case _:
                return self._scalar(node)

    def _table(self, node: Any, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not hasattr(key_node, "value") or not isinstance(key_node.value, str):
                raise self._error(key_node, "a key must be text")
            key, value = key_node.value, self.value(value_node, depth + 1)
            if key == MERGE:
                merged |= self._merge(value_node, value)
                continue
            if key in values:
                raise self._error(key_node, f"{spelled(key)} is stated twice")
            values[key], lines[key] = value, key_node.start_mark.line + 1
        lines = merged.pop(LINES, {}) | lines
        return merged | values | {LINES: lines}

    def _merge(self, node: Node, value: Any) -> dict[str, Any]:
        tables = value if isinstance(value, list) else [value]
        if not all(isinstance(table, dict) for table in tables):
            raise self._error(node, "<< takes a table")
        merged: dict[str, Any] = {}
        for table in reversed(tables):
            merged |= table
        return merged

    def _scalar(self, node: Any) -> Any:
        """What YAML's own tags stand for; other tools' tags as text."""
        import yaml

        try:
            return yaml.SafeLoader("").construct_object(node)
        except yaml.YAMLError:
            return node.value
        except ValueError:  # a number that Python does not take, as 0x or thousands of digits
            raise self._error(node, f"is not a value: {spelled(node.value)}") from None

    def _error(self, node: Node, message: str) -> InputError:
        return InputError(Problem(file=self.file, line=node.start_mark.line + 1, message=message))
