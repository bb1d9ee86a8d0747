"""Hadamard rotations of activations before they are quantized: where they stand and what they cost."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.vector_costs import vector_costs

SMALLEST_UNKNOWN = 668
"""The smallest multiple of 4 without a known Hadamard matrix. Source: Kharaghani and Tayfeh-Rezaie 2005 (recalled)."""

_SPEC = re.compile(r"hadamard(?::(\d{1,9}))?")


@dataclass(frozen=True, slots=True)
class Rotation:
    """A Hadamard transform of blocks of `block` neighbours along the reduction; 0: the whole reduction."""

    block: int = 0

    @property
    def text(self) -> str:
        return f"hadamard:{self.block}" if self.block else "hadamard"

    def operations(self, reduction: int) -> float:
        """Additions per element for a reduction of that length; dividing by the root is left to the format's scale.

        A length 2^p costs p. Other lengths are 2^p times the smallest m of 12, 20, 28, ... that has a Hadamard matrix:
        p and, for each element, the m - 1 of one row of it. Source: Ashkboos et al. 2024 (QuaRot),
        section 3 (recalled); torchao's SpinQuant module holds the matrices of 12 to 172 that it needs.
        Raises InputError for lengths without such a matrix and for a block that does not divide the reduction.

        >>> Rotation().operations(4096), Rotation().operations(11008)
        (12.0, 177.0)
        """
        size = self.block or reduction
        if reduction % size:
            message = f"blocks of {size} do not divide a reduction of {reduction}"
            raise InputError(Problem(message=message, hint=_hint(_power(reduction))))
        power = _power(size)
        odd = size // power
        steps, dense = power.bit_length() - 1, 1
        if odd > 1:
            steps, dense = steps - 2, 4 * odd
            if steps < 0 or dense >= SMALLEST_UNKNOWN:
                message = f"no Hadamard matrix is known for {size} = {power} x {odd} elements"
                raise InputError(Problem(message=message, hint=_hint(power)))
        return (steps + dense - 1) * vector_costs()["butterfly"].operations


def parse_rotation(text: str, key: str | None = None) -> Rotation:
    """The rotation that ``hadamard`` or ``hadamard:BLOCK`` spells. Raises InputError at `key` for anything else."""
    match = _SPEC.fullmatch(text.strip().lower())
    if match is None or match[1] == "0" * len(match[1] or "x"):
        message = f"unknown rotation {brief(text)!r}"
        raise InputError(Problem(key=key, message=message, hint="write hadamard or hadamard:BLOCK (hadamard:128)"))
    return Rotation(int(match[1] or 0))


def _hint(block: int) -> str:
    return f"rotate blocks: hadamard:{block}" if block > 1 else "leave this layer out: its reduction is odd"


def _power(number: int) -> int:
    """The largest power of two that divides a number."""
    return number & -number
