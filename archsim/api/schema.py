"""The JSON Schema of design.toml, from the options models: what an editor completes and checks."""

from __future__ import annotations

import json
from typing import Any

from archsim.api.options import DesignOptions

SCHEMA_FILE = "design.schema.json"
_DIALECT = "http://json-schema.org/draft-07/schema#"


def design_schema() -> dict[str, Any]:
    """JSON Schema (draft 7, as TOML editors read it) of a design file."""
    schema = DesignOptions.model_json_schema(mode="validation", ref_template="#/definitions/{model}")
    schema["definitions"] = schema.pop("$defs")
    _complete(schema["definitions"])
    return {"$schema": _DIALECT, "title": "archsim design.toml"} | {
        key: value for key, value in schema.items() if key != "title"
    }


def schema_text() -> str:
    """The schema as the file beside the example designs holds it."""
    return json.dumps(design_schema(), indent=2, ensure_ascii=False) + "\n"


def _complete(definitions: dict[str, Any]) -> None:
    """Say what the models cannot: with a base, a hardware table or a memory may leave out what it inherits."""
    definitions["HardwareOptions"].pop("required", None)
    definitions["MemoryOptions"]["required"] = ["name"]
