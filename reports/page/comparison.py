"""The page of two evaluations side by side: what differs in totals, energy, design and layers, and both from within."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from archsim.reports.comparison import Change, Comparison
from archsim.reports.page.quantities import Quantity, total
from archsim.reports.page.record import DesignDetail, Evidence, Pairs, SweepPage, Table
from archsim.reports.values import MISSING, binary_bytes, engineering, percent

PAIRS = 16
"""Layers with a bar on both sides."""
JOULES = Quantity(label="energy", unit="J", style="si")


def comparison_page(result: Comparison, details: tuple[DesignDetail, ...]) -> SweepPage:
    """The page of a comparison; `details` are the designs of which the layers are known, a before b."""
    names = f"a = {result.a.name}, b = {result.b.name}"
    return SweepPage(
        title=f"{result.a.name} and {result.b.name}",
        subtitle=f"{names}; ratios are b over a",
        findings=result.findings,
        pairs=tuple(_pairs(result)),
        tables=tuple(_tables(result)),
        designs=details,
        evidence=_evidence(result, details),
    )


def _pairs(result: Comparison) -> Iterable[Pairs]:
    """Time of the layers that differ most, and energy by component."""
    layers = [layer for layer in result.layers if layer.change_s][:PAIRS]
    sides = (f"a: {result.a.name}", f"b: {result.b.name}")
    if layers:
        yield Pairs(
            id="pairs-time",
            title="Time of the layers that differ most",
            note="Over all runs of a layer; the largest change first.",
            unit="s",
            sides=sides,
            names=tuple(layer.name for layer in layers),
            a=tuple(layer.latency_s.a or 0.0 for layer in layers),
            b=tuple(layer.latency_s.b or 0.0 for layer in layers),
        )
    energy = [change for change in result.energy_j if change.a or change.b]
    if energy:
        yield Pairs(
            id="pairs-energy",
            title="Energy by component, a and b",
            note="Of the whole workload.",
            unit="J",
            sides=sides,
            names=tuple(change.name for change in energy),
            a=tuple(change.a or 0.0 for change in energy),
            b=tuple(change.b or 0.0 for change in energy),
        )


def _tables(result: Comparison) -> Iterable[Table]:
    head = ("", "a", "b", "b / a")
    totals = [_row(total(change.name), change) for change in result.totals if _known(change)]
    yield Table(title="Totals", note="Of the whole workload.", head=head, rows=tuple(totals), numeric=(1, 2, 3))
    energy = [_row(JOULES, change, change.name) for change in result.energy_j if _known(change)]
    yield Table(title="Energy by component", note="", head=head, rows=tuple(energy), numeric=(1, 2, 3))
    if result.design is not None:
        keys = tuple((change.key, _value(change.a), _value(change.b)) for change in result.design)
        yield Table(title="Keys of the design that differ", note="", head=("key", "a", "b"), rows=keys)
    yield _layers(result)
    for side, only in (("a", result.only_a), ("b", result.only_b)):
        if only:
            yield Table(title=f"Layers only in {side}", note="", head=("layer",), rows=tuple((name,) for name in only))


def _layers(result: Comparison) -> Table:
    rows = tuple(
        (
            layer.name,
            layer.phase,
            engineering(layer.latency_s.a, "s"),
            engineering(layer.latency_s.b, "s"),
            _ratio(layer.latency_s.ratio),
            engineering(layer.energy_j.a, "J"),
            engineering(layer.energy_j.b, "J"),
            _ratio(layer.energy_j.ratio),
            ", ".join(layer.why),
        )
        for layer in result.layers
        if layer.change_s or layer.why
    )
    head = ("layer", "phase", "time a", "time b", "b / a", "energy a", "energy b", "b / a", "what differs")
    note = "The largest change of time first; time and energy over all runs of a layer."
    return Table(title="Layers that differ", note=note, head=head, rows=rows, numeric=(2, 3, 4, 5, 6, 7))


def _row(quantity: Quantity, change: Change, name: str | None = None) -> tuple[str, ...]:
    label = quantity.label if name is None else name
    return (label, quantity_text(quantity, change.a), quantity_text(quantity, change.b), _ratio(change.ratio))


def _known(change: Change) -> bool:
    return change.a is not None or change.b is not None


def quantity_text(quantity: Quantity, value: float | None) -> str:
    """A value as its quantity is written.

    >>> quantity_text(total("latency_s"), 0.0123), quantity_text(total("area_mm2"), None)
    ('12.3 ms', '-')
    """
    if value is None:
        return MISSING
    if quantity.style == "si":
        return engineering(value, quantity.unit)
    if quantity.style == "bytes":
        return binary_bytes(value)
    return percent(value) if quantity.style == "percent" else f"{value:.4g} {quantity.unit}".rstrip()


def _ratio(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3g}"


def _value(value: Any) -> str:
    if value is None:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _evidence(result: Comparison, details: tuple[DesignDetail, ...]) -> Evidence:
    """Estimates and warnings of both, each with the side that it is of where only one has it."""
    documents = (result.a.document, result.b.document)
    stated = [tuple(document.get("estimates", ())) for document in documents]
    warnings = [tuple(document.get("warnings", ())) for document in documents]
    sources = [tuple(detail.sources) for detail in details]
    versions = tuple(
        (f"archsim of {side}", str(document["archsim"])) for side, document in zip("ab", documents, strict=True)
    )
    return Evidence(
        estimates=_by_side(stated), warnings=_by_side(warnings), sources=_by_side(sources), versions=versions
    )


def _by_side(texts: list[tuple[str, ...]]) -> tuple[str, ...]:
    every = dict.fromkeys(text for side in texts for text in side)
    return tuple(
        text if all(text in side for side in texts) else f"{'ab'[[text in side for side in texts].index(True)]}: {text}"
        for text in every
    )
