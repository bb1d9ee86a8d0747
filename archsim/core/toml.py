"""TOML read safely: a size limit, clear errors, and the line of every key."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief

if TYPE_CHECKING:
    from tree_sitter import Node

KeyPath = tuple[str | int, ...]
"""Keys from the root of a document; integers index arrays."""

LARGEST_BYTES = 1_000_000
_DECLARED_TWICE = re.compile(r"Cannot declare (\(.*\)) twice", re.DOTALL)
_SYNTAX_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TomlDocument:
    """Values of a TOML file, with its name as the user wrote it and its text (for line numbers)."""

    name: str
    values: dict[str, Any]
    text: bytes = b""
    _lines: dict[KeyPath, int] = field(default_factory=dict, repr=False, compare=False)

    def line(self, path: KeyPath) -> int | None:
        """The line (from 1) where `path` is written, or its nearest enclosing table; None without a text."""
        if not self.text:
            return None
        if not self._lines:
            self._lines.update(key_lines(self.text))
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None


def read_toml(path: str | Path, *, name: str | None = None) -> TomlDocument:
    """The values of a TOML file; `name` stands in errors where the path should not.

    Raises InputError, naming the file, when it is missing, unreadable, larger than 1 MB, not UTF-8, or not TOML.
    """
    name = str(path) if name is None else name
    raw = _read_bytes(Path(path), name)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte 0x{raw[error.start]:02x})"
        raise InputError(Problem(file=name, line=line, message=message, hint="save it as UTF-8")) from None
    return TomlDocument(name=name, values=parse_toml(text, name), text=raw)


def _read_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InputError(Problem(file=name, message="no such file", hint=_similar(path))) from None
    except IsADirectoryError:
        raise InputError(Problem(file=name, message="is a folder, not a TOML file")) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(Problem(file=name, message=f"cannot be read: {reason}")) from None
    if len(raw) > LARGEST_BYTES:
        message = f"is larger than {LARGEST_BYTES // 10**6} MB; a design takes a few kB"
        raise InputError(Problem(file=name, message=message))
    return raw


def _similar(path: Path) -> str | None:
    """A hint that names a TOML file of nearly the same name beside `path`."""
    from archsim.core.errors import nearest

    try:
        near = nearest(path.name, [entry.name for entry in path.parent.glob("*.toml")])
    except OSError:
        return None
    return f"did you mean '{path.parent / near}'?" if near else None


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The values of TOML text; `name` stands in errors. Raises InputError with the line of a syntax error."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a syntax error, or an integer of thousands of digits
        raise InputError(_syntax_problem(str(error), text, name)) from None
    except RecursionError:
        raise InputError(Problem(file=name, message="arrays or tables are nested too deeply")) from None


def _syntax_problem(message: str, text: str, name: str) -> Problem:
    match = _SYNTAX_PLACE.search(message)
    if match is None:
        return Problem(file=name, message=f"not valid TOML: {message}")
    line = int(match.group(1)) if match.group(1) else text.count("\n") + 1
    reason = _plain_reason(message[: match.start()])
    return Problem(file=name, line=line, message=f"not valid TOML: {reason[:1].lower()}{reason[1:]}")


def _plain_reason(reason: str) -> str:
    """The parser's words, but for those that show its own data."""
    match = _DECLARED_TWICE.fullmatch(reason)
    if match is None:
        return reason
    return f"table [{'.'.join(brief(part) for part in ast.literal_eval(match.group(1)))}] is declared twice"


def key_lines(text: bytes) -> dict[KeyPath, int]:
    """The line (from 1) of every key of a TOML text, arrays of tables and inline tables included."""
    import tree_sitter
    import tree_sitter_toml

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    for node in parser.parse(text).root_node.named_children:
        match node.type:
            case "pair":
                _locate_pair(node, (), lines)
            case "table" | "table_array_element":
                _locate_table(node, lines, counts)
    return lines


def _locate_table(node: Node, lines: dict[KeyPath, int], counts: dict[KeyPath, int]) -> None:
    """Record a table header and its pairs; `counts` holds how many elements each array of tables has so far."""
    header, *pairs = node.named_children
    keys = _key(header)
    path: KeyPath = ()
    for index, key in enumerate(keys):
        path = (*path, key)
        lines.setdefault(path, _line(header))
        last = index == len(keys) - 1
        if last and node.type == "table_array_element":
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
            lines.setdefault(path, _line(header))
    if node.type == "table":
        lines[path] = _line(header)
    for pair in pairs:
        if pair.type == "pair":
            _locate_pair(pair, path, lines)


def _locate_pair(pair: Node, prefix: KeyPath, lines: dict[KeyPath, int]) -> None:
    key, *values = pair.named_children
    path = prefix
    for part in _key(key):
        path = (*path, part)
        lines.setdefault(path, _line(key))
    if values:
        _locate_value(values[-1], path, lines)


def _locate_value(node: Node, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    match node.type:
        case "inline_table":
            for pair in node.named_children:
                if pair.type == "pair":
                    _locate_pair(pair, path, lines)
        case "array":
            elements = (child for child in node.named_children if child.type != "comment")
            for index, element in enumerate(elements):
                lines.setdefault((*path, index), _line(element))
                _locate_value(element, (*path, index), lines)


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _key(node: Node) -> tuple[str, ...]:
    return tuple(_key_parts(node))


def _key_parts(node: Node) -> Iterator[str]:
    text = (node.text or b"").decode("utf-8", errors="replace")
    match node.type:
        case "dotted_key":
            for child in node.named_children:
                yield from _key_parts(child)
        case "quoted_key":
            yield from tomllib.loads(f"{text} = 0")
        case _:
            yield text


def parse_key(text: str) -> tuple[str, ...] | None:
    """The parts of a dotted TOML key; None when it is not one.

    >>> parse_key('quantization.layers."*.down_proj".weights')
    ('quantization', 'layers', '*.down_proj', 'weights')
    """
    try:
        value: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    parts: list[str] = []
    while isinstance(value, dict):
        if len(value) != 1:
            return None
        ((key, value),) = value.items()
        parts.append(key)
    return tuple(parts)


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself when it is not one.

    >>> parse_value("16"), parse_value("8 KiB"), parse_value('["ws"]')
    (16, '8 KiB', ['ws'])
    """
    try:
        values = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return values["value"] if list(values) == ["value"] else text
