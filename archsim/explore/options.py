"""The tables of a sweep file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from archsim.core.options import Options, Positive, refusal
from archsim.core.spelling import spelled

Text = Annotated[str, Field(strict=True, min_length=1)]
Points = Annotated[int, Field(strict=True, ge=1, le=100_000_000)]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]


def _plain(value: object) -> Any:
    """A value as TOML and JSON share it."""
    for item in _leaves(value):
        if not isinstance(item, bool | int | float | str):
            raise refusal(f"must be a number, text, true or false, or a list or table of those (got {spelled(item)})")
    return value


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


PlainValue = Annotated[Any, PlainValidator(_plain), WithJsonSchema({})]


class RangeOptions(Options):
    """An axis from one value to another."""

    start: PlainValue = Field(alias="from")
    """A number, or a quantity with its unit."""
    to: PlainValue
    """The last value, included where a step lands on it."""
    step: PlainValue | None = None
    """What is added from value to value."""
    factor: PlainValue | None = None
    """What multiplies from value to value."""
    when: dict[str, PlainValue] = Field(default_factory=dict)
    """Keys of other axes, each with the value or the values for which this axis exists."""


class ValuesOptions(Options):
    """An axis by its values."""

    values: Annotated[tuple[PlainValue, ...], Field(min_length=1)]
    link: Text | None = None
    """The key of an axis whose choice also chooses here, position by position."""
    when: dict[str, PlainValue] = Field(default_factory=dict)
    """Keys of other axes, each with the value or the values for which this axis exists."""


class LinkOptions(Options):
    """An axis that has the value of another."""

    link: Text
    """The key of that axis."""
    when: dict[str, PlainValue] = Field(default_factory=dict)
    """Keys of other axes, each with the value or the values for which this axis exists."""


class SearchOptions(Options):
    """`[search]`: which points of the space are evaluated."""

    method: Literal["grid", "random", "sobol", "evolutionary"] = "grid"
    points: Points | None = None
    """How many points; a grid has all."""
    seed: Seed = 0
    """Of the random numbers."""
    population: Annotated[int, Field(strict=True, ge=4, le=100_000)] | None = None
    """Of evolutionary search: points of a generation."""
    algorithm: Literal["nsga2", "nsga3"] = "nsga2"
    """Of evolutionary search; NSGA-III is for four objectives and more."""


class WeightedWorkloadOptions(Options):
    """`[[workloads]]`: one of several workloads; other keys are those of `[workload]`, over the design's."""

    own: ClassVar[frozenset[str]] = frozenset({"name", "weight", "set"})

    name: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    """Its columns are called `<name>.<total>`."""
    weight: Positive = 1.0
    """How often it runs, against the others."""
    set: dict[str, PlainValue] = Field(default_factory=dict)
    """Dotted keys of the design with this workload's values."""


class RunOptions(Options):
    """`[run]`: how a sweep is worked off; nothing here changes a result."""

    chunk: Annotated[int, Field(strict=True, ge=1, le=100_000)] | None = None
    """Points that are evaluated, written and, after a failure, lost together."""


class SweepOptions(Options):
    """A sweep file."""

    name: Text | None = None
    """Left out: the file's name."""
    description: str | None = None
    design: PlainValue
    """A design file, relative to this file."""
    axes: dict[str, PlainValue]
    """Dotted keys of the design: a list of values, `{from, to, step}`, `{from, to, factor}`, the key of another axis, \
or `{values, link, when}`."""
    objectives: Annotated[dict[str, Literal["min", "max"]], Field(min_length=1)] | None = None
    """Totals to minimise or maximise; left out: latency_s and energy_j, to minimise."""
    constraints: dict[str, PlainValue] = Field(default_factory=dict)
    """Totals with a bound, such as `"<= 10"` or `"<= 50 ms"`, or several."""
    search: SearchOptions = SearchOptions()
    mappings: Literal["best", "fixed"] = "best"
    """Each op's best mapping at each point; or `fixed`, that of the base design at every point, where it fits."""
    workloads: tuple[WeightedWorkloadOptions, ...] = ()
    run: RunOptions = RunOptions()
