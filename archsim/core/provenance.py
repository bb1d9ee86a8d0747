"""A value with the place it comes from."""

from __future__ import annotations

from dataclasses import dataclass

ESTIMATE = "estimate:"


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number with its source. The unit is in the name of whatever holds it.

    A source that begins with ``estimate:`` marks a value without a published origin; every result that rests on it
    lists it.
    """

    value: float
    source: str

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("a sourced value needs a source")

    @property
    def is_estimate(self) -> bool:
        return self.source.startswith(ESTIMATE)
