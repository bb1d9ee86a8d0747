"""`--set dotted.key=value`: single keys over a design's own, list entries by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archsim.api.places import COMMAND_LINE, Merged, Origin
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.toml import KeyPath, parse_key, parse_value

BASE_KEY = ("hardware", "base")


@dataclass(frozen=True, slots=True)
class Override:
    """One `--set`: the key's parts and its value."""

    key: tuple[str, ...]
    value: Any
    text: str


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """The overrides that `--set` arguments spell. Raises InputError with every one that is not ``key=value``."""
    parsed = [_parse(text) for text in texts]
    problems = [item for item in parsed if isinstance(item, Problem)]
    if problems:
        raise InputError(problems)
    return [item for item in parsed if isinstance(item, Override)]


def _parse(text: str) -> Override | Problem:
    key, equals, value = _halves(text)
    parts = parse_key(key.strip()) if equals else None
    if parts is None:
        hint = "such as --set hardware.array.rows=16"
        return Problem(file="--set", message=f"must be dotted.key=value (got '{text}')", hint=hint)
    return Override(parts, parse_value(value.strip()), text)


def _halves(text: str) -> tuple[str, str, str]:
    """Split at the first ``=`` outside quotes."""
    quote = ""
    for index, letter in enumerate(text):
        if letter == quote:
            quote = ""
        elif not quote and letter in "\"'":
            quote = letter
        elif letter == "=" and not quote:
            return text[:index], "=", text[index + 1 :]
    return text, "", ""


def apply_override(merged: Merged, override: Override) -> None:
    """Set one key in place; a problem is noted when a list has no entry of that name or a value is in the way."""
    target: Any = merged.values
    path: KeyPath = ()
    for index, part in enumerate(override.key):
        last = index == len(override.key) - 1
        if isinstance(target, list):
            position = _position(target, part)
            if position is None:
                _note(merged, override, _no_entry(target, part, override.key[:index]))
                return
            path = (*path, position)
            if last:
                target[position] = override.value
            target = target[position]
        elif isinstance(target, dict):
            path = (*path, part)
            if last:
                _replace(target, part, override.value)
            else:
                target = target.setdefault(part, {})
        else:
            _note(merged, override, Problem(message=f"{'.'.join(override.key[:index])} is a value, not a table"))
            return
    for stale in [known for known in merged.origins if known[: len(path)] == path]:
        del merged.origins[stale]
    merged.origins[path] = Origin(COMMAND_LINE, path)


def _replace(target: dict[str, Any], key: str, value: Any) -> None:
    """Set a key; the other word for the same thing goes."""
    if key in ("dataflow", "dataflows"):
        target.pop("dataflow", None)
        target.pop("dataflows", None)
    if key == "bandwidth":
        target.pop("read_bandwidth", None)
        target.pop("write_bandwidth", None)
    if key in ("model", "trace", "config", "onnx"):
        for other in ("model", "trace", "config", "onnx"):
            target.pop(other, None)
    target[key] = value


def _position(entries: list[Any], name: str) -> int | None:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if name in names:
        return names.index(name)
    return int(name) if name.isascii() and name.isdigit() and len(name) < 5 and int(name) < len(entries) else None


def _no_entry(entries: list[Any], name: str, key: tuple[str, ...]) -> Problem:
    names = [entry["name"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
    near = nearest(name, names)
    hint = f"did you mean '{near}'?" if near else f"entries: {', '.join(names)}" if names else None
    return Problem(message=f"{'.'.join(key)} has no entry named '{name}'", hint=hint)


def _note(merged: Merged, override: Override, problem: Problem) -> None:
    placed = Problem(file="--set", key=".".join(override.key), message=problem.message, hint=problem.hint)
    merged.problems.append(placed)
