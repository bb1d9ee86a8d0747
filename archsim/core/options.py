"""What every room's options model shares: strict values, quantities with units, and problems in archsim's words.

An options model mirrors one table of a design file and keeps what was written (``"64 KiB"``), so that a saved design is
the design that was read; properties give the number. Numbers leave here in the unit their property's name says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from archsim.core import units
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief, listed, printable, spelled
from archsim.core.toml import KeyPath

LARGEST_COUNT = 1_000_000
LARGEST_SIZE = 1_000_000_000
SMALLEST_FACTOR, LARGEST_FACTOR = 1e-6, 1e6
"""Beyond any hardware; what lies outside would overflow further on."""

Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST_COUNT)]
"""How many of a hardware thing: at least 1."""
Size = Annotated[int, Field(strict=True, ge=1, le=LARGEST_SIZE)]
"""A size of the workload: at least 1."""
Flag = Annotated[bool, Field(strict=True)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Factor = Annotated[float, Field(strict=True, ge=SMALLEST_FACTOR, le=LARGEST_FACTOR, allow_inf_nan=False)]
"""A rate, or what scales a figure."""
Fraction01 = Annotated[float, Field(strict=True, ge=0, le=1)]


class Options(BaseModel):
    """One table of a design file. `reserved` keys have a meaning to come and are refused with that reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    reserved: ClassVar[frozenset[str]] = frozenset()

    def written(self) -> dict[str, Any]:
        """The table as plain JSON values, defaults filled in, absent keys left out."""
        return self.model_dump(mode="json", exclude_none=True, by_alias=True)


def refusal(message: str, hint: str | None = None) -> PydanticCustomError:
    """The error a validator raises to say `message` with a hint."""
    return PydanticCustomError("archsim", "{message}", {"message": message, "hint": hint or ""})


def checked(read: Callable[[object], object]) -> Callable[[object], Any]:
    """A validator that keeps the text when `read` accepts it; its ValueError or InputError becomes the problem."""

    def check(value: object) -> object:
        try:
            read(value)
        except InputError as error:
            first = error.problems[0]
            raise refusal(first.message, first.hint) from None
        except ValueError as error:
            raise refusal(str(error)) from None
        return value

    return check


def _text(what: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": f"{what} with its unit", "examples": list(examples)})


ClockText = Annotated[str, PlainValidator(checked(units.clock_hz)), _text("frequency", "1 GHz")]
CapacityText = Annotated[str, PlainValidator(checked(units.capacity_bits)), _text("size", "64 KiB", "unlimited")]
WidthText = Annotated[str, PlainValidator(checked(units.width_bits)), _text("width", "64 bit", "8 B")]
BandwidthText = Annotated[
    str, PlainValidator(checked(units.bandwidth)), _text("bandwidth", "64 GB/s", "32 B/cycle", "unlimited")
]
AccessEnergyText = Annotated[
    str, PlainValidator(checked(units.access_energy)), _text("energy", "6 pJ/element", "0.1 pJ/bit", "70 pJ")
]
EnergyText = Annotated[str, PlainValidator(checked(units.energy_pj)), _text("energy", "0.2 pJ")]
CycleEnergyText = Annotated[str, PlainValidator(checked(units.cycle_energy_pj)), _text("energy", "0.1 pJ/cycle")]
AreaText = Annotated[str, PlainValidator(checked(units.area_um2)), _text("area", "500 um^2", "0.2 mm^2")]
LengthText = Annotated[str, PlainValidator(checked(units.length_nm)), _text("length", "28 nm")]
TimeText = Annotated[str, PlainValidator(checked(units.time_s)), _text("time", "2 s")]
PowerText = Annotated[str, PlainValidator(checked(units.power_w)), _text("power", "10 mW")]


def key_text(path: Sequence[str | int], values: object) -> str:
    """A path as a user writes it: list entries by their name where they have one.

    >>> key_text(("memory", 0, "capacity"), {"memory": [{"name": "glb"}]})
    'memory.glb.capacity'
    """
    text = ""
    for part in path:
        values = _child(values, part)
        if isinstance(part, int):
            name = values.get("name") if isinstance(values, Mapping) else None
            text += f".{brief(name)}" if isinstance(name, str) and name else f"[{part}]"
        else:
            part = brief(part)
            plain = part.replace("-", "").replace("_", "").isalnum()
            text += f".{part}" if plain else f'."{printable(part)}"'
    return text.lstrip(".")


def _child(values: object, part: str | int) -> object:
    if isinstance(values, Mapping):
        return values.get(part)
    if isinstance(values, list | tuple) and isinstance(part, int) and part < len(values):
        return values[part]
    return None


def validation_problems(
    error: ValidationError, model: type[Options], values: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, Problem]]:
    """Each error of a failed validation with its path in `values`, as a problem without place."""
    for details in error.errors(include_url=False):
        path = _existing(details, values)
        message, hint = _words(details, model, path)
        yield path, Problem(key=key_text(path, values), message=message, hint=hint)


def _existing(details: ErrorDetails, values: object) -> KeyPath:
    """The error's path without what pydantic adds (tags of unions, keys of a short form written as one value)."""
    path: list[str | int] = []
    for part in details["loc"]:
        if not isinstance(values, Mapping | list | tuple) or part == "[key]":
            break
        path.append(part)
        values = _child(values, part)
    return tuple(path)


def _words(details: ErrorDetails, model: type[Options], path: KeyPath) -> tuple[str, str | None]:
    """Message and hint for one of pydantic's errors."""
    context = details.get("ctx", {})
    got = f"(got {spelled(details['input'])})"
    match details["type"]:
        case "archsim":
            return context["message"], context["hint"] or None
        case "extra_forbidden":
            return _unknown_key(model, path)
        case "missing":
            return "is missing", None
        case "greater_than_equal":
            return f"must be at least {context['ge']:g} {got}", None
        case "greater_than":
            return f"must be above {context['gt']:g} {got}", None
        case "less_than_equal":
            return f"must be at most {context['le']:.15g} {got}", None
        case "string_too_short":
            return "must not be empty", None
        case "too_short" if context["min_length"] == 1:
            return "must not be empty", None
        case "finite_number":
            return f"must be finite {got}", None
        case "literal_error":
            return _not_a_choice(details, model, path)
        case kind:
            return f"must be {_TYPES.get(kind, 'of another type')} {got}", None


_TYPES = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _not_a_choice(details: ErrorDetails, model: type[Options], path: KeyPath) -> tuple[str, str | None]:
    expected = details.get("ctx", {}).get("expected", "")
    choices = [choice.strip(" '") for choice in expected.replace(" or ", ", ").split(",")]
    got = details["input"]
    near = nearest(got, choices) if isinstance(got, str) else None
    message = f"must be one of {', '.join(choices)} (got {spelled(got)})"
    return message, f"did you mean '{near}'?" if near else None


def _unknown_key(model: type[Options], path: KeyPath) -> tuple[str, str | None]:
    owner = model_at(model, path[:-1]) or model
    key = str(path[-1])
    if key in owner.reserved:
        return "is reserved and not available yet", None
    known = [field.alias or name for name, field in owner.model_fields.items()]
    near = nearest(key, known)
    return "unknown key", f"did you mean '{near}'?" if near else f"known keys: {listed(known)}"


def model_at(model: type[Options], path: KeyPath) -> type[Options] | None:
    """The options model that reads the table at `path`; None when no model does."""
    owner: type[Options] | None = model
    for part in path:
        if owner is None:
            return None
        if isinstance(part, str) and (field := _field(owner, part)) is not None:
            owner = _nested(field)
    return owner


def _field(model: type[Options], key: str) -> Any:
    for name, field in model.model_fields.items():
        if key in (name, field.alias):
            return field.annotation
    return None


def _nested(annotation: Any) -> type[Options] | None:
    if isinstance(annotation, type) and issubclass(annotation, Options):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _nested(inner)) is not None), None)
