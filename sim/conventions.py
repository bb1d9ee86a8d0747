"""Counting conventions: what is counted, as documented switches, bundled under names.

The default bundle counts what the hardware does. Another tool's bundle gives that tool's counts, so that results can
be laid side by side; docs/conventions.md shows where they differ and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from archsim.core.errors import InputError, Problem, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """One setting of every switch; the defaults are the physically right counts."""

    edge_folds: Literal["used", "full"] = "used"
    """Fill and drain of a partly used array: the used rows and columns, or always the whole array."""
    os_drain: bool = True
    """Output-stationary results take the array's rows in cycles to be shifted out."""
    overlap: Literal["design", "never"] = "design"
    """Whether the design's fold_overlap and weight_double_buffer hide anything."""
    last_cycle: Literal["count", "index"] = "count"
    """Report how many cycles a layer takes, or the index of its last one (one less)."""
    psum_rereads: bool = True
    """Partial sums of a further reduction fold are read back before they are added to."""
    first_partial_read: bool | Literal["returning"] = False
    """The first partial sum of each output is read too (as zero): of all, or of those that will be read again."""
    os_stray_writes: bool = False
    """Output-stationary passes write rows + columns elements more than there are results."""
    memory_stalls: bool = True
    """Memory bandwidth can make the array wait."""
    tiling: Literal["memory", "whole-layer"] = "memory"
    """Tiles fit the memories, or each layer runs as one tile whatever their capacity."""
    utilization_period: Literal["pass", "scale-sim"] = "pass"
    """Cycles of a pass that compute_utilization divides by; scale-sim adds columns - 1 for ws and is."""
    psum_refill: Literal["one", "all"] = "one"
    """Units whose sums are added on the way up: one of them gets a partial sum back, or every one of them."""
    write_back_read: bool = True
    """A level is read when its results move up, besides being written by them."""
    final_sums: Literal["final", "partial"] = "final"
    """Width of completed results on their way up where partial sums travel too: their own, or the partial sums'."""
    mac_operands: Literal["every", "held"] = "every"
    """A PE without registers of an operand reads it for every MAC, or holds it while its loops stand still."""
    halo: Literal["slide", "whole"] = "slide"
    """A window that slides fetches what is new to it, or the whole of it."""
    halo_multicast: Literal["overlap", "equal", "none"] = "overlap"
    """What of the windows of neighbouring units is sent once: all they share, windows that are equal, or nothing."""
    words: Literal["packed", "counted", "transferred"] = "packed"
    """Accesses: as many as the bits fill, or whole words: of an operand's sum, or of every single transfer."""
    packing: Literal["bits", "words"] = "bits"
    """Elements lie across word borders, or floor(word / bits) of them in a word, the rest of it empty."""
    ports: Literal["design", "shared", "separate"] = "design"
    """Whether reads and writes share a port: as the design says, always, or never."""
    port_time: Literal["bits", "words"] = "bits"
    """A port is busy for the bits it carries, or for whole words that hold one operand each."""
    reserve: Literal["design", "none", "all"] = "design"
    """Room for a second tile: in levels the design double-buffers, in none, or in all."""
    latency: Literal["pipeline", "throughput", "first-load"] = "pipeline"
    """First loads, last write-backs and levels without double buffer add time, or all overlaps, or all but first loads.
    """
    reuse: Literal["any", "nested"] = "any"
    """A tile that stands still is kept; or only while every operand's tile of the level above it stands still too."""


PUBLISHED = ("ant-2022", "bitmod-2024", "bitmod-2025")
"""Conventions that are published simulators' cost models."""
CONVENTIONS: Mapping[str, Counting] = MappingProxyType(
    {
        "archsim": Counting(),
        # Source: SCALE-Sim 3.0.0, checked against its runs (docs/validation.md); CALC mode: bandwidth is an outcome.
        "scale-sim": Counting(
            edge_folds="full",
            os_drain=False,
            overlap="never",
            last_cycle="index",
            psum_rereads=False,
            os_stray_writes=True,
            memory_stalls=False,
            tiling="whole-layer",
            utilization_period="scale-sim",
        ),
        # Source: AccelForge (commit 1c1929c2), checked against its runs (docs/validation.md).
        "accelforge": Counting(psum_refill="all", reserve="none", reuse="nested", latency="throughput"),
        # Source: Timeloop 3.0.3, checked against its runs (docs/validation.md).
        "timeloop": Counting(
            psum_refill="all",
            write_back_read=False,
            halo_multicast="equal",
            words="counted",
            packing="words",
            reserve="none",
            latency="throughput",
        ),
        # Source: ZigZag 3.9.1, checked against its runs (docs/validation.md).
        "zigzag": Counting(
            first_partial_read="returning",
            psum_refill="all",
            final_sums="partial",
            mac_operands="held",
            halo="whole",
            halo_multicast="equal",
            words="transferred",
            port_time="words",
            reserve="none",
            latency="first-load",
        ),
        # Cost models of their own (archsim.sim.published), to which no switch applies.
        **{name: Counting() for name in PUBLISHED},
    }
)

SWITCHES: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "edge_folds": ("used", "full"),
        "os_drain": (True, False),
        "overlap": ("design", "never"),
        "last_cycle": ("count", "index"),
        "psum_rereads": (True, False),
        "first_partial_read": (True, False, "returning"),
        "os_stray_writes": (True, False),
        "memory_stalls": (True, False),
        "tiling": ("memory", "whole-layer"),
        "utilization_period": ("pass", "scale-sim"),
        "psum_refill": ("one", "all"),
        "write_back_read": (True, False),
        "final_sums": ("final", "partial"),
        "mac_operands": ("every", "held"),
        "halo": ("slide", "whole"),
        "halo_multicast": ("overlap", "equal", "none"),
        "words": ("packed", "counted", "transferred"),
        "packing": ("bits", "words"),
        "ports": ("design", "shared", "separate"),
        "port_time": ("bits", "words"),
        "reserve": ("design", "none", "all"),
        "latency": ("pipeline", "throughput", "first-load"),
        "reuse": ("any", "nested"),
    }
)
"""Every switch with the values it takes."""


def counting(convention: str = "archsim", overrides: Mapping[str, object] | None = None) -> Counting:
    """The switches of a convention with single ones overridden; InputError on an unknown name or value."""
    if convention not in CONVENTIONS:
        raise InputError(unknown_name("convention", convention, CONVENTIONS, key="simulation.convention"))
    problems = [problem for key, value in (overrides or {}).items() for problem in switch_problems(key, value)]
    if problems:
        raise InputError(problems)
    return _overridden(convention, tuple((overrides or {}).items()))


@lru_cache(maxsize=256)
def _overridden(convention: str, overrides: tuple[tuple[str, object], ...]) -> Counting:
    return replace(CONVENTIONS[convention], **dict(overrides))  # type: ignore[arg-type]


def switch_problems(key: str, value: object) -> list[Problem]:
    """What is wrong with one `[simulation.counting]` entry: empty when nothing is."""
    place = f"simulation.counting.{key}"
    if key not in SWITCHES:
        return [unknown_name("switch", key, SWITCHES, key=place)]
    if not any(value is allowed or (isinstance(value, str) and value == allowed) for allowed in SWITCHES[key]):
        allowed = ", ".join(str(item).lower() for item in SWITCHES[key])
        return [Problem(key=place, message=f"must be one of {allowed} (got {value!r})")]
    return []


assert {field.name for field in fields(Counting)} == set(SWITCHES)
