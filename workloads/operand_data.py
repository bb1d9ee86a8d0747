"""What is known of an op's operands, for engines whose speed, energy or storage depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from archsim.arch.formats import Arithmetic, Format
from archsim.core.errors import InputError
from archsim.workloads import group_density
from archsim.workloads.group_density import Distribution
from archsim.workloads.layers import layer_name
from archsim.workloads.op import Op, OperandName
from archsim.workloads.sparsity import PatternKind, SparsityPattern, parse_sparsity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archsim.workloads.statistics.records import FormatStatistics, TraceStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class OpData:
    """One operand of one op; its stated pattern says where zeros are, else what was counted in the real tensor."""

    format: Format
    operand: OperandName
    reduction: int
    spread: float = 1.0
    """Inputs of a channel for each output of one."""
    across: int = 0
    """Output channels of weights, tokens or places of inputs; 0: not known."""
    pattern: str | None = None
    stats: str | None = None
    """Path of the side file with its statistics."""
    layer: str = ""

    @property
    def arithmetic(self) -> Arithmetic:
        return self.format.arithmetic

    @property
    def sparse(self) -> bool:
        return self.pattern is not None and parse_sparsity(self.pattern).density < 1

    @property
    def density(self) -> float:
        if self.pattern is not None:
            return float(parse_sparsity(self.pattern).density)
        counted = self._counted()
        return 1.0 if counted is None else counted.density

    @property
    def ratio(self) -> tuple[int, int] | None:
        if self.pattern is None:
            return None
        found = parse_sparsity(self.pattern)
        return (found.keep, found.group) if found.structured else None

    @property
    def block(self) -> tuple[int, int]:
        return (1, 1) if self.pattern is None else parse_sparsity(self.pattern).block

    def nonzeros(self, n: int) -> Distribution:
        """Probabilities of 0 to `n` non-zeros among neighbours along the reduction: of the pattern, or as counted.

        Where only the density was counted, elements are taken to be zero apart from each other.
        """
        if self.pattern is not None:
            return nonzeros_of(parse_sparsity(self.pattern), n, self.reduction)
        counts = self.histogram("nonzeros", n)
        if counts is not None:
            total = int(counts.sum())
            return tuple(int(count) / total for count in counts)
        return group_density.binomial(n, self.density)

    def nonzeros_across(self, n: int) -> Distribution:
        """Probabilities of 0 to `n` non-zeros in `n` neighbouring rows at one place; rows of a block are alike."""
        high, density = self.block[0], self.density
        if high == 1:
            return group_density.binomial(n, density)
        return group_density.over_offsets(n, high, lambda cut: group_density.all_or_nothing(cut, density))

    @property
    def codes(self) -> tuple[int, NDArray[np.int64]] | None:
        """The lowest operand and counts from it up, from the side file; a stated pattern is not among them."""
        counted = self._counted()
        return None if counted is None or counted.codes is None else (counted.lowest, counted.codes)

    def drawn(self, width: int, *, signed: bool) -> tuple[int, NDArray[np.int64]] | None:
        """Counts of what the format makes of normal numbers; None where arithmetic alone says it."""
        from archsim.workloads.drawn_codes import drawn_codes

        return drawn_codes(self.format, self.reduction, width, signed=signed)

    def drawn_rows(self, width: int, *, signed: bool) -> NDArray[np.int64] | None:
        """The drawn operands in rows; None where `drawn` is."""
        from archsim.workloads.drawn_codes import drawn_rows

        return drawn_rows(self.format, self.reduction, width, signed=signed)

    def histogram(self, statistic: str, lanes: int = 1) -> NDArray[np.int64] | None:
        """Counts from the side file. None without one, or where it lacks the layer, format, lanes or statistic."""
        counted = self._counted()
        try:
            return None if counted is None else counted.histogram(statistic, lanes)
        except InputError:
            return None

    def _counted(self) -> FormatStatistics | None:
        if self.stats is None:
            return None
        found = _statistics(self.stats)
        try:
            return found.of(self.layer, self.operand).of(self.format.name)
        except InputError:
            return None


def operand_data(op: Op, operand: OperandName) -> OpData:
    """What is known of an operand of `op`; a format must have been assigned."""
    found = op.operand(operand)
    if found.format is None:
        raise ValueError("an operand has no format: apply a quantization policy first")
    return OpData(
        format=found.format,
        operand=operand,
        reduction=op.size(op.reduction),
        spread=_spread(op) if op.kind == "conv" else 1.0,
        across=_across(op, operand),
        pattern=found.sparsity,
        stats=op.stats,
        layer="" if op.stats is None else layer_name(op.name),
    )


def _across(op: Op, operand: OperandName) -> int:
    """Neighbours of an operand across the reduction."""
    match operand:
        case "weights":
            return op.size(op.columns)
        case "inputs":
            return op.size(op.rows)
        case _:
            return 0


def _spread(op: Op) -> float:
    """Inputs of a channel for each output of one: strides, where windows are as large; edges are padded with zeros."""
    found = 1
    for axis in op.inputs.axes:
        if len(axis) > 1:
            found *= min(axis[0].coefficient, op.loops[axis[1].dim])
    return float(found)


@lru_cache(maxsize=4096)
def nonzeros_of(pattern: SparsityPattern, n: int, reduction: int) -> Distribution:
    """Non-zeros among `n` neighbours of a row of `reduction` elements.

    A mask's groups of a size that was not counted are drawn from the next larger ones, or put together of smaller ones
    as if these were independent. A group longer than the row has empty lanes.
    """
    whole = min(n, reduction)
    empty = (0.0,) * (n - whole)
    match pattern.kind:
        case PatternKind.MASK:
            return _of_mask(pattern, n)
        case PatternKind.TOP:
            return (*pattern.group_density(whole, elements=reduction), *empty)
        case _:
            return (*pattern.group_density(whole), *empty)


def _of_mask(pattern: SparsityPattern, n: int) -> Distribution:
    sizes = sorted({len(counts) - 1 for counts in pattern.counts} | {1})
    if n in sizes:
        return pattern.group_density(n)
    larger = next((size for size in sizes if size > n), None)
    if larger is not None:
        return _thinned(pattern.group_density(larger), n)
    part = next(size for size in reversed(sizes) if n % size == 0)
    return group_density.sum_of([pattern.group_density(part)] * (n // part))


def _thinned(distribution: Distribution, n: int) -> Distribution:
    """Non-zeros among `n` elements drawn from groups whose non-zeros follow `distribution`."""
    size, total = len(distribution) - 1, [0.0] * (n + 1)
    for kept, share in enumerate(distribution):
        if share:
            for i, probability in enumerate(group_density.hypergeometric(n, kept, size)):
                total[i] += share * probability
    return tuple(total)


@lru_cache(maxsize=8)
def _statistics(path: str) -> TraceStatistics:
    from archsim.workloads.statistics.side_file import read_statistics

    return read_statistics(path)
