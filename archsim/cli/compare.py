"""`archsim compare`: two designs or two runs side by side, or several designs at equal compute area."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options
from archsim.core.errors import InputError, Problem

FILE = "comparison.json"
ISO_AREA_FILE = "iso-area.json"


def run(sides: Sequence[Path], only_iso_area: Sequence[str | None], options: Options) -> None:
    """Compare two sides, print the result, and write it into the folder asked for."""
    from archsim.api.compare import compare

    if any(value is not None for value in only_iso_area):
        raise InputError(Problem(message="--area, --models and --phases belong to --iso-area"))
    if len(sides) != 2:
        hint = "archsim compare --iso-area takes more"
        raise InputError(Problem(message=f"compares two designs or runs (got {len(sides)})", hint=hint))
    result = compare(*sides, overrides=options.overrides)
    document = result.to_dict()
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.comparison_tables import comparison_tables

        output.emit_tables(comparison_tables(result))


def run_iso_area(
    designs: Sequence[Path], area: str | None, models: str | None, phases: str | None, options: Options
) -> None:
    """Compare designs at equal compute area, print the result, and write it into the folder asked for."""
    from archsim.api.iso_area import compare_iso_area

    result = compare_iso_area(
        designs,
        models=_listed(models),
        phases=_listed(phases),
        area_mm2=None if area is None else _area_mm2(area),
        overrides=options.overrides,
    )
    document = result.to_dict()
    output.save_json(document, ISO_AREA_FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        from archsim.reports.iso_area_tables import iso_area_tables

        output.emit_tables(iso_area_tables(result))


def _listed(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _area_mm2(text: str) -> float:
    from archsim.core import units

    try:
        return units.area_mm2(text)
    except ValueError as error:
        raise InputError(Problem(key="--area", message=str(error))) from None
