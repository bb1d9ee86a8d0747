"""Counting conventions: what is counted, as documented switches, bundled under names.

The default bundle counts what the hardware does. Another tool's bundle gives that tool's counts, so that results can
be laid side by side; docs/conventions.md shows where they differ and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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
    first_partial_read: bool = False
    """The first partial sum of each output is read too (as zero)."""
    os_stray_writes: bool = False
    """Output-stationary passes write rows + columns elements more than there are results."""
    memory_stalls: bool = True
    """Memory bandwidth can make the array wait."""
    tiling: Literal["memory", "whole-layer"] = "memory"
    """Tiles fit the memories, or each layer runs as one tile whatever their capacity."""
    utilization_period: Literal["pass", "scale-sim"] = "pass"
    """Cycles of a pass that compute_utilization divides by; scale-sim adds columns - 1 for ws and is."""


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
    }
)

SWITCHES: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "edge_folds": ("used", "full"),
        "os_drain": (True, False),
        "overlap": ("design", "never"),
        "last_cycle": ("count", "index"),
        "psum_rereads": (True, False),
        "first_partial_read": (True, False),
        "os_stray_writes": (True, False),
        "memory_stalls": (True, False),
        "tiling": ("memory", "whole-layer"),
        "utilization_period": ("pass", "scale-sim"),
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
    return replace(CONVENTIONS[convention], **dict(overrides or {}))  # type: ignore[arg-type]


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
