"""What `archsim reproduce` found: published claims beside what the simulator gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

SCHEMA = "archsim.reproduction/1"
Status = Literal["reproduced", "off", "not modelled"]
STATUSES: tuple[Status, Status, Status] = ("reproduced", "off", "not modelled")
_BOUNDS = {"<": "below ", ">": "above "}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """One number of a claim, in the claim's unit: as published and as recomputed."""

    name: str
    """Empty for a claim of one number."""
    published: float
    simulated: float
    held: bool
    relation: str = "="
    """Of this number: "<" and ">" say that the published one is a bound."""

    @property
    def error(self) -> float:
        """(simulated - published) / published."""
        return (self.simulated - self.published) / self.published


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """One claim with its outcome."""

    id: str
    system: str
    family: str
    """The technique."""
    field: str
    """The part of the simulator that the claim is about."""
    metric: str
    relation: str
    value: float | str
    """As published; text where it is not one number."""
    unit: str
    baseline: str
    platform: str
    condition: str
    kind: str
    source: str
    tolerance: float
    assumptions: tuple[str, ...] = ()
    missing: str = ""
    """Why nothing is recomputed; empty when something is."""
    parts: tuple[PartResult, ...] = ()

    @property
    def status(self) -> Status:
        if not self.parts:
            return "not modelled"
        return "reproduced" if all(part.held for part in self.parts) else "off"

    @property
    def worst(self) -> PartResult | None:
        """The part that decides: the furthest off, those that do not hold first."""
        return max(self.parts, key=lambda part: (not part.held, abs(part.error)), default=None)

    @property
    def why(self) -> str:
        """The reason of what is not modelled, else the numbers of a claim that has several."""
        if not self.parts:
            return self.missing
        named = [
            f"{part.name}: {part.simulated:.4g} ({_BOUNDS.get(part.relation, '')}{part.published:.7g})"
            for part in self.parts
            if part.name
        ]
        return ", ".join(named)

    def to_dict(self) -> dict[str, Any]:
        """The claim as the JSON document has it. Of several numbers, the one furthest off; `why` lists them all."""
        worst = self.worst
        return {
            "id": self.id,
            "system": self.system,
            "metric": self.metric,
            "unit": self.unit,
            "published": self.value if worst is None else worst.published,
            "simulated": None if worst is None else worst.simulated,
            "error": None if worst is None else worst.error,
            "tolerance": None if worst is None else self.tolerance,
            "status": self.status,
            "why": self.why,
            "kind": self.kind,
            "source": self.source,
            "assumptions": list(self.assumptions),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Claims with their outcomes, in the order they were asked for."""

    claims: tuple[ClaimResult, ...]

    @property
    def holds(self) -> bool:
        """Whether every claim that is modelled is reproduced."""
        return not any(claim.status == "off" for claim in self.claims)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.reproduction/1`."""
        return {"schema": SCHEMA, "claims": [claim.to_dict() for claim in self.claims]}


def counts(claims: Sequence[ClaimResult]) -> dict[Status, int]:
    """How many claims have each status."""
    return {status: sum(claim.status == status for claim in claims) for status in STATUSES}


def by_field(claims: Sequence[ClaimResult]) -> dict[str, list[ClaimResult]]:
    """The claims of each field, fields and claims in their order of appearance."""
    fields: dict[str, list[ClaimResult]] = {}
    for claim in claims:
        fields.setdefault(claim.field, []).append(claim)
    return fields
