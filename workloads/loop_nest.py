"""Loop nests as other tools write them, recognised as the products that archsim has: GEMM and convolution.

Each loop has a part that follows from the operands whose indices it is in: rows (inputs and outputs), columns (weights
and outputs), reduction (inputs and weights), batch (all three). An input index that is a sum of a row and a reduction
loop is a sliding window, which makes a convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from archsim.core.errors import Problem
from archsim.workloads.op import Axis, Op, Phase, Role, Term
from archsim.workloads.table_columns import LARGEST

WINDOWS = 2
"""Sliding windows that a convolution has at most: height, then width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """A product of two operands: sizes of the loops, and each operand's indices as sums of loops."""

    name: str
    sizes: Mapping[str, int]
    inputs: tuple[Axis, ...]
    weights: tuple[Axis, ...]
    outputs: tuple[Axis, ...]
    weight_role: Role = Role.PARAMETER
    after: tuple[str, ...] | None = None
    phase: Phase = "forward"


def nest_op(nest: Nest) -> Op | list[Problem]:
    """The GEMM or convolution that a nest computes, or why it is neither (keys are loops)."""
    parts, problems = _parts(nest)
    windows, more = _windows(nest, parts)
    problems += more
    if not problems and prod(nest.sizes.values()) > LARGEST:
        problems.append(Problem(message=f"has more than {LARGEST} multiply-accumulates"))
    if problems:
        return problems
    return _conv(nest, parts, windows) if windows else _gemm(nest, parts)


def _parts(nest: Nest) -> tuple[dict[str, str], list[Problem]]:
    """Each loop's part. Loops of size 1 change nothing, so they may be in any indices."""
    names = {
        (True, False, True): "rows",
        (False, True, True): "columns",
        (True, True, False): "reduction",
        (True, True, True): "batch",
    }
    parts: dict[str, str] = {}
    problems = []
    for loop, size in nest.sizes.items():
        within = tuple(_is_in(loop, axes) for axes in (nest.inputs, nest.weights, nest.outputs))
        part = names.get(within)  # type: ignore[arg-type]
        if part is not None:
            parts[loop] = part
        elif size > 1:
            owners = [name for name, found in zip(("inputs", "weights", "outputs"), within, strict=True) if found]
            where = f"only in the indices of {owners[0]}" if owners else "in no operand's indices"
            problems.append(Problem(key=loop, message=f"is {where}: that is no product of inputs and weights"))
    return parts, problems


def _is_in(loop: str, axes: tuple[Axis, ...]) -> bool:
    return any(term.dim == loop for axis in axes for term in axis)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    output: Term
    kernel: Term


def _windows(nest: Nest, parts: Mapping[str, str]) -> tuple[list[_Window], list[Problem]]:
    """The sliding windows of the inputs, in the order of their indices, and index sums that are something else."""
    windows: list[_Window] = []
    problems = [
        Problem(key=_spelled(axis), message="is a sum of loops in the indices of weights or outputs")
        for axis in (*nest.weights, *nest.outputs)
        if len(axis) > 1
    ]
    for axis in nest.inputs:
        if len(axis) < 2:
            continue
        rows = [term for term in axis if parts.get(term.dim, "rows") == "rows"]
        kernels = [term for term in axis if term not in rows and parts.get(term.dim) == "reduction"]
        if len(axis) == 2 and len(rows) == 1 and len(kernels) == 1:
            windows.append(_Window(output=rows[0], kernel=kernels[0]))
        elif any(nest.sizes.get(term.dim, 1) > 1 for term in axis):
            message = "is no sliding window: it must be the sum of an output loop and a kernel loop"
            problems.append(Problem(key=_spelled(axis), message=message))
    if len(windows) > WINDOWS:
        message = f"has {len(windows)} sliding windows: a convolution has at most {WINDOWS}"
        problems.append(Problem(message=message))
    return windows, problems


def _spelled(axis: Axis) -> str:
    return " + ".join(f"{term.coefficient}*{term.dim}" for term in axis)


def _size(nest: Nest, parts: Mapping[str, str], part: str, without: frozenset[str] = frozenset()) -> int:
    return prod(size for loop, size in nest.sizes.items() if parts.get(loop) == part and loop not in without)


def _gemm(nest: Nest, parts: Mapping[str, str]) -> Op:
    return Op.gemm(
        nest.name,
        b=_size(nest, parts, "batch"),
        m=_size(nest, parts, "rows"),
        n=_size(nest, parts, "columns"),
        k=_size(nest, parts, "reduction"),
        weight_role=nest.weight_role,
        phase=nest.phase,
        after=nest.after,
    )


def _conv(nest: Nest, parts: Mapping[str, str], windows: list[_Window]) -> Op:
    """The first window goes along the height (p, r), the second along the width (q, s)."""
    inside = frozenset(term.dim for window in windows for term in (window.output, window.kernel))
    groups = _size(nest, parts, "batch", inside)
    sizes = {"p": 1, "r": 1, "q": 1, "s": 1}
    options: dict[str, int] = {}
    for window, (output, kernel, axis) in zip(windows, (("p", "r", "h"), ("q", "s", "w")), strict=False):
        sizes |= {output: nest.sizes[window.output.dim], kernel: nest.sizes[window.kernel.dim]}
        options |= {f"stride_{axis}": window.output.coefficient, f"dilation_{axis}": window.kernel.coefficient}
    return Op.conv(
        nest.name,
        n=_size(nest, parts, "rows", inside),
        k=_size(nest, parts, "columns", inside) * groups,
        c=_size(nest, parts, "reduction", inside) * groups,
        groups=groups,
        **sizes,
        **options,
        phase=nest.phase,
        after=nest.after,
    )
