"""Many searches at once, as a sweep asks for them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.found import Found
from archsim.mappers.search import find_mapping
from archsim.mappers.settings import MapperSettings
from archsim.sim.conventions import Counting
from archsim.sim.schedule import signature
from archsim.workloads.op import Op


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One search, with the arguments of `find_mapping`."""

    op: Op
    accelerator: Accelerator
    settings: MapperSettings
    counting: Counting
    accumulator: Format
    resident: frozenset[str] = frozenset()
    reserved_bits: float = 0.0


def find_mappings(requests: Sequence[Request]) -> list[Found | None]:
    """What `find_mapping` finds for each request, in order; None where no tile fits.

    Equal requests (the same sizes and formats on the same accelerator object) are searched once. Requests that differ
    in capacities, bandwidths, energies or widths alone share their plan, in this call and between calls (`plan_of`), so
    that there is nothing to prepare and nothing to rebuild while those vary.
    """
    found: dict[Hashable, Found | None] = {}
    for request in requests:
        key = _key(request)
        if key not in found:
            found[key] = find_mapping(
                request.op,
                request.accelerator,
                request.settings,
                request.counting,
                request.accumulator,
                resident=request.resident,
                reserved_bits=request.reserved_bits,
            )
    return [found[_key(request)] for request in requests]


def _key(request: Request) -> Hashable:
    """What decides the result; accelerators by identity, which holds while the requests are there."""
    rest = (request.settings, request.counting, request.accumulator, request.resident, request.reserved_bits)
    return (signature(request.op), id(request.accelerator), *rest)
