"""`--set dotted.key=value`: single keys over a design's own, list entries by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archsim.api.places import COMMAND_LINE, Merged, Origin
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath, parse_key, parse_value

BASE_KEY = ("hardware", "base")
_SAME_THING = (("dataflow", "dataflows"), ("model", "trace", "config", "onnx"), ("mac_energy", "step_energy"))


@dataclass(frozen=True, slots=True)
class Override:
    """One `--set`: the key's parts and its value."""

    key: tuple[str, ...]
    value: Any
    text: str
    origin: Origin | None = None
    """Where a file other than the design sets it; files that it names are relative to the design's folder then."""


def parse_overrides(texts: Sequence[str]) -> list[Override]:
    """The overrides that `--set` arguments spell, or a single one. Raises InputError with all that are not
    ``key=value``.
    """
    texts = (texts,) if isinstance(texts, str) else texts
    parsed = [_parse(text) for text in texts]
    problems = [item for item in parsed if isinstance(item, Problem)]
    if problems:
        raise InputError(problems)
    return [item for item in parsed if isinstance(item, Override)]


def _parse(text: object) -> Override | Problem:
    if not isinstance(text, str):
        return Problem(message=f"an override is a text such as 'hardware.cores=2' (got {spelled(text)})")
    key, equals, value = _halves(text)
    parts = parse_key(key.strip()) if equals else None
    if parts is None:
        hint = "such as --set hardware.array.rows=16"
        return Problem(file="--set", message=f"must be dotted.key=value (got {spelled(text)})", hint=hint)
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
        step = _step(target, part, override.key[:index])
        if isinstance(step, Problem):
            _note(merged, override, step)
            return
        path = (*path, step)
        if index == len(override.key) - 1:
            _replace(target, step, override.value)
        elif isinstance(target, dict) and step not in target:
            target[step] = {}
            merged.origins[path] = _origin(override, path)
        target = target[step]
    for stale in [known for known in merged.origins if known[: len(path)] == path]:
        del merged.origins[stale]
    merged.origins[path] = _origin(override, path)


def _origin(override: Override, path: KeyPath) -> Origin:
    return Origin(COMMAND_LINE, path) if override.origin is None else override.origin


def _step(target: Any, part: str, above: tuple[str, ...]) -> str | int | Problem:
    """The key or the position that `part` names in a table or a list."""
    if isinstance(target, dict):
        return part
    if not isinstance(target, list):
        return Problem(message=f"{'.'.join(above)} is a value, not a table")
    position = _position(target, part)
    return _no_entry(target, part, above) if position is None else position


def _replace(target: Any, key: str | int, value: Any) -> None:
    """Set a key; the other words for the same thing go."""
    for words in _SAME_THING:
        if key in words:
            for word in words:
                target.pop(word, None)
    if key == "bandwidth":
        target.pop("read_bandwidth", None)
        target.pop("write_bandwidth", None)
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
    named = Problem(key=".".join(override.key), message=problem.message, hint=problem.hint)
    merged.problems.append(_origin(override, ()).placed(named))
