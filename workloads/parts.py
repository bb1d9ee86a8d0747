"""Single heads and experts of ops that hold many: how they are named, told apart and split.

A product with the segment ``experts`` in its name holds one expert per b: ``layers.0.experts.up_proj``, of which
``layers.0.experts.3.up_proj`` is one. An attention product holds the trace's batch times its key-value heads:
``layers.0.qk``, of which ``layers.0.heads.3.qk`` is one. A split op is named with the range it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.layers import layer_name
from archsim.workloads.op import AnyOp, Op, Role
from archsim.workloads.surgery import Replacement, replaced
from archsim.workloads.trace import Trace

PartKind = Literal["heads", "experts"]
LARGEST_INDEX = 1_000_000

_RANGE = re.compile(r"(\d{1,7})(?:-(\d{1,7}))?")
_SEGMENT = re.compile(r"(?:^|\.)(heads|experts)\.([\d,-]+)\.")
_GROUP = re.compile(r"group(\d{1,6})\.")
_MERGED_EXPERTS = re.compile(r"(^|\.)experts\.(?![\d,-]+\.)")


@dataclass(frozen=True, slots=True)
class Parts:
    """Heads or experts that an op holds: their indices, and its name with `{}` in the place of an index."""

    kind: PartKind
    indices: tuple[int, ...]
    template: str

    def name(self, indices: Iterable[int]) -> str:
        return self.template.format(range_text(indices))


def names_parts(glob: str) -> bool:
    """Whether a glob may name single heads or experts."""
    return "heads" in glob or "experts" in glob


def parse_range(text: str, key: str | None = None) -> frozenset[int]:
    """Indices that ``3``, ``0-3`` or ``0,4-5`` lists. Raises InputError at `key` for anything else.

    >>> sorted(parse_range("0,4-5"))
    [0, 4, 5]
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last < LARGEST_INDEX:
            message = f"must list numbers from 0, such as '0-3' or '0,4-5' (got {brief(text)!r})"
            raise InputError(Problem(key=key, message=message))
        found |= set(range(first, last + 1))
    return frozenset(found)


def range_text(indices: Iterable[int]) -> str:
    """The shortest spelling of a set of indices.

    >>> range_text([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for index in sorted(indices):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def merged_name(name: str) -> str:
    """The name of the op that a part was split from; any other name as it is.

    >>> merged_name("layers.0.heads.0-1.qk"), merged_name("layers.0.experts.3.up_proj")
    ('layers.0.qk', 'layers.0.experts.up_proj')
    """
    match = _SEGMENT.search(name)
    if match is None:
        return name
    kept = "experts." if match[1] == "experts" else ""
    dot = "." if match[0].startswith(".") else ""
    return name[: match.start()] + dot + kept + name[match.end() :]


def part_index(name: str, kind: PartKind) -> int | None:
    """The head or expert that a name is of; None where it is of no single one.

    >>> part_index("layers.0.heads.3.qk", "heads")
    3
    """
    match = _SEGMENT.search(name)
    return int(match[2]) if match and match[1] == kind and match[2].isdigit() else None


class PartFinder:
    """Tells the heads and experts of a trace's ops apart."""

    def __init__(self, trace: Trace) -> None:
        products = [op for op in trace.ops if isinstance(op, Op)]
        self._batch = max(1, trace.batch)
        self._groups = {op.name: op.loops.get("b", 1) for op in products if ".group" in op.name}
        self._routed = {
            op.name.removesuffix("router"): op.size(op.columns)
            for op in products
            if op.name == "router" or op.name.endswith(".router")
        }

    def parts(self, op: Op) -> Parts | None:
        """The heads or experts that an op holds; None where there is one, or none can be told.

        A mixture that touches few of its experts says only how many: they stand for indices that are spread evenly over
        those its router chooses from.
        """
        split = _SEGMENT.search(op.name)
        if split is not None:
            indices = tuple(sorted(parse_range(split[2])))
            template = f"{_escaped(op.name[: split.start(2)])}{{}}{_escaped(op.name[split.end(2) :])}"
            return Parts("heads" if split[1] == "heads" else "experts", indices, template)
        if op.weights.role is Role.PARAMETER:
            return self._experts(op)
        size = op.loops.get("b", 1)
        if size % self._batch:
            return None
        template = _inserted(op.name, op.name.rfind(".") + 1, "heads.{}.")
        return Parts("heads", tuple(range(size // self._batch)), template)

    def representative(self, op: AnyOp) -> str:
        """A name that stands for an op: of a split op that of its first part, which is treated as all of its parts."""
        if _SEGMENT.search(op.name) is None or not isinstance(op, Op):
            return op.name
        parts = self.parts(op)
        return op.name if parts is None else parts.name(parts.indices[:1])

    def _experts(self, op: Op) -> Parts | None:
        match = _MERGED_EXPERTS.search(op.name)
        if match is None:
            return None
        size = op.loops.get("b", 1)
        at, rest = op.name[: match.end()], op.name[match.end() :]
        group = _GROUP.match(rest)
        last = rest[group.end() :] if group else rest
        before, touched = (0, size) if group is None else self._place(at, last, int(group[1]))
        experts = max(touched, self._routed.get(at.removesuffix("experts."), touched))
        places = range(before, before + size)
        indices = tuple((2 * place + 1) * experts // (2 * touched) for place in places)
        return Parts("experts", indices, _inserted(at + last, len(at), "{}."))

    def _place(self, at: str, last: str, number: int) -> tuple[int, int]:
        """How many experts stand in the groups before one, and in all groups of a layer."""
        sizes: list[int] = []
        while (name := f"{at}group{len(sizes)}.{last}") in self._groups:
            sizes.append(self._groups[name])
        return sum(sizes[:number]), sum(sizes)


def split(trace: Trace, choice: Callable[[str], Hashable]) -> Trace:
    """The trace with every op split whose parts are not all chosen as the whole is; MACs and parameters stay.

    `choice` of a part's name is whatever decides how it is treated. Parts with equal choices stay one op.
    """
    finder = PartFinder(trace)
    replacements: dict[str, Replacement] = {}
    for op in trace.ops:
        parts = finder.parts(op) if isinstance(op, Op) else None
        if parts is None or not isinstance(op, Op):
            continue
        alike: dict[Hashable, list[int]] = {}
        for index in parts.indices:
            alike.setdefault(choice(parts.name([index])), []).append(index)
        if set(alike) != {choice(finder.representative(op))}:
            each = op.loops["b"] // len(parts.indices)
            ops = tuple(_with_batch(op, parts.name(group), each * len(group)) for group in alike.values())
            replacements[op.name] = Replacement(ops, tuple(part.name for part in ops))
    return replaced(trace, replacements)


@lru_cache(maxsize=1 << 16)
def matched_names(name: str) -> tuple[str, ...]:
    """Names under which a glob may mean an op: its own, without a decode segment, and of the op it is a part of."""
    layer = layer_name(name)
    return tuple(dict.fromkeys((name, layer, merged_name(layer))))


def _with_batch(op: Op, name: str, size: int) -> Op:
    sizes = {"b": size}
    return replace(op, name=name, after=None, dims={**op.dims, **sizes}, loops={**op.loops, **sizes})


def _inserted(name: str, at: int, text: str) -> str:
    return _escaped(name[:at]) + text + _escaped(name[at:])


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
