"""`archsim catalog`: what ships with archsim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archsim.api import catalog
from archsim.cli import output
from archsim.cli.options import Options
from archsim.core.errors import InputError, unknown_name

SCHEMA = "archsim.catalog/1"
FILE = "catalog.json"


def run(kind: str | None, options: Options) -> None:
    """Print the entries of one kind, or of all."""
    from archsim.reports.catalog_tables import catalog_table

    listings: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "hardware": catalog.hardware_entries,
        "models": catalog.model_entries,
        "formats": catalog.format_entries,
        "memories": catalog.memory_entries,
        "components": catalog.component_entries,
    }
    output.refuse_overrides("catalog", options)
    if kind is not None and kind not in listings:
        raise InputError(unknown_name("kind", kind, listings))
    chosen = {name: listing() for name, listing in listings.items() if kind in (None, name)}
    document = {"schema": SCHEMA, **chosen}
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(catalog_table(name, entries) for name, entries in chosen.items())
