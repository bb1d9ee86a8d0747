"""The JSON Schema of design.toml, from the options models: what an editor completes and checks."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

from archsim.api.options import DesignOptions
from archsim.core.options import Options

SCHEMA_FILE = "design.schema.json"
_DIALECT = "http://json-schema.org/draft-07/schema#"


def design_schema() -> dict[str, Any]:
    """JSON Schema (draft 7, as TOML editors read it) of a design file."""
    schema = options_schema(DesignOptions)
    # With a base, a hardware table or a memory may leave out what it inherits.
    schema["definitions"]["HardwareOptions"].pop("required", None)
    schema["definitions"]["MemoryOptions"]["required"] = ["name"]
    return schema


def options_schema(root: type[Options]) -> dict[str, Any]:
    """JSON Schema (draft 7) of the file that a model reads, with the texts below its fields."""
    schema = root.model_json_schema(mode="validation", ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs", {})
    for model in sorted(set(_models(root)), key=lambda item: item.__name__):
        target = schema if model is root else definitions.get(model.__name__)
        if target is not None:
            _describe(target, model)
    tidy: dict[str, Any] = _without_null({"$schema": _DIALECT} | schema | {"definitions": definitions})
    return tidy


def schema_text() -> str:
    """The schema as the file beside the example designs holds it."""
    return json.dumps(design_schema(), indent=2, ensure_ascii=False) + "\n"


def _models(model: type[Options]) -> Iterator[type[Options]]:
    """The model and every options model below it."""
    yield model
    for field in model.model_fields.values():
        for part in _leaves(field.annotation):
            if isinstance(part, type) and issubclass(part, Options):
                yield from _models(part)


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for part in inner:
        yield from _leaves(part)


def _describe(schema: dict[str, Any], model: type[Options]) -> None:
    """Give each property the text that stands below its field."""
    for ancestor in reversed(model.__mro__):
        if ancestor is Options or not issubclass(ancestor, Options):
            continue
        for name, text in _field_texts(ancestor).items():
            if name in schema["properties"]:
                schema["properties"][name]["description"] = text


def _field_texts(model: type) -> dict[str, str]:
    """Fields of a class with the string that follows their declaration."""
    (node,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(node, ast.ClassDef)
    texts = {}
    for field, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            texts[field.target.id] = inspect.cleandoc(ast.literal_eval(after.value))
    return texts


def _without_null(schema: Any) -> Any:
    """The schema without null, which TOML has not, nor the titles and table defaults that only repeat."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _without_null(value) for key, value in schema.items() if not _repeats(key, value)}
    choices = [item for item in tidy.get("anyOf", ()) if item != {"type": "null"}]
    if len(choices) == 1:
        del tidy["anyOf"]
        tidy = {**choices[0], **tidy}
    elif choices:
        tidy["anyOf"] = choices
    return tidy


def _repeats(key: str, value: Any) -> bool:
    """Whether an entry says nothing beyond the models: a title, an empty default, a table of defaults."""
    return (
        (key == "title" and isinstance(value, str))
        or (key == "default" and value in (None, []))
        or (key == "default" and isinstance(value, dict))
    )
