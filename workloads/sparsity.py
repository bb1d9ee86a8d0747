"""Sparsity patterns as text: how they are spelled, their density, their metadata, and what a group of lanes sees."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
from archsim.workloads import group_density
from archsim.workloads.group_density import Distribution


class PatternKind(StrEnum):
    """What decides which elements may be non-zero."""

    DENSE = "dense"
    RATIO = "ratio"
    """N of every M along the reduction."""
    RANDOM = "random"
    BLOCK = "block"
    """Whole blocks of outputs x reduction, kept at random."""
    TOP = "topk"
    """The largest of each row."""
    MASK = "mask"
    """Counted in a mask of ones and zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityPattern:
    """Which elements may be non-zero. `group` is M of N:M, or 0; rows run along the reduction."""

    text: str
    density: Fraction
    """Share of elements that are stored and computed."""
    kind: PatternKind = PatternKind.RANDOM
    keep: int = 0
    group: int = 0
    block: tuple[int, int] = (1, 1)
    """Outputs and reduction elements of one block."""
    counts: tuple[tuple[int, ...], ...] = ()
    """For each group size that was counted in a mask: how many groups have 0, 1, ... non-zeros."""

    @property
    def structured(self) -> bool:
        return self.group > 0

    def index_bits(self, *, pairs: bool = False) -> Fraction:
        """Bits per element of the dense array that say which elements were kept.

        N:M: the position in its group of each kept element; with `pairs`, of each two neighbours that are kept
        together, in a group of pairs. Blocks: a bit for each block. All others: a bitmap. Nothing where all are kept.
        Source: NVIDIA, PTX ISA, "Sparse matrix storage": 2 bits for each of two elements kept of four, for 4-bit
        elements for each of two pairs kept of four.
        """
        if self.density == 1 and (self.structured or self.kind is PatternKind.DENSE):
            return Fraction(0)
        if self.structured:
            position = (self.group - 1).bit_length()
            return Fraction(self.keep * position, self.group * (2 if pairs else 1))
        rows, columns = self.block
        return Fraction(1, rows * columns)

    def bits_per_element(self, stored: Format, *, pairs: bool = False) -> Fraction:
        """Bits per element of the dense array: what is kept in the format `stored`, and its indices.

        >>> from archsim.arch.formats import format
        >>> parse_sparsity("2:4").bits_per_element(format("int8"))
        Fraction(5, 1)
        """
        return self.density * stored.bits_per_element + self.index_bits(pairs=pairs)

    def group_density(self, n: int, *, elements: int | None = None) -> Distribution:
        """Probabilities of 0, 1, ..., n non-zeros among `n` neighbours along the reduction.

        Groups lie one after the other from the row's start; positions that the pattern leaves open are equally likely.
        With `elements`, a random or top-k pattern keeps exactly its share of that many (to the nearest whole number),
        without it each element by chance. Blocks are kept by chance. Masks know the sizes they were counted in.
        Raises InputError for a size that has no answer.
        """
        if not 1 <= n <= group_density.LARGEST_GROUP:
            message = f"a group has 1 to {group_density.LARGEST_GROUP} elements (got {n})"
            raise InputError(Problem(message=message))
        density = float(self.density)
        match self.kind:
            case PatternKind.DENSE:
                return group_density.all_or_nothing(n, 1.0)
            case PatternKind.RATIO:
                keep, group = self.keep, self.group
                return group_density.over_offsets(n, group, lambda cut: group_density.hypergeometric(cut, keep, group))
            case PatternKind.BLOCK:
                return group_density.over_offsets(
                    n, self.block[1], lambda cut: group_density.all_or_nothing(cut, density)
                )
            case PatternKind.RANDOM | PatternKind.TOP:
                return self._by_chance(n, elements)
            case PatternKind.MASK:
                return self._counted(n)

    def _by_chance(self, n: int, elements: int | None) -> Distribution:
        if elements is None:
            return group_density.binomial(n, float(self.density))
        if n > elements:
            raise InputError(Problem(message=f"a group of {n} is larger than the {elements} elements it is cut from"))
        return group_density.hypergeometric(n, round(self.density * elements), elements)

    def _counted(self, n: int) -> Distribution:
        if n == 1:
            return (1.0 - float(self.density), float(self.density))
        sizes = {len(counts) - 1: counts for counts in self.counts}
        if n not in sizes:
            known = ", ".join(map(str, sizes)) or "none"
            raise InputError(Problem(message=f"the mask was not counted in groups of {n}", hint=f"counted: {known}"))
        total = sum(sizes[n])
        return tuple(count / total for count in sizes[n])


def parse_sparsity(text: str, *, key: str | None = None) -> SparsityPattern:
    """The pattern that a spelling names.

    ``dense``; ``N:M`` (N of M kept); ``random:D`` (density D); ``blockRxC:D`` (blocks of R outputs times C reduction
    elements); ``topk:D`` (the largest share D of each row); ``mask:KEPT/TOTAL`` with counts, as read from a file.

    >>> parse_sparsity("2:4").density
    Fraction(1, 2)
    >>> parse_sparsity("block16x16:0.5").index_bits()
    Fraction(1, 256)

    Raises InputError, at `key`, for other spellings and for densities of 0 or above 1.
    """
    from archsim.workloads.sparsity_spelling import read_pattern

    return read_pattern(text, key)  # pyright: ignore[reportReturnType]  # it takes this class and the linked one for two
