"""Why an op has no mapping though the memories would hold one: constraints, and factors that must divide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from archsim.core.errors import InfeasibleError
from archsim.core.spelling import brief
from archsim.mappers.constraints import Constraints
from archsim.mappers.settings import MapperSettings
from archsim.workloads.op import Op

Has = Callable[[MapperSettings], bool]
"""Whether a search under these settings finds a mapping."""


def unmet(op: Op, settings: MapperSettings, has: Has) -> InfeasibleError | None:
    """The error of an op that has a mapping without its constraints; None where it has none then either.

    It names each constraint without which there is a mapping.
    """
    stated = settings.constraints.of(op)
    if not stated or not has(replace(settings, constraints=Constraints())):
        return None
    ways = [f"without {name}" for name, rest in _each_dropped(stated) if has(replace(settings, constraints=rest))]
    if settings.perfect_factors and has(replace(settings, perfect_factors=False)):
        ways.append('with mapper.factors = "any"')
    advice = f"there is one {' or '.join(ways)}" if ways else "there is one without several of them"
    return InfeasibleError(f"op {brief(op.name)!r}: no mapping keeps all of mapper.constraints: {advice}")


def _each_dropped(constraints: Constraints) -> Iterator[tuple[str, Constraints]]:
    """Each constraint as it is written, with all the others."""
    if constraints.min_utilization > 0:
        yield "min_utilization", replace(constraints, min_utilization=0.0)
    for axis in dict.fromkeys(item.axis for item in constraints.spatial):
        kept = tuple(item for item in constraints.spatial if item.axis != axis)
        yield f"spatial.{axis}", replace(constraints, spatial=kept)
    for level in dict.fromkeys(item.level for item in constraints.tiles):
        tiles = tuple(item for item in constraints.tiles if item.level != level)
        yield f"tiles.{level}", replace(constraints, tiles=tiles)
    for level in dict.fromkeys(item.level for item in constraints.order):
        order = tuple(item for item in constraints.order if item.level != level)
        yield f"order.{level}", replace(constraints, order=order)
    for level in dict.fromkeys(item.level for item in constraints.bypass):
        bypass = tuple(item for item in constraints.bypass if item.level != level)
        yield f"bypass.{level}", replace(constraints, bypass=bypass)
