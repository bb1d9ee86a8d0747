"""What a kind of engine brings along: its keys of `[hardware.array]`, what contradicts itself in them, its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from archsim.arch.array_keys import DecoderOptions
from archsim.arch.engines.base import Engine
from archsim.arch.engines.edge import Decoder
from archsim.arch.engines.systolic import DATAFLOWS
from archsim.arch.engines.units import UnitModel, UnitOverrides
from archsim.core import units
from archsim.core.errors import Problem
from archsim.core.options import Options
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

Conflicts = Iterator[tuple[KeyPath, Problem]]
DEFAULT_DATAFLOWS = ("ws",)


def no_idle_keys(array: ArrayOptions) -> Iterator[str]:
    """Every key of the kind says something."""
    return iter(())


def ignoring(kind: str, *names: str) -> Callable[[ArrayOptions], Iterator[str]]:
    """The warnings of a kind whose engine makes nothing of these common keys."""

    def idle_keys(array: ArrayOptions) -> Iterator[str]:
        stated_keys = [name for name in names if name in array.model_fields_set and getattr(array, name) not in (1, {})]
        yield from (f"hardware.array.{name} says nothing for kind '{kind}'" for name in stated_keys)

    return idle_keys


def permitted_dataflows(array: ArrayOptions) -> tuple[str, ...]:
    """The dataflows that an array's keys permit, ``any`` spelled out."""
    stated = (array.dataflow,) if array.dataflow else array.dataflows
    names = stated or DEFAULT_DATAFLOWS
    return DATAFLOWS if "any" in names else tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One `kind` of `[hardware]`. A new kind is a module with its keys and one of these, and a line in the registry."""

    name: str
    build: Callable[[ArrayOptions, float], Engine]
    """The engine of one core from valid keys and the node in nm."""
    keys: tuple[type[Options], ...] = ()
    """Classes of keys that it takes besides the common ones; the others' are warned of."""
    conflicts: Callable[[str, Mapping[str, Any], KeyPath], Conflicts]
    """What contradicts itself in the plain values of `[hardware.array]`: kind, values, path of the table."""
    idle_keys: Callable[[ArrayOptions], Iterator[str]] = no_idle_keys
    """A warning for each stated key that changes nothing."""
    dataflows: Callable[[ArrayOptions], tuple[str, ...]] = permitted_dataflows
    """The dataflows that the keys permit, the first one preferred."""
    passes: bool = True
    """Whether its engine works in passes (`Dataflow.stream`)."""


def needs_rows_and_cols(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    """Conflicts of kinds whose array is rows by columns."""
    if array.get("axes"):
        yield (*path, "axes"), Problem(message=f"belongs to kind 'spatial'; a {kind} array has rows and cols")
    missing = Problem(message=f"is missing: kind '{kind}' needs it")
    yield from (((*path, key), missing) for key in ("rows", "cols") if key not in array)


def stated(value: int | None) -> int:
    """A key that `conflicts` has made sure of."""
    if value is None:
        raise ValueError("rows and cols must be stated; hardware_conflicts reports their absence")
    return value


class OperationKeys(Options):
    """Keys of arrays whose PEs make whole products."""

    operations: Literal["gates", "horowitz-45nm"] = "gates"
    """Where the energy of a product comes from: the gate-level model, or a published table of single operations."""


def unit_model(array: ArrayOptions, node_nm: float, *, operations: str = "gates") -> UnitModel:
    """The PE that the common keys describe; `operations` for kinds that take `OperationKeys`."""
    overrides = UnitOverrides(
        mac_energy_pj=None if array.mac_energy is None else units.energy_pj(array.mac_energy),
        pe_area_um2=None if array.pe_area is None else units.area_um2(array.pe_area),
        pe_leakage_w=None if array.leakage is None else units.power_w(array.leakage),
        pe_cycle_energy_pj=0.0 if array.pe_energy is None else units.cycle_energy_pj(array.pe_energy),
        energy_factor=array.energy_factor,
    )
    return UnitModel(
        node_nm=node_nm,
        lanes=array.lanes,
        overrides=overrides,
        rates=array.rates,
        operations=operations,
        decoders=tuple(_decoder(decoder) for decoder in array.decoders),
    )


def _decoder(options: DecoderOptions) -> Decoder:
    return Decoder(
        operand=options.operand,
        place=options.place,
        serves=options.serves or 0,
        area_um2=0.0 if options.area is None else units.area_um2(options.area),
        cycle_pj=0.0 if options.energy is None else units.cycle_energy_pj(options.energy),
    )
