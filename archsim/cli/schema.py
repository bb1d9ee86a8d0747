"""`archsim schema`: the JSON Schema of design files."""

from __future__ import annotations

from archsim.cli import output
from archsim.cli.options import Options

FILE = "design.schema.json"


def run(options: Options) -> None:
    """Print the schema; with a folder, write it there as well."""
    from archsim.api.schema import design_schema

    output.refuse_overrides("schema", options)
    document = design_schema()
    output.save_json(document, FILE, options)
    output.emit_json(document)
