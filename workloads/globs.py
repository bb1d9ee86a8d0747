"""Which ops a policy's globs mean."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from archsim.core.errors import nearest
from archsim.workloads.layers import layer_name
from archsim.workloads.op import Op
from archsim.workloads.parts import PartFinder, matched_names, names_parts
from archsim.workloads.trace import Trace


def matches(glob: str, name: str) -> bool:
    """Whether `glob` names the op: as it is, without the prefix of a decode segment, or as the op it is a part of."""
    return any(fnmatchcase(candidate, glob) for candidate in matched_names(name))


def idle_globs(trace: Trace, globs: Iterable[str]) -> dict[str, str | None]:
    """The globs that match no op, no head and no expert of a trace, each with the nearest name."""
    wanted = list(globs)
    if not wanted:
        return {}
    names = {op.name for op in trace.ops} | {layer_name(op.name) for op in trace.ops}
    idle = [glob for glob in wanted if not any(fnmatchcase(name, glob) for name in names)]
    if any(names_parts(glob) for glob in idle):
        parts = _part_names(trace)
        idle = [glob for glob in idle if not any(matches(glob, name) for name in parts)]
    layers = {layer_name(op.name) for op in trace.ops} if idle else set()
    return {glob: nearest(glob, layers) for glob in idle}


def _part_names(trace: Trace) -> set[str]:
    finder = PartFinder(trace)
    found = ((op, finder.parts(op)) for op in trace.ops if isinstance(op, Op))
    return {parts.name([index]) for _, parts in found if parts is not None for index in parts.indices}
