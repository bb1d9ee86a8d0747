"""Sparsity patterns as text: how they are spelled and which density they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem

_RATIO = re.compile(r"(\d{1,9}):(\d{1,9})")
_RANDOM = re.compile(r"random:(\d+(?:\.\d+)?(?:e-?\d+)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityPattern:
    """Which elements may be non-zero: `keep` of every `group` along the reduction, or a random share (`group` 0)."""

    text: str
    density: Fraction
    """Share of elements that are stored and computed."""
    keep: int = 0
    group: int = 0

    @property
    def structured(self) -> bool:
        return self.group > 0

    def index_bits(self, *, pairs: bool = False) -> Fraction:
        """Bits per element of the dense array that say which elements were kept.

        N:M: the position in its group of each kept element; with `pairs`, of each two neighbours that are kept
        together, in a group of pairs; nothing where all are kept. A random pattern: a bitmap.
        Source: NVIDIA, PTX ISA, "Sparse matrix storage": 2 bits for each of two elements kept of four, for 4-bit
        elements for each of two pairs kept of four.
        """
        if not self.structured:
            return Fraction(1)
        if self.keep == self.group:
            return Fraction(0)
        position = (self.group - 1).bit_length()
        return Fraction(self.keep * position, self.group * (2 if pairs else 1))

    def bits_per_element(self, stored: Format, *, pairs: bool = False) -> Fraction:
        """Bits per element of the dense array: what is kept in the format `stored`, and its indices.

        >>> from archsim.arch.formats import format
        >>> parse_sparsity("2:4").bits_per_element(format("int8"))
        Fraction(5, 1)
        """
        return self.density * stored.bits_per_element + self.index_bits(pairs=pairs)


def parse_sparsity(text: str, *, key: str | None = None) -> SparsityPattern:
    """The pattern that ``N:M`` (N of M kept) or ``random:d`` (density d) spells.

    >>> parse_sparsity("2:4").density
    Fraction(1, 2)

    Raises InputError, at `key`, for other spellings and for densities of 0 or above 1.
    """
    spelled = text.strip()
    if ratio := _RATIO.fullmatch(spelled):
        keep, group = int(ratio[1]), int(ratio[2])
        if not 1 <= keep <= group:
            raise InputError(Problem(key=key, message=f"N:M needs 1 <= N <= M (got {text!r})"))
        return SparsityPattern(text=f"{keep}:{group}", density=Fraction(keep, group), keep=keep, group=group)
    if random := _RANDOM.fullmatch(spelled):
        density = Fraction(random[1])
        if not 0 < density <= 1:
            raise InputError(Problem(key=key, message=f"density must be above 0 and at most 1 (got {text!r})"))
        return SparsityPattern(text=spelled, density=density)
    raise InputError(Problem(key=key, message=f"unknown sparsity {text!r}", hint="write N:M (2:4) or random:DENSITY"))
