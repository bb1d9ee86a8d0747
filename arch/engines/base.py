"""What a compute engine tells the cost model. A new engine is a new file that returns these records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from archsim.arch.engines.data import DataRate, OperandData, OperandName
from archsim.arch.formats import Arithmetic


@dataclass(frozen=True, slots=True, kw_only=True)
class SpatialAxis:
    """One physical dimension of the array: `size` units work side by side on an unrolled loop.

    `gemm_dims` and `conv_dims` are the loops that may be unrolled here, or GEMM-view groups (rows, columns, reduction);
    `multicast` and `reduce` list operands that are broadcast along it or summed over it: unlisted ones are sent to, or
    collected from, each unit.
    """

    name: str
    size: int
    gemm_dims: tuple[str, ...]
    conv_dims: tuple[str, ...]
    multicast: frozenset[str] = frozenset()
    reduce: frozenset[str] = frozenset()

    def dims(self, kind: str) -> tuple[str, ...]:
        return self.conv_dims if kind == "conv" else self.gemm_dims


@dataclass(frozen=True, slots=True, kw_only=True)
class PassTiming:
    """Cycles of one pass of data through the array, as coefficients. Symbols, with R x C the physical array:

    T steps streamed, r <= R rows and c <= C columns used.

    load  = load_used_rows * r
    skew  = skew_rows * R + skew_used_rows * r + skew_used_columns * c + skew_constant   (pipeline fill and drain)
    pass  = load + step_cycles * T + skew                                       when nothing overlaps
    next pass starts after   step_cycles * T + (0 if hide_skew else skew)   and its load is added, or with `hide_load`
    runs beside (the interval is the larger of the two); with hide_skew the interval is also at least
    drain_interval_used_rows * r (results of the pass before must have left).
    A purely spatial engine has all coefficients zero: a pass is its T steps.
    """

    step_cycles: float = 1.0
    load_used_rows: int = 0
    skew_rows: int = 0
    skew_used_rows: int = 0
    skew_used_columns: int = 0
    skew_constant: int = 0
    drain_interval_used_rows: int = 0
    hide_load: bool = False
    hide_skew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataflow:
    """One way to run an op on an engine.

    `axes` are the physical dimensions of one array with what each unrolls. An engine that works in passes names its
    `stream` (the GEMM-view group a pass iterates over: "rows", "columns" or "reduction"), its `stationary` operand
    (held in PE registers for a pass) and the `timing`; then axes[0] is the row axis and axes[1] the column axis, and a
    conv's dimensions are flattened to one GEMM inside a pass. Without a stream the axes unroll single loops.
    `moving` operands hop from PE to PE through pipeline registers.
    """

    name: str
    axes: tuple[SpatialAxis, ...]
    stream: str = ""
    stationary: str = ""
    moving: tuple[str, ...] = ()
    timing: PassTiming = PassTiming()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """Energy of one multiply-accumulate and area of one processing element, with what they rest on."""

    energy_pj: float
    area_um2: float | None
    leakage_w: float = 0.0
    cycle_pj: float = 0.0
    """Energy of one unit in every cycle of an op on the array, besides its MACs."""
    hop_pj_per_bit: float | None = None
    """Energy of one bit moving into the neighbouring PE's pipeline register; None: not modelled."""
    decode_pj: float = 0.0
    """Energy of decoders, for each MAC of an array that is fully at work."""
    decoder_area_um2: float = 0.0
    """Area of the decoders of one array."""
    source: str = ""
    estimates: tuple[str, ...] = ()


class Engine(ABC):
    """A compute engine: which spatial unrollings exist, cycles of a pass, energy and area of a unit."""

    kind: str

    @property
    @abstractmethod
    def units(self) -> int:
        """Processing elements in all arrays of one core."""

    @property
    def pes(self) -> int:
        """PEs as a design states them: `units`, where these are not lanes of PEs."""
        return self.units

    @property
    @abstractmethod
    def arrays(self) -> int:
        """Arrays per core, each of which runs passes of its own."""

    @property
    @abstractmethod
    def dataflows(self) -> tuple[Dataflow, ...]:
        """The dataflows the hardware permits, in the order it prefers them."""

    @property
    def changes_levels(self) -> bool:
        """Whether the data change what the memories next to the PEs carry, besides the width of elements."""
        return False

    @property
    def by_format(self) -> bool:
        """Whether of the data no more matters than their formats: not their zeros, bits or sizes."""
        own = type(self)
        return (own.fitted_to, own.data_rate, own.data_cost, own.stored_bits) == (
            Engine.fitted_to,
            Engine.data_rate,
            Engine.data_cost,
            Engine.stored_bits,
        )

    def multiplies(self, weights: Arithmetic, inputs: Arithmetic) -> bool:
        """Whether a PE takes operands of these arithmetics as they are; otherwise the narrower is expanded first."""
        return True

    def fitted(self, dataflow: Dataflow, weights: Arithmetic, inputs: Arithmetic) -> Dataflow:
        """The dataflow at these operand arithmetics, where they change how far its axes reach."""
        return dataflow

    @abstractmethod
    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        """Dense multiply-accumulates of one PE and cycle at these operand arithmetics."""

    @abstractmethod
    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        """Energy and area of one PE for these operand arithmetics."""

    def fitted_to(self, dataflow: Dataflow, weights: OperandData, inputs: OperandData) -> Dataflow:
        """`fitted`, where the data too change how far the axes reach."""
        return self.fitted(dataflow, weights.arithmetic, inputs.arithmetic)

    def data_rate(self, weights: OperandData, inputs: OperandData) -> DataRate:
        """What a PE does with this data; without more said, every MAC in the time its arithmetic takes."""
        return DataRate(macs_per_unit_cycle=self.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic))

    def data_cost(
        self, weights: OperandData, inputs: OperandData, accumulator: Arithmetic, *, idle_energy_fraction: float = 0.0
    ) -> UnitCost:
        """`unit_cost` with the energy of a dense MAC on this data; a gated one takes what an idle PE does."""
        cost = self.unit_cost(weights.arithmetic, inputs.arithmetic, accumulator)
        share = self.data_rate(weights, inputs).energy_share(idle_energy_fraction)
        return cost if share == 1.0 else replace(cost, energy_pj=cost.energy_pj * share)

    def stored_bits(self, operand: OperandName, data: OperandData) -> float:
        """Bits that memories hold and links carry for one element of the dense operand, metadata included."""
        return float(data.format.bits_per_element)


@dataclass(frozen=True, kw_only=True)
class GridEngine(Engine):
    """An engine of `count` arrays per core, each of `rows` x `columns` PEs."""

    rows: int
    columns: int
    count: int = 1

    def __post_init__(self) -> None:
        for name, value in (("rows", self.rows), ("columns", self.columns), ("count", self.count)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1 (got {value})")

    @property
    def units(self) -> int:
        return self.rows * self.columns * self.count

    @property
    def arrays(self) -> int:
        return self.count


Plain = TypeVar("Plain", bound=Engine)


@dataclass(frozen=True, kw_only=True)
class DerivedEngine(Engine, Generic[Plain]):
    """A plain array with something changed: what is not said of the change is the array's."""

    array: Plain

    @property
    def units(self) -> int:
        return self.array.units

    @property
    def arrays(self) -> int:
        return self.array.arrays

    @property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return self.array.dataflows

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return self.array.macs_per_unit_cycle(weights, inputs)
