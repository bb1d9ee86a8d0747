"""What a page shows, as arrays and strings: whoever fills this in needs to know nothing of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from archsim.reports.page.quantities import Quantity
from archsim.reports.plot_data import Roofline

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Role = Literal["run", "axis", "objective", "total", "energy", "area"]
Goal = Literal["min", "max"]
OK = "ok"
"""The first reason of every page: a point without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One quantity of every point: an axis of the design space, an objective, a total, a component's energy or area.

    `values` has shape (points,): numbers in the unit of the key's name, or indices into `categories`; NaN where a point
    does not have it. Categories that are quantities ("64 KiB") have `positions`, numbers in the unit of `quantity`.

    Raises:
        ValueError: when an index lies outside of `categories`, or there are not as many positions.
    """

    key: str
    quantity: Quantity
    role: Role
    values: FloatArray
    goal: Goal | None = None
    categories: tuple[str, ...] | None = None
    positions: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.positions is not None and len(self.positions) != len(self.categories or ()):
            raise ValueError(f"{self.key}: {len(self.positions)} positions of {len(self.categories or ())} categories")
        if self.categories is None:
            return
        known = self.values[~np.isnan(self.values)]
        if known.size and not (known.min() >= 0 and known.max() < len(self.categories)):
            raise ValueError(
                f"{self.key}: indices {known.min():g} to {known.max():g}, {len(self.categories)} categories"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBar:
    """One row of the layer breakdown, over all its runs; `parts_s` are computing and waiting for each level."""

    name: str
    phase: str
    runs: int
    dims: str
    time_s: float
    parts_s: Mapping[str, float]
    energy_j: Mapping[str, float]
    bound: str
    utilization: float | None
    dram_bytes: float
    is_rest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the timeline: a layer with all its runs, placed after those before it in the trace."""

    name: str
    phase: str
    bound: str
    runs: int
    start_s: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignDetail:
    """One design from within: what its layers take, where the energy goes, its roofline, and the resolved design."""

    row: int | None
    """The point it is in the table; None for a design that is none of the points."""
    name: str
    note: str
    totals: tuple[tuple[str, str], ...]
    energy_j: Mapping[str, float | None]
    area_mm2: Mapping[str, float | None]
    layers: tuple[LayerBar, ...]
    roofline: Roofline
    timeline: tuple[Span, ...]
    resolved: str
    warnings: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A constraint of a sweep, as it is written and as it is drawn: `operator` is <=, <, >= or >."""

    key: str
    operator: str
    value: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A small table of texts with a title and a remark under it; `numeric` columns are set to the right."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """A set of points that no other dominates, by row; a page that compares two sweeps has two, called a and b."""

    name: str
    rows: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the numbers rest on."""

    estimates: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    elsewhere: str = ""
    """Where estimates and sources are told, when not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Two bars for each name: a quantity on both sides of a comparison, in `unit` (s or J)."""

    id: str
    title: str
    note: str
    unit: str
    sides: tuple[str, str]
    names: tuple[str, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPage:
    """A page: of a sweep (`columns` of many points), of one evaluation (no points), or of a comparison (`tables`).

    Raises:
        ValueError: when columns, masks and labels differ in length.
    """

    title: str
    subtitle: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    findings: tuple[str, ...] = ()
    """Sentences at the head of the page."""
    columns: tuple[Column, ...] = ()
    index: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(points,) the number of each point in its sweep."""
    reason: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(points,) index into `reasons`; 0 for a point that has results."""
    reasons: tuple[str, ...] = (OK,)
    feasible: BoolArray = field(default_factory=lambda: np.zeros(0, np.bool_))
    """(points,) whether a point keeps every constraint."""
    fronts: tuple[Front, ...] = ()
    knees: tuple[int, ...] = ()
    command: str = ""
    """What evaluates one of the points when its axes follow as ``--set KEY=VALUE``."""
    base: Mapping[str, float] | None = None
    """The design that the sweep starts from, by the keys of columns: drawn for comparison, not a point of the table."""
    bounds: tuple[Bound, ...] = ()
    designs: tuple[DesignDetail, ...] = ()
    pairs: tuple[Pairs, ...] = ()
    tables: tuple[Table, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)

    def __post_init__(self) -> None:
        points = self.index.size
        sizes = {column.key: column.values.size for column in self.columns}
        sizes |= {"reason": self.reason.size, "feasible": self.feasible.size}
        wrong = {name: size for name, size in sizes.items() if size != points}
        if wrong:
            raise ValueError(f"{points} points, but {', '.join(f'{size} of {name}' for name, size in wrong.items())}")

    @property
    def points(self) -> int:
        """Points in the page, failed ones included."""
        return int(self.index.size)
