"""Two evaluations side by side: totals, what changed in the design, and which layers differ and why."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archsim.reports.values import engineering, plain, ratio

SCHEMA = "archsim.comparison/1"
NOTABLE_FRACTION = 0.01
"""Relative change from which on a figure counts as a reason."""
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: its `archsim.evaluation/1` document and the resolved design, where that is known."""

    document: Document
    resolved: Document | None = None

    @property
    def name(self) -> str:
        return str(self.document["design"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A figure on both sides, and b over a where that exists."""

    name: str
    a: float | None
    b: float | None

    @property
    def ratio(self) -> float | None:
        return ratio(self.b, self.a)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignChange:
    """A key of the resolved design whose value differs; None where a side does not have the key."""

    key: str
    a: Any
    b: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """One layer on both sides: time and energy over all its runs, what bounds it, and what else differs."""

    name: str
    phase: str
    latency_s: Change
    energy_j: Change
    bound_a: str
    bound_b: str
    why: tuple[str, ...]

    @property
    def change_s(self) -> float:
        """Seconds that b takes more than a."""
        return (self.latency_s.b or 0.0) - (self.latency_s.a or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between two evaluations. Ratios are b over a."""

    a: Side
    b: Side
    totals: tuple[Change, ...]
    energy_j: tuple[Change, ...]
    """By component."""
    design: tuple[DesignChange, ...] | None
    """Keys that differ; None where a resolved design is not known."""
    layers: tuple[LayerChange, ...]
    """Layers on both sides, the largest change of time first."""
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    findings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.comparison/1`."""
        document = {
            "schema": SCHEMA,
            "a": {"design": self.a.name, "archsim": self.a.document["archsim"]},
            "b": {"design": self.b.name, "archsim": self.b.document["archsim"]},
            "totals": {change.name: _sides(change) for change in self.totals},
            "energy_j": {change.name: _sides(change) for change in self.energy_j},
            "design": None if self.design is None else [_design_dict(change) for change in self.design],
            "layers": [_layer_dict(change) for change in self.layers],
            "only_a": self.only_a,
            "only_b": self.only_b,
            "findings": self.findings,
        }
        cleaned: dict[str, Any] = plain(document)
        return cleaned

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(change.name)}</td><td>{_number(change.a)}</td><td>{_number(change.b)}</td>"
            f"<td>{_number(change.ratio)}</td></tr>"
            for change in self.totals
        )
        head = f"<tr><th></th><th>{html.escape(self.a.name)}</th><th>{html.escape(self.b.name)}</th><th>ratio</th></tr>"
        findings = "".join(f"<li>{html.escape(line)}</li>" for line in self.findings)
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table><ul>{findings}</ul>"


def comparison(a: Side, b: Side) -> Comparison:
    """What differs between two sides. Layers are matched by name and phase, equal ones in their order."""
    rows_a, rows_b = _keyed_layers(a), _keyed_layers(b)
    layers = [_layer_change(rows_a[key], rows_b[key]) for key in rows_a if key in rows_b]
    layers.sort(key=lambda change: -abs(change.change_s))
    totals = _changes(_numbers(a.document["totals"]), _numbers(b.document["totals"]))
    return Comparison(
        a=a,
        b=b,
        totals=totals,
        energy_j=_changes(a.document["energy_j"], b.document["energy_j"]),
        design=None if a.resolved is None or b.resolved is None else design_changes(a.resolved, b.resolved),
        layers=tuple(layers),
        only_a=tuple(row["name"] for key, row in rows_a.items() if key not in rows_b),
        only_b=tuple(row["name"] for key, row in rows_b.items() if key not in rows_a),
        findings=_findings(totals, layers),
    )


def design_changes(a: Document, b: Document) -> tuple[DesignChange, ...]:
    """Keys whose values differ, dotted; entries of a list of tables go by their `name`."""
    flat_a, flat_b = dict(_flat(plain(a))), dict(_flat(plain(b)))
    return tuple(
        DesignChange(key=key, a=flat_a.get(key), b=flat_b.get(key))
        for key in dict.fromkeys([*flat_a, *flat_b])
        if flat_a.get(key) != flat_b.get(key)
    )


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{prefix}.{item.get('name', index)}")
    else:
        yield prefix, value


def _keyed_layers(side: Side) -> dict[tuple[str, str, int], Document]:
    seen: Counter[tuple[str, str]] = Counter()
    keyed: dict[tuple[str, str, int], Document] = {}
    for row in side.document["layers"]:
        key = (row["name"], row["phase"])
        keyed[(*key, seen[key])] = row
        seen[key] += 1
    return keyed


def _layer_change(a: Document, b: Document) -> LayerChange:
    return LayerChange(
        name=a["name"],
        phase=a["phase"],
        latency_s=Change(name="latency_s", a=_over_runs(a, "latency_s"), b=_over_runs(b, "latency_s")),
        energy_j=Change(name="energy_j", a=_over_runs(a, "energy_j"), b=_over_runs(b, "energy_j")),
        bound_a=a["bound"],
        bound_b=b["bound"],
        why=tuple(_reasons(a, b)),
    )


def _over_runs(row: Document, key: str) -> float | None:
    value = row[key]
    return None if value is None else value * row["count"]


def _reasons(a: Document, b: Document) -> Iterator[str]:
    if a["bound"] != b["bound"]:
        yield f"bound {a['bound']} → {b['bound']}"
    for operand in ("weights", "inputs", "outputs"):
        before, after = a["formats"].get(operand), b["formats"].get(operand)
        if before != after:
            yield f"{operand} {before} → {after}"
    if _dataflow(a) != _dataflow(b):
        yield f"dataflow {_dataflow(a)} → {_dataflow(b)}"
    for key, label in (
        ("count", "runs"),
        ("macs", "MACs"),
        ("dram_bytes", "DRAM bytes"),
        ("compute_cycles", "compute cycles"),
    ):
        factor = ratio(b[key], a[key])
        if factor is not None and abs(factor - 1) >= NOTABLE_FRACTION:
            yield f"{label} ×{factor:.3g}"
    stalled_a, stalled_b = (ratio(row["stall_cycles"], row["cycles"]) or 0.0 for row in (a, b))
    if abs(stalled_a - stalled_b) >= NOTABLE_FRACTION:
        yield f"stalled {100 * stalled_a:.0f} % → {100 * stalled_b:.0f} % of its cycles"


def _dataflow(row: Document) -> str | None:
    mapping = row["mapping"]
    return None if mapping is None else mapping.get("dataflow")


def _findings(totals: tuple[Change, ...], layers: list[LayerChange]) -> tuple[str, ...]:
    by_name = {change.name: change for change in totals}
    found = [
        _verdict(by_name.get("latency_s"), "takes", "the time"),
        _verdict(by_name.get("energy_j"), "uses", "the energy"),
    ]
    moved = Counter((layer.bound_a, layer.bound_b) for layer in layers if layer.bound_a != layer.bound_b)
    found += [
        f"{count} layer{'s' if count > 1 else ''} bound by {before} before, by {after} now"
        for (before, after), count in moved.most_common()
    ]
    changed = [layer for layer in layers if layer.change_s]
    if changed:
        top, change = changed[0], sum(layer.change_s for layer in changed)
        sign = "+" if top.change_s > 0 else "-"
        found.append(
            f"the largest change is {top.name}: {sign}{engineering(abs(top.change_s), 's')} of "
            f"{'+' if change > 0 else '-'}{engineering(abs(change), 's')}"
        )
    return tuple(line for line in found if line)


def _verdict(change: Change | None, verb: str, what: str) -> str | None:
    factor = None if change is None else change.ratio
    return None if factor is None else f"b {verb} {factor:.3g} times {what} of a"


def _changes(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> tuple[Change, ...]:
    return tuple(Change(name=name, a=a.get(name), b=b.get(name)) for name in dict.fromkeys([*a, *b]))


def _numbers(totals: Document) -> dict[str, float | None]:
    flat = dict(totals)
    resources = flat.pop("resources", {})
    return flat | dict(resources)


def _sides(change: Change) -> dict[str, float | None]:
    return {"a": change.a, "b": change.b, "ratio": change.ratio}


def _design_dict(change: DesignChange) -> dict[str, Any]:
    return {"key": change.key, "a": change.a, "b": change.b}


def _layer_dict(change: LayerChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "phase": change.phase,
        "latency_s": _sides(change.latency_s),
        "energy_j": _sides(change.energy_j),
        "bound": {"a": change.bound_a, "b": change.bound_b},
        "why": change.why,
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
