"""Figures of a PE that are kept where a design changes what the PE is made of: told, since they may not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archsim.api.places import Merged, table
from archsim.core.spelling import spelled

FIGURES = ("pe_area", "mac_energy", "step_energy", "pe_energy")
"""Keys of `[hardware.array]` that say what one PE takes."""
STRUCTURE = frozenset({
    "lanes", "serial", "terms", "terms_per_cycle", "widest_terms", "skip", "words", "shifter_bits",
    "scale_bits_per_cycle",
    "unit_bits", "brick_bits", "table_group", "table_adders", "table_digits", "table_bits", "multiplier",
    "narrow_bits", "wide_bits", "outlier_macs", "zeros", "ratios", "sync_window", "lookahead", "lookaside", "run_ahead",
})  # fmt: skip
"""Keys that say what one PE is made of."""
_OF_ONE_MAC = frozenset({"lanes"})
"""Keys of the structure that the energy of one MAC does not depend on."""
ARRAY = ("hardware", "array")


def kept_figures(merged: Merged) -> Iterator[str]:
    """A warning for each key of a PE's structure that differs from where the PE's figures were stated."""
    array = table(table(merged.values.get("hardware")).get("array"))
    for key in sorted(STRUCTURE & set(array)):
        figures = [name for name in FIGURES if name in array and _differs(merged, name, key, array[key])]
        if "mac_energy" in figures and key in _OF_ONE_MAC:
            figures.remove("mac_energy")
        if figures:
            before = spelled(_stated(merged, figures[0]).get(key, "not stated"))
            names = " and ".join(figures)
            yield (
                f"hardware.array.{key} is {spelled(array[key])}, but {names} were stated for a PE where it is {before}:"
                " state them anew if they change"
            )


def _differs(merged: Merged, figure: str, key: str, value: Any) -> bool:
    """Whether the key was set over the document that has the figure, to something else than it is there."""
    later = _rank(merged, key) > _rank(merged, figure)
    return later and bool(_stated(merged, figure).get(key) != value)


def _rank(merged: Merged, key: str) -> int:
    """How late the document of an array's key comes, overrides last."""
    document = merged.origin((*ARRAY, key)).document
    return next((place for place, layer in enumerate(merged.layers) if layer is document), len(merged.layers))


def _stated(merged: Merged, figure: str) -> dict[str, Any]:
    """The array's keys in the document that states a figure."""
    document = merged.origin((*ARRAY, figure)).document
    return dict(table(table(document.values.get("hardware")).get("array")))
