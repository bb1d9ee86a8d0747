"""The search for the best mapping of one op."""

from __future__ import annotations

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.found import Found
from archsim.mappers.plain import MapperSettings, best_mapping, score
from archsim.sim.conventions import Counting
from archsim.workloads.op import Op


def find_mapping(
    op: Op,
    accelerator: Accelerator,
    settings: MapperSettings,
    counting: Counting,
    accumulator: Format,
    *,
    resident: frozenset[str] = frozenset(),
    reserved_bits: float = 0.0,
) -> Found | None:
    """The best mapping of `op` with what is proven about it; None when no tile fits the memories."""
    cost = best_mapping(
        op, accelerator, settings, counting, accumulator, resident=resident, reserved_bits=reserved_bits
    )
    if cost is None:
        return None
    return Found(
        cost=cost,
        objective=settings.objective,
        value=score(cost, settings),
        bound=0.0,
        optimal=False,
        evaluated=1,
        pruned=0,
        space=1.0,
    )
