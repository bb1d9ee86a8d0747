"""The JSON Schema of sweep.toml: what an editor completes and checks."""

from __future__ import annotations

from typing import Any

from archsim.api.schema import options_schema
from archsim.explore.options import LinkOptions, RangeOptions, SweepOptions, ValuesOptions

SWEEP_SCHEMA_FILE = "sweep.schema.json"


def sweep_schema() -> dict[str, Any]:
    """JSON Schema (draft 7, as TOML editors read it) of a sweep file.

    A bare dotted key of an axis is a table of tables to an editor, so that any table may stand for an axis; workloads
    may have every key of `[workload]`.
    """
    schema = options_schema(SweepOptions)
    forms: list[dict[str, Any]] = []
    for model in (RangeOptions, ValuesOptions, LinkOptions):
        own = options_schema(model)
        schema["definitions"][model.__name__] = {k: v for k, v in own.items() if k not in ("$schema", "definitions")}
        forms.append({"$ref": f"#/definitions/{model.__name__}"})
    values = {"type": "array", "minItems": 1, "description": "The values."}
    link = {"type": "string", "description": "The key of the axis that this one follows."}
    schema["properties"]["axes"]["additionalProperties"] = {"anyOf": [values, link, *forms, {"type": "object"}]}
    schema["definitions"]["WeightedWorkloadOptions"]["additionalProperties"] = True
    schema["properties"]["design"]["type"] = "string"
    return schema
