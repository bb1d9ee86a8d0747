"""The columns of a trace table: which exist, what they hold, and which kinds of op take them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from archsim.core.errors import Problem, nearest
from archsim.workloads.op import VECTOR_KINDS

Cell = str | int | float | bool
Cells = Mapping[str, Cell]

KINDS = ("gemm", "conv", "attention", *VECTOR_KINDS, "transfer")
PHASES = ("prefill", "decode", "forward", "training")
ROLES = ("parameter", "activation", "kv")
LARGEST = 2**63 - 1
"""Sizes are 64-bit integers past the border."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what its cells hold, the least value of a number, the choices of a word."""

    name: str
    holds: Literal["text", "integer", "number", "boolean"] = "integer"
    least: int = 1
    choices: tuple[str, ...] = ()


def _columns(*columns: Column) -> Mapping[str, Column]:
    return MappingProxyType({column.name: column for column in columns})


def _sizes(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name=name) for name in names)


COLUMNS = _columns(
    Column(name="name", holds="text"),
    Column(name="kind", holds="text", choices=KINDS),
    Column(name="count"),
    Column(name="phase", holds="text", choices=PHASES),
    *_sizes("b", "m", "n", "k", "c", "d", "p", "q", "t", "r", "s"),
    *_sizes("stride", "stride_d", "stride_h", "stride_w", "dilation_d", "dilation_h", "dilation_w", "groups"),
    *_sizes("heads", "kv_heads", "q_len", "kv_len", "head_dim", "window"),
    Column(name="causal", holds="boolean"),
    Column(name="elements"),
    Column(name="reads_per_element", holds="number", least=0),
    Column(name="writes_per_element", holds="number", least=0),
    Column(name="operations_per_element", holds="number", least=0),
    Column(name="bytes", least=0),
    Column(name="link", holds="text"),
    *(Column(name=name, holds="text", choices=ROLES) for name in ("weight_role", "input_role", "output_role")),
    *(Column(name=name, holds="text") for name in ("weights", "inputs", "outputs")),
    *(Column(name=name, holds="text") for name in ("weight_sparsity", "input_sparsity", "output_sparsity")),
    Column(name="stats", holds="text"),
    Column(name="after", holds="text"),
)
"""Every column, in the order they are written."""

_ANY = ("name", "kind", "count", "phase", "after")
_FORMATS = ("weights", "inputs", "outputs")
_PRODUCT = (
    *_FORMATS,
    "weight_role",
    "input_role",
    "output_role",
    "weight_sparsity",
    "input_sparsity",
    "output_sparsity",
    "stats",
)
_VECTOR = (
    "elements",
    "reads_per_element",
    "writes_per_element",
    "operations_per_element",
    "inputs",
    "outputs",
    "input_role",
)
_DEPTH = ("d", "t", "stride_d", "dilation_d")
_CONV_OPTIONS = (*_DEPTH, "n", "stride", "stride_h", "stride_w", "dilation_h", "dilation_w", "groups")

REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gemm": ("m", "n", "k"),
        "conv": ("k", "c", "p", "q", "r", "s"),
        "attention": ("heads", "q_len", "kv_len", "head_dim"),
        "transfer": ("bytes", "link"),
        **dict.fromkeys(VECTOR_KINDS, ("elements",)),
    }
)
_OPTIONAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gemm": ("b", *_PRODUCT),
        "conv": (*_CONV_OPTIONS, *_PRODUCT),
        "attention": ("b", "kv_heads", "causal", "window", *_FORMATS, "weight_role", "weight_sparsity"),
        "transfer": (),
        **dict.fromkeys(VECTOR_KINDS, _VECTOR),
    }
)
ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {kind: frozenset((*_ANY, *REQUIRED[kind], *_OPTIONAL[kind])) for kind in KINDS}
)
"""Columns that a row of each kind may fill."""


def parse_cell(column: Column, cell: Cell) -> Cell | Problem:
    """The value of a non-empty cell, or what is wrong with it (without its place)."""
    match column.holds:
        case "text":
            return _text(column, str(cell))
        case "integer":
            return _integer(column, cell)
        case "number":
            return _number(column, cell)
        case "boolean":
            return _boolean(column, cell)


def _text(column: Column, cell: str) -> Cell | Problem:
    if not cell.isprintable():
        return Problem(key=column.name, message=f"must be printable text on one line (got {cell!r})")
    if column.choices and cell not in column.choices:
        near = nearest(cell, column.choices)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(column.choices)}"
        return Problem(key=column.name, message=f"unknown {column.name} {cell!r}", hint=hint)
    return cell


def _integer(column: Column, cell: Cell) -> Cell | Problem:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = str(cell)
    digits = text.removeprefix("-").removeprefix("+")
    if isinstance(cell, bool) or not (digits.isascii() and digits.isdecimal()):
        return Problem(key=column.name, message=f"must be an integer (got {cell!r})")
    if len(digits) > len(str(LARGEST)) or int(text) > LARGEST:
        return Problem(key=column.name, message=f"must be at most {LARGEST} (got {text[:40]})")
    if int(text) < column.least:
        return Problem(key=column.name, message=f"must be at least {column.least} (got {text})")
    return int(text)


def _number(column: Column, cell: Cell) -> Cell | Problem:
    try:
        value = float(cell)
    except ValueError:
        return Problem(key=column.name, message=f"must be a number (got {cell!r})")
    if not column.least <= value < float("inf"):
        return Problem(key=column.name, message=f"must be a finite number, at least {column.least} (got {cell})")
    return value


def _boolean(column: Column, cell: Cell) -> Cell | Problem:
    spelled = str(cell).lower()
    if spelled in ("true", "1", "yes"):
        return True
    if spelled in ("false", "0", "no"):
        return False
    return Problem(key=column.name, message=f"must be true or false (got {cell!r})")
