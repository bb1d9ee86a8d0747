"""Claims recomputed and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.reports.reproduction import ClaimResult, PartResult, Reproduction
from archsim.reproduce.catalog import FOLDER, chosen_claims

if TYPE_CHECKING:
    from archsim.reproduce.options import ClaimOptions


def reproduce(ids: Iterable[str] = (), *, system: str | None = None) -> Reproduction:
    """The claims with these ids (all without any), recomputed and compared with what was published.

    `system` keeps those about one system. Raises InputError for unknown ids and systems.
    """
    chosen = chosen_claims(ids, system)
    return Reproduction(claims=tuple(judge(name, claim, FOLDER) for name, claim in chosen.items()))


def judge(name: str, claim: ClaimOptions, folder: Path) -> ClaimResult:
    """A claim with the numbers recomputed for it; `folder` holds the designs that it names."""
    parts = []
    for label, relation, published, recompute in claim.parts:
        simulated = _recomputed(recompute, folder)
        held = holds(relation, published, simulated, claim.tolerance)
        parts.append(PartResult(name=label, published=published, simulated=simulated, held=held, relation=relation))
    return ClaimResult(
        id=name,
        system=claim.system,
        family=claim.family,
        field=claim.field,
        metric=claim.metric,
        relation=claim.relation,
        value=claim.value,
        unit=claim.unit,
        baseline=claim.baseline,
        platform=claim.platform,
        condition=claim.condition,
        kind=claim.kind,
        source=claim.source,
        tolerance=claim.tolerance,
        assumptions=claim.assumptions,
        missing=claim.missing or "",
        parts=tuple(parts),
    )


def holds(relation: str, published: float, simulated: float, tolerance: float) -> bool:
    """Whether a simulated number bears a published one out.

    "<" and ">" are bounds. Everything else must come within the tolerance: "up to" (<=) and "at least" (>=) name the
    extreme case, which is the one recomputed.
    """
    match relation:
        case "<":
            return simulated < published
        case ">":
            return simulated > published
        case _:
            return abs(simulated - published) <= tolerance * abs(published)


def _recomputed(recompute: Any, folder: Path) -> float:
    """The number that a recomputation declares, by its kind."""
    return _EVALUATORS[recompute.kind](recompute, folder)


def _bits(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.storage import format_bits

    return format_bits(recompute)


def _storage(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.storage import storage

    return storage(recompute)


def _designs(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.designs import evaluated

    return evaluated(recompute, folder)


def _fidelity(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.units import fidelity_gain

    return fidelity_gain(recompute)


def _dot_product(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.units import unit_ratio

    return unit_ratio(recompute)


def _suite(recompute: Any, folder: Path) -> float:
    from archsim.reproduce.suite import mean_gain

    return mean_gain(recompute, folder)


_EVALUATORS: dict[str, Callable[[Any, Path], float]] = {
    "bits": _bits,
    "storage": _storage,
    "fidelity": _fidelity,
    "dot-product": _dot_product,
    "designs": _designs,
    "suite": _suite,
}
"""One general evaluator for each kind of recomputation."""
