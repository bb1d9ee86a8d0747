"""Kind ``bit-serial``: PEs that step through the terms of one operand, or of both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import Skipping
from archsim.arch.engines.bit_words import WIDEST, Words
from archsim.arch.engines.edge import GroupScaling
from archsim.arch.engines.moved import Reach
from archsim.arch.engines.pairs import PairSkipping
from archsim.arch.engines.serial import Terms
from archsim.arch.engines.serial_lanes import SerialLanesEngine
from archsim.arch.engines.skips import MOST_SHIFTER_BITS, Skip, SkipRule
from archsim.arch.engines.tactical import MovingWeights
from archsim.arch.kinds.base import Conflicts, Kind, stated, unit_model
from archsim.arch.kinds.stationary import DATAFLOW, output_stationary_conflicts
from archsim.arch.plain import tables
from archsim.core import units
from archsim.core.errors import Problem
from archsim.core.options import Count, CycleEnergyText, Fraction01, Options
from archsim.core.spelling import listed
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

SkipText = Literal["precision", "span", "essential", "booth", "column", "interleaved", "bidirectional"]


OF_BOTH = ("precision", "essential", "booth")
LARGEST_LOOKAHEAD = 6
LARGEST_LOOKASIDE = 64

Columns = Annotated[int, Field(strict=True, ge=1, le=WIDEST)]
ShifterBits = Annotated[int, Field(strict=True, ge=0, le=MOST_SHIFTER_BITS)]
Lookahead = Annotated[int, Field(strict=True, ge=1, le=LARGEST_LOOKAHEAD)]
Lookaside = Annotated[int, Field(strict=True, ge=0, le=LARGEST_LOOKASIDE)]


class ShapeOptions(Options):
    """One way to wire an array's lanes."""

    rows: Count
    cols: Count
    lanes: Count


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
    skip: SkipText | None = None
    """Steps that operands do not take, by their bits; absent: all take as many as their format has."""
    words: Literal["magnitude", "stored", "twos"] | None = None
    """How operands are written where `skip` looks at it; absent: two's complement if interleaved, else magnitude."""
    shifter_bits: ShifterBits | None = None
    """Of each lane's shifter, which reaches 2^bits places from the lowest open one; absent: every place."""
    sync: Literal["array", "pe"] = "array"
    """What waits for the slowest lane: every PE with other serial operands, or each PE alone."""
    run_ahead: Count | None = None
    """Groups that a PE may be ahead of the slowest one; absent: none (`sync = "array"`)."""
    lookahead: Lookahead | None = None
    """Rows of the reduction from which weights move into the place of zeros in their lane (`serial = "inputs"`)."""
    lookaside: Lookaside = 0
    """Lanes before it from which a lane takes weights of the next row."""
    kept_columns: Columns | None = None
    """Bit columns that pruning leaves in every group (skip column and bidirectional)."""
    dense_channels: Fraction01 = 0.0
    """Share of the channels that are not pruned."""
    windows: Literal["any", "row"] = "any"
    """Whether the columns' windows may be of several rows of outputs, and lanes of several taps."""
    shapes: tuple[ShapeOptions, ...] = ()
    """Other rows, columns and lanes that the array may be wired as, for windows = "row"."""


def _build(array: ArrayOptions, node_nm: float) -> SerialEngine:
    scaling = array.scale_bits_per_cycle
    engine = SerialEngine(
        rows=stated(array.rows),
        columns=stated(array.cols),
        serial=array.serial,
        how=Terms(array.terms),
        terms_per_cycle=array.terms_per_cycle,
        widest_terms=array.widest_terms or 0,
        step_pj=None if array.step_energy is None else units.cycle_energy_pj(array.step_energy),
        scaling=None if scaling is None else GroupScaling(bits_per_cycle=scaling),
        skipping=_skipped(array),
        count=array.count,
        unit=unit_model(array, node_nm),
    )
    if array.windows == "any":
        return engine
    own = {field.name: getattr(engine, field.name) for field in fields(engine)}
    return SerialLanesEngine(**own, shapes=tuple((shape.rows, shape.cols, shape.lanes) for shape in array.shapes))


def _skipped(array: ArrayOptions) -> Skipping | PairSkipping | MovingWeights | None:
    """What takes no step."""
    rule = None if array.skip is None else _rule(array, array.skip)
    rows, columns = (stated(array.rows), stated(array.cols)) if array.sync == "array" else (1, 1)
    if array.lookahead is not None:
        reach = Reach(lookahead=array.lookahead, lookaside=array.lookaside)
        return MovingWeights(reach=reach, rows=rows, columns=columns, lanes=array.lanes, rule=rule)
    if rule is None:
        return None
    if array.serial == "both":
        per_step = array.terms_per_cycle
        return PairSkipping(rule=rule, lanes=array.lanes, rows=rows, columns=columns, per_step=per_step)
    return Skipping(
        rule=rule,
        serial=array.serial,
        lanes=array.lanes,
        waiting=rows if array.serial == "weights" else columns,
        dense_channels=array.dense_channels,
        ahead=array.run_ahead or 0,
    )


def _rule(array: ArrayOptions, skip: SkipText) -> SkipRule:
    default = Words.TWOS if skip == "interleaved" else Words.MAGNITUDE
    words = default if array.words is None else Words(array.words)
    return SkipRule(skip=Skip(skip), words=words, columns=array.kept_columns, shifter_bits=array.shifter_bits)


def _conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    yield from output_stationary_conflicts(kind, array, path)
    if array.get("step_energy") is not None and array.get("mac_energy") is not None:
        yield (*path, "step_energy"), Problem(message="contradicts mac_energy: give one of the two")
    yield from _skip_conflicts(array, path)
    yield from _moving_conflicts(array, path)


def _skip_conflicts(array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    skip = array.get("skip")
    if array.get("serial") == "both" and skip not in (None, *OF_BOTH):
        yield (*path, "skip"), Problem(message=f"of both operands {listed(OF_BOTH)} are skipped (got {skip!r})")
    if skip is None:
        for key, default in (("words", None), ("sync", "array"), ("kept_columns", None), ("dense_channels", 0.0)):
            if array.get(key, default) not in (default, None):
                yield (*path, key), Problem(message="says nothing without skip")
    elif array.get("kept_columns") is not None and skip not in ("column", "bidirectional"):
        yield (*path, "kept_columns"), Problem(message=f"belongs to skip 'column' or 'bidirectional' (got {skip!r})")
    if array.get("dense_channels") and array.get("kept_columns") is None:
        yield (*path, "dense_channels"), Problem(message="says nothing without kept_columns")
    if skip != "interleaved" and array.get("words") == "twos":
        yield (*path, "words"), Problem(message=f"'twos' belongs to skip 'interleaved' (got skip {skip!r})")
    if skip is not None and array.get("widest_terms") is not None:
        message = f"contradicts skip {skip!r}: elements take as many steps as their bits say"
        yield (*path, "widest_terms"), Problem(message=message)
    if skip is not None and array.get("serial") != "both" and array.get("terms_per_cycle", 1) != 1:
        message = "belongs to serial 'both' beside skip: lanes that skip terms of one operand step through one a cycle"
        yield (*path, "terms_per_cycle"), Problem(message=message)
    if array.get("shapes") and array.get("windows") != "row":
        yield (*path, "shapes"), Problem(message="needs windows = 'row'")
    yield from _shape_conflicts(array, path)
    if array.get("shifter_bits") is not None:
        yield from _shifter_conflicts(array, path)


def _shifter_conflicts(array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    skip, key = array.get("skip"), (*path, "shifter_bits")
    if skip not in ("essential", "booth"):
        yield key, Problem(message=f"belongs to skip 'essential' or 'booth' (got {skip!r})")
    elif array.get("serial") == "both" or array.get("lookahead") is not None:
        yield key, Problem(message="belongs to one serial operand whose lanes wait for each other")
    elif skip == "essential" and array.get("words") == "stored":
        message = "a sign is no place that a shifter reaches (got words 'stored')"
        yield key, Problem(message=message, hint="words = 'magnitude'")


def _moving_conflicts(array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    """Of `run_ahead`, `lookahead` and `lookaside`."""
    skip, moving = array.get("skip"), array.get("lookahead") is not None
    if array.get("run_ahead") is not None:
        if skip is None or moving:
            yield (*path, "run_ahead"), Problem(message="belongs to skip without lookahead")
        elif array.get("sync") == "pe":
            yield (*path, "run_ahead"), Problem(message="contradicts sync 'pe', where no PE waits for another")
        elif array.get("serial") == "both":
            yield (*path, "run_ahead"), Problem(message="belongs to one serial operand (got serial 'both')")
    if not moving:
        if array.get("lookaside"):
            yield (*path, "lookaside"), Problem(message="says nothing without lookahead")
        return
    if array.get("serial") != "inputs":
        message = f"moves weights: inputs are serial (got serial {array.get('serial', 'weights')!r})"
        yield (*path, "lookahead"), Problem(message=message, hint="serial = 'inputs'")
    if skip not in (None, *OF_BOTH):
        yield (*path, "skip"), Problem(message=f"beside lookahead {listed(OF_BOTH)} are skipped (got {skip!r})")
    for key, other in (("windows", "any"), ("sync", "array")):
        if array.get(key, other) != other:
            yield (*path, key), Problem(message=f"beside lookahead it is '{other}' (got {array.get(key)!r})")
    aside, lanes = array.get("lookaside"), array.get("lanes", 1)
    if isinstance(aside, int) and isinstance(lanes, int) and aside >= lanes > 0:
        yield (*path, "lookaside"), Problem(message=f"must be below lanes, {lanes} (got {aside})")


def _shape_conflicts(array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    whole = _lanes_of(array)
    for index, shape in enumerate(tables(array.get("shapes"))):
        own = _lanes_of(shape)
        if whole is not None and own is not None and own > whole:
            yield (*path, "shapes", index), Problem(message=f"has {own} lanes, the array {whole}")


def _lanes_of(shape: Mapping[str, Any]) -> int | None:
    """Rows times columns times lanes; None where one of them is no number."""
    sizes = [shape.get(key, 1) for key in ("rows", "cols", "lanes")]
    numbers = [size for size in sizes if isinstance(size, int)]
    return math.prod(numbers) if len(numbers) == len(sizes) else None


BIT_SERIAL = Kind(
    name="bit-serial", build=_build, keys=(SerialKeys,), conflicts=_conflicts, dataflows=lambda array: (DATAFLOW,)
)
