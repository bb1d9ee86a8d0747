"""Catalog entries as terminal tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.core.provenance import ESTIMATE
from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING, binary_bytes, engineering

if TYPE_CHECKING:
    from rich.console import RenderableType

Entry = Mapping[str, Any]
Text = Callable[[Any], str]


def _known(text: Text) -> Text:
    return lambda value: MISSING if value is None else text(value)


def _citation(sources: Sequence[str]) -> str:
    """The first published source without its details, which the JSON has."""
    published = [source for source in sources if not source.startswith(ESTIMATE)]
    return published[0].partition(": ")[0] if published else ESTIMATE.rstrip(":")


_PLAIN = _known(str)
_NUMBER = _known(lambda value: f"{value:g}")

COLUMNS: dict[str, tuple[tuple[str, str, str, Text], ...]] = {
    "hardware": (
        ("name", "name", "left", _PLAIN),
        ("kind", "kind", "left", _PLAIN),
        ("array", "array", "left", _PLAIN),
        ("cores", "cores", "right", _PLAIN),
        ("clock", "clock", "right", _PLAIN),
        ("node", "node", "right", _PLAIN),
        ("memories", "memories", "text", " ".join),
        ("sources", "source", "text", _citation),
    ),
    "models": (
        ("name", "name", "left", _PLAIN),
        ("parameters", "parameters", "right", engineering),
        ("macs", "MACs", "right", engineering),
        ("phase", "phase", "left", _PLAIN),
        ("operations", "ops", "right", _PLAIN),
        ("source", "source", "text", _PLAIN),
    ),
    "formats": (
        ("name", "name", "left", _PLAIN),
        ("bits_per_element", "bits", "right", _NUMBER),
        ("arithmetic", "arithmetic", "left", _PLAIN),
        ("scale", "scale", "left", _PLAIN),
        ("group_size", "group", "right", _PLAIN),
        ("integer_bits", "integer", "right", _PLAIN),
        ("significand_bits", "significand", "right", _PLAIN),
        ("exponent_bits", "exponent", "right", _PLAIN),
    ),
    "memories": (
        ("name", "name", "left", _PLAIN),
        ("bandwidth_bytes_per_s", "bandwidth", "right", lambda value: engineering(value, "B/s")),
        ("channels", "channels", "right", _PLAIN),
        ("data_rate_bits_per_s", "per pin", "right", lambda value: engineering(value, "b/s")),
        ("capacity_bytes", "capacity", "right", binary_bytes),
        ("unit", "of one", "left", _PLAIN),
        ("read_pj_per_bit", "pJ/bit", "right", _NUMBER),
        ("source", "source", "text", _PLAIN),
    ),
    "components": (
        ("name", "name", "left", _PLAIN),
        ("bits", "bits", "right", _PLAIN),
        ("what", "of", "left", _PLAIN),
        ("node_nm", "nm", "right", _NUMBER),
        ("area_um2", "area µm²", "right", _known(lambda value: f"{value:.4g}")),
        ("energy_pj", "energy pJ", "right", _known(lambda value: f"{value:.3g}")),
        ("source", "source", "text", lambda value: _citation([value])),
    ),
}
"""For each kind: key of the entry, heading, kind of column, how its values are written."""


def catalog_table(kind: str, entries: Sequence[Entry]) -> RenderableType:
    """The entries of one kind, one a row."""
    columns = COLUMNS[kind]
    rows = [[text(entry[key]) for key, _, _, text in columns] for entry in entries]
    return plain_table(kind, [(heading, justify) for _, heading, justify, _ in columns], rows)
