"""JSON with the line of every key, so that errors in a file point at their place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath
from archsim.mappers.files import read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonDocument:
    """The object in a JSON file, with the lines of its keys."""

    name: str
    values: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int | None:
        """Line of a key or of what encloses it."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)


def read_json(path: str | Path) -> JsonDocument:
    """The object in a JSON file.

    Raises:
        InputError: the file cannot be read, is not JSON, or holds something else than an object.
    """
    name, text = str(path), read_text(path)
    try:
        values = json.loads(text, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}"
        raise InputError(Problem(file=name, line=error.lineno, message=message)) from None
    except RecursionError:
        raise InputError(Problem(file=name, message="lists or objects are nested too deeply")) from None
    except ValueError as error:  # a key stated twice, or an integer of thousands of digits
        raise InputError(Problem(file=name, message=f"not valid JSON: {error}")) from None
    if not isinstance(values, dict):
        raise InputError(Problem(file=name, line=1, message=f"must be an object (got {spelled(values)})"))
    return JsonDocument(name=name, values=values, lines=_lines(text))


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{spelled(next(key for key in keys if keys.count(key) > 1))} is stated twice")
    return values


def _lines(text: str) -> dict[KeyPath, int]:
    """Lines by path. JSON is YAML but for tabs, which valid JSON has only between values."""
    import yaml

    lines: dict[KeyPath, int] = {}
    try:
        root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return lines
    pending: list[tuple[KeyPath, Any]] = [((), root)]
    while pending:
        path, node = pending.pop()
        lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines[(*path, str(key.value))] = key.start_mark.line + 1
                pending.append(((*path, str(key.value)), value))
        elif isinstance(node, yaml.SequenceNode):
            pending += [((*path, index), item) for index, item in enumerate(node.value)]
    return lines
