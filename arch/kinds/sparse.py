"""Kind ``sparse``: a spatial array whose PEs gate, skip or pack what is multiplied by zero."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from archsim.arch.engines.cartesian import Cartesian, Gather, Side
from archsim.arch.engines.data import Ratio
from archsim.arch.engines.skipping import Gating, Ignoring, Skipping, Structured
from archsim.arch.engines.sparse import GROUPS, Policy, SparseEngine
from archsim.arch.engines.storage import Metadata, Storage
from archsim.arch.kinds.base import Conflicts, Kind, OperationKeys
from archsim.arch.kinds.spatial import SPATIAL, build_spatial
from archsim.arch.plain import table, tables
from archsim.core.errors import Problem
from archsim.core.options import Count, Flag, Options, refusal
from archsim.core.spelling import spelled
from archsim.core.toml import KeyPath

if TYPE_CHECKING:
    from archsim.arch.array_options import ArrayOptions

LARGEST_GROUP = 64
"""M of N:M: wider selectors are not built."""
LARGEST_GATHERED = 4096
_RATIO = re.compile(r"(\d{1,3}):(\d{1,3})")

ZerosText = Literal["compute", "gate", "skip", "cartesian"]
MetadataText = Literal["dense", "bitmask", "coordinate", "rle", "n:m"]
SparseOperand = Literal["weights", "inputs"]
MetadataBits = Annotated[int, Field(strict=True, ge=1, le=64)]


def _check_ratio(value: str) -> str:
    found = _RATIO.fullmatch(value)
    if found is None or not 1 <= int(found[1]) < int(found[2]) <= LARGEST_GROUP:
        raise refusal(f"must be N:M with 1 <= N < M <= {LARGEST_GROUP} (got {spelled(value)})", "such as 2:4")
    return value


class GatherOptions(Options):
    """Dense neighbours from which a vector's lanes are filled with non-zeros."""

    weights: Annotated[int, Field(strict=True, ge=1, le=LARGEST_GATHERED)]
    inputs: Annotated[int, Field(strict=True, ge=1, le=LARGEST_GATHERED)]


class MetadataOptions(Options):
    """How each operand is kept."""

    weights: MetadataText = "dense"
    inputs: MetadataText = "dense"
    outputs: MetadataText = "dense"


class MetadataBitsOptions(Options):
    """Bits of one coordinate, run or position of each operand; absent: as many as it takes."""

    weights: MetadataBits | None = None
    inputs: MetadataBits | None = None
    outputs: MetadataBits | None = None


class SparseKeys(Options):
    """Keys of arrays that make use of zeros."""

    zeros: ZerosText = "compute"
    """What a zero does: take its turn, gate its MAC, give its time to the next one, or be packed away (outer products).
    """
    zeros_of: tuple[SparseOperand, ...] = ("weights", "inputs")
    """Whose zeros the PEs see."""
    ratios: tuple[Annotated[str, AfterValidator(_check_ratio)], ...] = ()
    """N:M of weights that the selectors support (`zeros = "skip"`)."""
    sync_window: Count | None = None
    """Elements of the reduction that a lane walks through before it waits for others; absent: all of it."""
    sync_lanes: Count = 1
    """Lanes that wait for each other at the end of a window."""
    sync_shared: SparseOperand | None = None
    """The operand that lanes which wait for each other have in common."""
    window_cycles: Annotated[int, Field(strict=True, ge=0, le=LARGEST_GATHERED)] = 1
    """Cycles that a window takes at least."""
    gather: GatherOptions | tuple[GatherOptions, ...] = ()
    """Dense neighbours that each vector of an outer product is packed from, or several ways (`zeros = "cartesian"`)."""
    accumulator_banks: Count | None = None
    """Banks that take one sum a cycle each; absent: one for every product."""
    bank_queues: Flag = True
    """Whether queues before the banks even conflicts out."""
    metadata: MetadataOptions = MetadataOptions()
    metadata_bits: MetadataBitsOptions = MetadataBitsOptions()


def _build(array: ArrayOptions, node_nm: float) -> SparseEngine:
    plain = build_spatial(array, node_nm)
    return SparseEngine(
        array=plain,
        policy=_policy(array),
        storage=MappingProxyType({name: _storage(array, name) for name in ("weights", "inputs", "outputs")}),
        ways=_ways(array),
    )


def _policy(array: ArrayOptions) -> Policy:
    operands = frozenset(array.zeros_of)
    match array.zeros:
        case "compute":
            return Ignoring()
        case "gate":
            return Gating(operands=operands)
        case "skip" if array.ratios:
            return Structured(ratios=tuple(ratio_of(text) for text in array.ratios))
        case "skip":
            return Skipping(
                operands=operands,
                window=array.sync_window or 0,
                lanes=array.sync_lanes,
                least=array.window_cycles,
                shared=array.sync_shared or "",
            )
        case "cartesian":
            return Cartesian(
                gathers=tuple(
                    Gather(weights=_side(array, "columns", weights), inputs=_side(array, "rows", inputs))
                    for weights, inputs in _gathers(array)
                ),
                banks=array.accumulator_banks or 0,
                queues=array.bank_queues,
            )


def _gathers(array: ArrayOptions) -> list[tuple[int, int]]:
    """Neighbours of weights and of inputs, for each way."""
    ways = array.gather if isinstance(array.gather, tuple) else (array.gather,)
    return [(way.weights, way.inputs) for way in ways]


def ratio_of(text: str) -> Ratio:
    """N and M of a checked ``N:M``."""
    keep, group = text.split(":")
    return int(keep), int(group)


def _storage(array: ArrayOptions, operand: str) -> Storage:
    return Storage(metadata=Metadata(getattr(array.metadata, operand)), bits=getattr(array.metadata_bits, operand) or 0)


def _ways(array: ArrayOptions) -> int:
    """Operands that one selector picks from."""
    if array.zeros == "cartesian":
        columns, rows = _side_axes(array, "columns")[-1], _side_axes(array, "rows")[-1]
        return max(weights // columns + inputs // rows for weights, inputs in _gathers(array))
    if array.zeros != "skip":
        return 0
    if array.ratios:
        return max(-(-group // keep) * keep for keep, group in map(ratio_of, array.ratios))
    return array.sync_window or 0


def _side(array: ArrayOptions, group: str, gathered: int) -> Side:
    """A vector along the innermost axis of a group of loops, and as many beside it as its other axes have."""
    *others, lanes = _side_axes(array, group)
    return Side(lanes=lanes, gathered=gathered, beside=math.prod(others))


def _side_axes(array: ArrayOptions, group: str) -> list[int]:
    """Sizes of the axes that unroll loops of a group only, the innermost last; `_cartesian_conflicts` has found one."""
    dims = [({*axis.dims.gemm, *axis.dims.conv}, axis.size) for axis in array.axes]
    return [size for names, size in dims if names and names <= GROUPS[group]]


def _conflicts(kind: str, array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    yield from SPATIAL.conflicts(kind, array, path)
    zeros = array.get("zeros", "compute")
    if array.get("ratios") and zeros != "skip":
        yield (*path, "ratios"), Problem(message=f'belong to zeros = "skip" (got {spelled(zeros)})')
    if array.get("gather") and zeros != "cartesian":
        yield (*path, "gather"), Problem(message=f'belongs to zeros = "cartesian" (got {spelled(zeros)})')
    if zeros == "cartesian":
        yield from _cartesian_conflicts(array, path)
    if "n:m" in table(array.get("metadata")).values() and not array.get("ratios"):
        yield (*path, "metadata"), Problem(message="'n:m' needs ratios", hint='such as ratios = ["2:4"]')
    for operand in ("inputs", "outputs"):
        if table(array.get("metadata")).get(operand) == "n:m":
            yield (*path, "metadata", operand), Problem(message="'n:m' is a way to keep weights")


def _cartesian_conflicts(array: Mapping[str, Any], path: KeyPath) -> Conflicts:
    gather = array.get("gather")
    ways = [gather] if isinstance(gather, Mapping) else tables(gather)
    if not ways:
        hint = "such as gather = { weights = 64, inputs = 32 }"
        yield (*path, "gather"), Problem(message='is missing: zeros = "cartesian" needs it', hint=hint)
        return
    for operand, group in (("weights", "columns"), ("inputs", "rows")):
        lanes = _plain_lanes(array, group)
        given = [entry.get(operand) for entry in ways]
        if lanes is None:
            message = f'no axis unrolls {group} alone: zeros = "cartesian" packs {operand} along it'
            yield (*path, "axes"), Problem(message=message)
        else:
            for wrong in (count for count in given if isinstance(count, int) and count % lanes):
                message = f"{operand} must be a multiple of the axis' size {lanes} (got {wrong})"
                yield (*path, "gather"), Problem(message=message)


def _plain_lanes(array: Mapping[str, Any], group: str) -> int | None:
    """The innermost axis that unrolls loops of a group only, of plain values."""
    for axis in reversed(tables(array.get("axes"))):
        dims, size = axis.get("dims"), axis.get("size")
        lists = dims.values() if isinstance(dims, Mapping) else [dims]
        named = {dim for names in lists if isinstance(names, list | tuple) for dim in names if isinstance(dim, str)}
        if named and named <= GROUPS[group] and isinstance(size, int) and size >= 1:
            return size
    return None


def _idle_keys(array: ArrayOptions) -> Iterator[str]:
    yield from SPATIAL.idle_keys(array)
    waiting = ("sync_window", "sync_lanes", "sync_shared", "window_cycles")
    used: dict[str, tuple[str, ...]] = {
        "compute": (),
        "gate": ("zeros_of",),
        "skip": ("zeros_of", *waiting),
        "cartesian": ("accumulator_banks", "bank_queues"),
    }
    kept = () if array.ratios else used[array.zeros]
    for key in ("zeros_of", *waiting, "accumulator_banks", "bank_queues"):
        if key in array.model_fields_set and key not in kept:
            beside = " beside ratios" if array.ratios else f' with zeros = "{array.zeros}"'
            yield f"hardware.array.{key} says nothing{beside}"


SPARSE = Kind(
    name="sparse",
    build=_build,
    keys=(SparseKeys, OperationKeys),
    conflicts=_conflicts,
    idle_keys=_idle_keys,
    passes=False,
)
