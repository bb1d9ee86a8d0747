"""Kind ``bit-serial``: PEs that step through the terms of one operand, or of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.edge import GroupScaling
from archsim.arch.engines.serial import Terms
from archsim.arch.kinds.base import Conflicts, Kind, needs_rows_and_cols, stated, unit_model
from archsim.core import units
from archsim.core.errors import Problem
from archsim.core.options import Count, CycleEnergyText, Options
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

DATAFLOW = "os"


class SerialKeys(Options):
    """Keys of bit-serial arrays."""

    serial: Literal["weights", "inputs", "both"] = "weights"
    """The operand that is taken apart."""
    terms: Literal["bits", "booth", "format"] = "format"
    """Into its bits, into radix-4 Booth digits, or into the terms that its format has."""
    terms_per_cycle: Count = 1
    widest_terms: Count | None = None
    """Terms that every element takes; absent: those of its precision."""
    step_energy: CycleEnergyText | None = None
    """Of one PE in a cycle at work, instead of mac_energy."""
    scale_bits_per_cycle: Count | None = None
    """Bits of a group's scale that a PE applies in a cycle; absent: scales take no time."""


def _build(array: ArrayOptions, node_nm: float) -> SerialEngine:
    scaling = array.scale_bits_per_cycle
    return SerialEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        serial=array.serial,
        how=Terms(array.terms),
        terms_per_cycle=array.terms_per_cycle,
        widest_terms=array.widest_terms or 0,
        step_pj=None if array.step_energy is None else units.cycle_energy_pj(array.step_energy),
        scaling=None if scaling is None else GroupScaling(bits_per_cycle=scaling),
        count=array.count,
        unit=unit_model(array, node_nm),
    )


def output_stationary_conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    """Conflicts of kinds whose rows by columns hold their results."""
    yield from needs_rows_and_cols(kind, array, path)
    given = array.get("dataflows") if array.get("dataflows") is not None else array.get("dataflow")
    if given is not None and given not in (DATAFLOW, [DATAFLOW], "any", ["any"]):
        key = "dataflow" if array.get("dataflow") is not None else "dataflows"
        yield (*path, key), Problem(message=f"a {kind} array holds its results: '{DATAFLOW}' only (got {given!r})")


def _conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    yield from output_stationary_conflicts(kind, array, path)
    if array.get("step_energy") is not None and array.get("mac_energy") is not None:
        yield (*path, "step_energy"), Problem(message="contradicts mac_energy: give one of the two")


BIT_SERIAL = Kind(
    name="bit-serial", build=_build, keys=(SerialKeys,), conflicts=_conflicts, dataflows=lambda array: (DATAFLOW,)
)
