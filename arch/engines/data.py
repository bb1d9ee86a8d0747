"""What an engine may ask of the data it works on, and what it answers: speed, energy and storage on that data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol

from archsim.arch.formats import Arithmetic, Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OperandName = Literal["inputs", "weights", "outputs"]
Ratio = tuple[int, int]
"""N and M of a pattern that keeps N of every M elements along the reduction."""


class OperandData(Protocol):
    """One operand of one op, as far as it is known. Nothing is computed before it is asked for."""

    def __hash__(self) -> int: ...

    @property
    def format(self) -> Format: ...

    @property
    def arithmetic(self) -> Arithmetic: ...

    @property
    def density(self) -> float:
        """Share of elements that are not zero; 1 where nothing is said."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether a pattern of zeros was stated."""
        ...

    @property
    def ratio(self) -> Ratio | None:
        """N and M where every M neighbours along the reduction keep N; None for other patterns."""
        ...

    @property
    def block(self) -> tuple[int, int]:
        """Outputs and reduction elements of one block that is kept or dropped whole; (1, 1) for other patterns."""
        ...

    @property
    def reduction(self) -> int:
        """Elements that are summed up in one result."""
        ...

    @property
    def spread(self) -> float:
        """Inputs of a channel for each output of one, where a window slides with strides; 1 for matrices."""
        ...

    @property
    def across(self) -> int:
        """Neighbours across the reduction: output channels of weights, tokens or places of inputs; 0: not known."""
        ...

    def nonzeros(self, n: int) -> tuple[float, ...]:
        """Probabilities of 0, 1, ..., n non-zeros among `n` neighbours along the reduction."""
        ...

    def nonzeros_across(self, n: int) -> tuple[float, ...]:
        """Probabilities of 0, 1, ..., n non-zeros in `n` neighbouring rows at one place of the reduction."""
        ...

    @property
    def codes(self) -> tuple[int, NDArray[np.int64]] | None:
        """The lowest operand and how often it and those above it occur in the real tensor; None: not counted."""
        ...

    def drawn(self, width: int, *, signed: bool) -> tuple[int, NDArray[np.int64]] | None:
        """As `codes`, of normal numbers in the operand's format; None where its arithmetic alone says them."""
        ...

    def drawn_rows(self, width: int, *, signed: bool) -> NDArray[np.int64] | None:
        """Those normal numbers as operands in rows [rows, reduction]; None where `drawn` is."""
        ...

    def histogram(self, statistic: str, lanes: int = 1) -> NDArray[np.int64] | None:
        """How often groups of `lanes` elements had a statistic of 0, 1, ... in the real tensor; None: not counted.

        Statistics are those of `archsim.workloads.statistics`: essential_bits, booth_digits, columns, nonzeros, ...
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseData:
    """An operand of which only its format is known."""

    format: Format
    reduction: int = 1
    across: int = 0

    @property
    def arithmetic(self) -> Arithmetic:
        return self.format.arithmetic

    @property
    def density(self) -> float:
        return 1.0

    @property
    def sparse(self) -> bool:
        return False

    @property
    def ratio(self) -> Ratio | None:
        return None

    @property
    def block(self) -> tuple[int, int]:
        return (1, 1)

    @property
    def spread(self) -> float:
        return 1.0

    @property
    def codes(self) -> tuple[int, NDArray[np.int64]] | None:
        return None

    def drawn(self, width: int, *, signed: bool) -> tuple[int, NDArray[np.int64]] | None:
        return None

    def drawn_rows(self, width: int, *, signed: bool) -> NDArray[np.int64] | None:
        return None

    def nonzeros(self, n: int) -> tuple[float, ...]:
        return (*(0.0,) * n, 1.0)

    def nonzeros_across(self, n: int) -> tuple[float, ...]:
        return self.nonzeros(n)

    def histogram(self, statistic: str, lanes: int = 1) -> NDArray[np.int64] | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRate:
    """What one PE does with given data. A dense MAC is one of the op's, whether or not its operands are zero."""

    macs_per_unit_cycle: float
    """Dense MACs of a PE and cycle, waiting for other lanes included."""
    executed: float = 1.0
    """Share of the dense MACs whose multiplier works."""
    gated: float = 0.0
    """Share of the dense MACs that take their time with the multiplier held still; the rest is skipped."""
    imbalance: float = 0.0
    """Share of the PEs' time lost to waiting for the slowest lane."""
    exploited: frozenset[str] = frozenset()
    """Operands whose zeros save time, energy or storage."""
    why_dense: str = ""
    """Why a stated pattern is not made use of, where the engine could use another."""
    accesses: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Share of the dense accesses of the memory next to the PEs that are made, by operand; absent: all."""
    estimates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.macs_per_unit_cycle > 0:
            raise ValueError(f"a PE makes some of a MAC in a cycle (got {self.macs_per_unit_cycle})")
        if self.executed < 0 or self.gated < 0 or self.executed + self.gated > 1 + 1e-9:
            raise ValueError(f"executed and gated are shares of all MACs (got {self.executed} and {self.gated})")

    def energy_share(self, idle_energy_fraction: float) -> float:
        """Energy of a dense MAC on this data over that of one that is executed."""
        return self.executed + self.gated * idle_energy_fraction
