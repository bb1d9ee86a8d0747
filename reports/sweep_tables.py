"""The document of a sweep as terminal tables: what was evaluated, why points failed, the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.reports.quantity_text import condition_text
from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, engineering, percent, printable

if TYPE_CHECKING:
    from rich.console import RenderableType

ROWS = 25
"""Designs of the front that are shown."""
REASONS = 10
"""Reasons that are shown, the most frequent."""
_UNITS = {"_s": "s", "_j": "J", "_w": "W", "_js": "J·s", "_bytes": "B", "_per_s": "/s"}


def total_text(name: str, value: float | None) -> str:
    """A total with its unit, which the end of its name says.

    >>> total_text("latency_s", 0.0012), total_text("area_mm2", 3.14159), total_text("decode.energy_j", None)
    ('1.20 ms', '3.142 mm²', '-')
    """
    if value is None:
        return MISSING
    total = next((part for part in reversed(name.split(".")) if part), name)
    if name.startswith("energy_j."):
        return engineering(value, "J")
    if "area_mm2" in name:
        return f"{value:.4g} mm²"
    if total == "utilization":
        return percent(value)
    unit = max((end for end in _UNITS if total.endswith(end)), key=len, default="")
    return engineering(value, _UNITS.get(unit, ""))


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(8.2), duration(95), duration(7300)
    ('8 s', '1 min 35 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def sweep_tables(document: Mapping[str, Any]) -> list[RenderableType]:
    """What `archsim sweep` prints."""
    tables: list[RenderableType] = [_summary(document)]
    if document["failed"]:
        tables.append(_reasons(document["failed"]))
    if document["pareto"]:
        tables.append(front_rows(document))
        if document["axes"] and (same := _same(document["axes"], document["pareto"])):
            tables.append(f"the same in all of them: {same}")
    else:
        text = "\n".join(["no front: no point has all objectives and meets every constraint", *_missing(document)])
        if document["constraints"] and document["run"] and not document["feasible"]:
            text += f"\narchsim pareto {document['run']} --minimize TOTAL says which constraints bind"
        tables.append(text)
    return tables


def _missing(document: Mapping[str, Any]) -> list[str]:
    """What points lack, objective by objective and constraint by constraint."""
    worked = document["points"] - sum(document["failed"].values())
    lines = [f"{name}: no point has it" for name, count in document["known"].items() if worked and not count]
    return lines + [f"{text}: {count} of {worked} meet it" for text, count in document["met"].items() if count < worked]


def _summary(document: Mapping[str, Any]) -> RenderableType:
    failed = sum(document["failed"].values())
    rows = [("points", str(document["points"])), ("evaluated now", str(document["evaluated"]))]
    if document["rate_per_s"] is not None:
        rows.append(("rate", f"{document['rate_per_s']:.3g} points/s"))
    if failed:
        rows.append(("failed", f"{failed} ({percent(failed / document['points'])})"))
    if document["constraints"]:
        rows.append(("constraints", ", ".join(map(condition_text, document["constraints"]))))
        rows.append(("feasible", str(document["feasible"])))
    rows.append(("objectives", ", ".join(f"{sense} {name}" for name, sense in document["objectives"].items())))
    rows.append(("on the front", str(len(document["pareto"]))))
    return plain_table(printable(document["name"]), [("", "left"), ("", "text")], rows)


def _reasons(failed: Mapping[str, int]) -> RenderableType:
    rows = [(str(count), printable(reason)) for reason, count in list(failed.items())[:REASONS]]
    if len(failed) > REASONS:
        rest = list(failed.values())[REASONS:]
        rows.append((str(sum(rest)), f"{len(rest)} other reasons"))
    return plain_table("Why points failed", [("points", "right"), ("reason", "text")], rows)


def front_rows(document: Mapping[str, Any]) -> RenderableType:
    """The front by its first objective: number, axes, objectives."""
    objectives = list(document["objectives"])
    rows = sorted(document["pareto"], key=lambda row: row[objectives[0]])
    if document["objectives"][objectives[0]] == "max":
        rows.reverse()
    axes = _varying(document["axes"], rows)
    shown = _spread(rows)
    title = "Front" if len(shown) == len(rows) else f"Front: {len(shown)} of {len(rows)} designs"
    columns = [(name, "right") for name in ("point", *short_names(axes), *objectives)]
    texts = [
        (str(row["index"]), *(_value(row[key]) for key in axes), *(total_text(n, row[n]) for n in objectives))
        for row in shown
    ]
    return plain_table(title, columns, texts)


def _varying(axes: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The axes that differ between rows; all where none does."""
    return [key for key in axes if len({str(row[key]) for row in rows}) > 1] or list(axes)


def _same(axes: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """The axes that `_varying` leaves out, each with its only value."""
    shown = _varying(axes, rows)
    names = dict(zip(axes, short_names(axes), strict=True))
    return ", ".join(f"{names[key]} {_value(rows[0][key])}" for key in axes if key not in shown)


def _spread(rows: Sequence[Any]) -> list[Any]:
    """At most as many rows as a terminal takes, evenly, both ends included."""
    if len(rows) <= ROWS:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (ROWS - 1))] for i in range(ROWS)]


def short_names(keys: Sequence[str]) -> list[str]:
    """The shortest ends of dotted keys that tell them apart.

    >>> short_names(["hardware.array.rows", "hardware.memory.a.capacity", "hardware.memory.b.capacity"])
    ['rows', 'a.capacity', 'b.capacity']
    """
    names = []
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-n:]) for n in range(1, len(parts) + 1))
        others = [other for other in keys if other != key]
        names.append(next((end for end in ends if not any(o.endswith("." + end) or o == end for o in others)), key))
    return names


def _value(value: Any) -> str:
    return MISSING if value is None else printable(f"{value:.6g}" if isinstance(value, float) else str(value))
