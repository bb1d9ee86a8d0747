"""`archsim compare --iso-area`: several designs at equal compute area."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import IsoAreaRequest
from archsim.core.errors import InputError, Problem

FILE = "iso-area.json"


def run(designs: Sequence[Path], request: IsoAreaRequest, options: Options) -> None:
    """Compare designs at equal compute area, print the result, and write it into the folder asked for."""
    from archsim.api.iso_area import compare_iso_area

    result = compare_iso_area(
        designs,
        models=_listed(request.models),
        phases=_listed(request.phases),
        area_mm2=None if request.area is None else _area_mm2(request.area),
        overrides=options.overrides,
    )
    document = result.to_dict()
    output.save_json(document, FILE, options)
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
        found = units.area_mm2(text)
        if not found:
            raise ValueError(f"must be above 0 (got {text!r})")
        return found
    except ValueError as error:
        raise InputError(Problem(key="--area", message=str(error))) from None
