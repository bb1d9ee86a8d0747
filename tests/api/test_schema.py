"""The JSON Schema beside the example designs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from archsim.api.schema import SCHEMA_FILE, design_schema

DESIGNS = Path(__file__).resolve().parents[2] / "designs"


def test_the_committed_schema_is_current() -> None:
    assert json.loads((DESIGNS / SCHEMA_FILE).read_text(encoding="utf-8")) == design_schema()


@pytest.mark.parametrize("path", sorted(DESIGNS.glob("*.toml")), ids=lambda path: path.stem)
def test_it_knows_every_key_of_the_examples(path: Path) -> None:
    schema = design_schema()
    unknown = list(_unknown(tomllib.loads(path.read_text()), schema, schema["definitions"], ()))
    assert unknown == []


def test_it_says_nothing_of_null_which_toml_has_not() -> None:
    assert "null" not in json.dumps(design_schema()).replace('"nullable"', "")


def _unknown(value: Any, schema: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Paths of a document that the schema has no property for."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/definitions/")]
    if isinstance(value, list):
        for item in value:
            yield from _unknown(item, schema.get("items", {}), definitions, path)
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            if key in schema["properties"]:
                yield from _unknown(inner, schema["properties"][key], definitions, (*path, key))
            else:
                yield (*path, key)
