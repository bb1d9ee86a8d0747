"""YAML read safely: plain values only, a bound on size and on what aliases expand to, and the line of every key."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief, spelled

if TYPE_CHECKING:
    from yaml.events import Event
    from yaml.nodes import Node

KeyPath = tuple[str | int, ...]

LARGEST_BYTES = 2_000_000
LARGEST_NODES = 200_000
"""Values of a document with its aliases written out. Source: estimate: a network of 1000 layers has 50,000."""
DEEPEST = 60
"""Nesting of values. Source: estimate: a hardware description nests about 25 deep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """The values of a YAML file, and where each is written."""

    file: Path
    values: Any
    lines: dict[KeyPath, int] = field(repr=False)

    def line(self, path: KeyPath) -> int | None:
        """The line (from 1) of a value, or of the nearest one around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> Problem:
        """A problem of the value at `path`, with its line and its dotted key."""
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{brief(part)}" for part in path).lstrip(".")
        return Problem(message=message, line=self.line(path), key=key or None, hint=hint)


def read_yaml(path: Path) -> YamlDocument:
    """The one document of a YAML file.

    Raises InputError, with the line, for a file that is missing, larger than 2 MB, no YAML, has other than plain
    values, a key twice, aliases that hold themselves or expand beyond `LARGEST_NODES`, or several documents.
    """
    import yaml

    text = _text(path)
    maker = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = maker(text)
    try:
        _check_depth(yaml.parse(text, Loader=maker), path)
        node = loader.get_single_node()
        if node is None:
            raise InputError(Problem(file=str(path), message="is empty"))
        _check_size(node, path)
        lines: dict[KeyPath, int] = {}
        problems = list(_walk(node, (), lines))
        if problems:
            raise InputError([Problem(file=str(path), line=line, message=text) for line, text in problems[:100]])
        return YamlDocument(file=path, values=loader.construct_document(node), lines=lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(str(error.problem or error.context).split())
        line = None if mark is None else mark.line + 1
        raise InputError(Problem(file=str(path), line=line, message=f"is not plain YAML: {reason}")) from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(Problem(file=str(path), message=f"is not plain YAML: {reason}")) from None
    except RecursionError:
        raise InputError(Problem(file=str(path), message="is nested too deeply")) from None
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(Problem(file=str(path), message=f"is larger than {LARGEST_BYTES:,} bytes"))
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(Problem(file=str(path), message="no such file")) from None
    except OSError as error:
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 (byte 0x{content[error.start]:02x})"
        raise InputError(Problem(file=str(path), line=line, message=message)) from None


def _check_depth(events: Iterable[Event], path: Path) -> None:
    """Refuse deep nesting before anything recurses into it: the C reader would run over its stack."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind in ("SequenceStartEvent", "MappingStartEvent")
        depth -= kind in ("SequenceEndEvent", "MappingEndEvent")
        if depth > DEEPEST:
            line = None if event.start_mark is None else event.start_mark.line + 1
            raise InputError(Problem(file=str(path), line=line, message=f"is nested more than {DEEPEST} deep"))


def _check_size(root: Node, path: Path) -> None:
    """Refuse what aliases make endless or huge; each node is visited once, so that looking costs nothing."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in open_nodes:
            raise _refusal(path, node, "holds an alias of itself")
        open_nodes.add(id(node))
        total = 1 + sum(size(child) for child in _children(node))
        open_nodes.discard(id(node))
        if total > LARGEST_NODES:
            raise _refusal(path, node, f"has more than {LARGEST_NODES:,} values with its aliases written out")
        sizes[id(node)] = total
        return total

    size(root)


def _refusal(path: Path, node: Node, message: str) -> InputError:
    return InputError(Problem(file=str(path), line=node.start_mark.line + 1, message=message))


def _children(node: Node) -> Iterator[Node]:
    if not isinstance(node.value, list):
        return
    for item in node.value:
        if isinstance(item, tuple):
            yield from item
        else:
            yield item


def _walk(node: Node, path: KeyPath, lines: dict[KeyPath, int]) -> Iterator[tuple[int, str]]:
    """Note the line of every value below `node`; yield keys that stand twice or are no plain words, with their line."""
    lines.setdefault(path, node.start_mark.line + 1)
    if not isinstance(node.value, list):
        return
    seen: set[Hashable] = set()
    for index, item in enumerate(node.value):
        if not isinstance(item, tuple):
            yield from _walk(item, (*path, index), lines)
            continue
        key, value = item
        line = key.start_mark.line + 1
        if not isinstance(key.value, str):
            yield line, "a key must be a word"
            continue
        if key.value in seen and key.value != "<<":
            yield line, f"key {spelled(key.value)} stands twice"
        seen.add(key.value)
        lines[(*path, key.value)] = line
        yield from _walk(value, (*path, key.value), lines)
