"""`archsim schema`: the JSON Schema of design files and of sweep files."""

from __future__ import annotations

from typing import Any

from archsim.cli import output
from archsim.cli.options import Options


def run(options: Options, *, sweep: bool = False) -> None:
    """Print the schema; with a folder, write it there as well."""
    output.refuse_overrides("schema", options)
    document, file = _sweep() if sweep else _design()
    output.save_json(document, file, options)
    output.emit_json(document)


def _design() -> tuple[dict[str, Any], str]:
    from archsim.api.schema import SCHEMA_FILE, design_schema

    return design_schema(), SCHEMA_FILE


def _sweep() -> tuple[dict[str, Any], str]:
    from archsim.explore.schema import SWEEP_SCHEMA_FILE, sweep_schema

    return sweep_schema(), SWEEP_SCHEMA_FILE
