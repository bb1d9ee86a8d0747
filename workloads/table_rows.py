"""Rows of a trace table to ops and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

from archsim.arch.formats import Format
from archsim.arch.formats import format as parse_format
from archsim.core.errors import InputError, Problem
from archsim.workloads.op import OPERANDS, AnyOp, Op, Operand, OperandName, Phase, Role, Transfer, VectorKind, VectorOp
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.table_columns import ALLOWED, COLUMNS, LARGEST, REQUIRED, Cell, Cells, parse_cell
from archsim.workloads.vector_costs import vector_costs

NOTHING = ";"
"""The `after` cell of an op that waits for nothing; an empty cell means the op before it."""

_STEM = {"inputs": "input", "weights": "weight", "outputs": "output"}
_DEFAULT_ROLE = {"inputs": Role.ACTIVATION, "weights": Role.PARAMETER, "outputs": Role.ACTIVATION}
_COST_OF_KIND = {"softmax": "softmax", "norm": "layernorm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KvUse:
    """What an attention row says of the cache: elements per token and tokens it holds."""

    elements_per_token: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOps:
    """The ops one row stands for: three for attention, else one. The last makes the row's result."""

    ops: tuple[AnyOp, ...]
    kv: KvUse | None = None


class RowError(Exception):
    """Everything wrong with one row, without file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def row_ops(cells: Cells) -> RowOps:
    """The ops of one row; empty cells are absent from `cells`. Raises RowError with every problem of the row."""
    values, problems = _values(cells)
    kind = values.get("kind")
    problems += [Problem(key=column, message="is missing") for column in ("name", "kind") if not cells.get(column)]
    if isinstance(kind, str):
        problems += _column_problems(kind, cells)
    problems += _name_problems(values)
    if problems or not isinstance(kind, str):
        raise RowError(problems)
    row = _Row(values)
    match kind:
        case "gemm" | "conv":
            ops = RowOps(ops=(_product(row, kind),))
        case "attention":
            ops = _attention(row)
        case "transfer":
            ops = RowOps(ops=(_transfer(row),))
        case _:
            ops = RowOps(ops=(_vector(row, cast(VectorKind, kind)),))
    _check_magnitude(ops)
    return ops


def op_row(op: AnyOp) -> dict[str, Cell]:
    """The cells of an op, without those at their defaults.

    Raises InputError for an op that a table cannot hold: reading it back would not give the same op.
    """
    cells: dict[str, Cell] = {"name": op.name, "kind": "transfer" if isinstance(op, Transfer) else op.kind}
    cells |= {"count": op.count} if op.count != 1 else {}
    cells |= {"phase": op.phase} if op.phase != "forward" else {}
    match op:
        case Op():
            cells |= {dim: size for dim, size in op.dims.items() if not (dim in _UNIT_DEFAULT and size == 1)}
            for name in OPERANDS:
                cells |= _operand_cells(name, op.operand(name))
            cells |= {"stats": op.stats} if op.stats is not None else {}
        case VectorOp():
            cells |= _vector_cells(op)
        case Transfer():
            cells |= {"bytes": op.bytes, "link": op.link}
    if op.after is not None:
        cells["after"] = ";".join(op.after) or NOTHING
    _check_same(op, cells)
    return cells


_UNIT_DEFAULT = frozenset(("b", "stride_d", "stride_h", "stride_w", "dilation_d", "dilation_h", "dilation_w", "groups"))


@dataclass(frozen=True, slots=True)
class _Row:
    """Checked values of one row with their defaults."""

    values: dict[str, Cell]

    def integer(self, column: str, default: int = 1) -> int:
        return cast(int, self.values.get(column, default))

    def number(self, column: str, default: float) -> float:
        return cast(float, self.values.get(column, default))

    def text(self, column: str, default: str = "") -> str:
        return cast(str, self.values.get(column, default))

    def optional(self, column: str) -> str | None:
        return cast("str | None", self.values.get(column))

    def role(self, column: str, default: Role) -> Role:
        return Role(self.text(column, default))

    def format(self, column: str) -> Format | None:
        spelled = self.optional(column)
        return None if spelled is None else cached_format(spelled)

    @property
    def phase(self) -> Phase:
        return cast(Phase, self.text("phase", "forward"))

    @property
    def after(self) -> tuple[str, ...] | None:
        spelled = self.optional("after")
        return None if spelled is None else tuple(name for part in spelled.split(";") if (name := part.strip()))


@cache
def cached_format(spelled: str) -> Format:
    return parse_format(spelled)


def _values(cells: Cells) -> tuple[dict[str, Cell], list[Problem]]:
    """Parsed cells, and the problems of those that do not parse."""
    values: dict[str, Cell] = {}
    problems: list[Problem] = []
    for name, cell in cells.items():
        value = parse_cell(COLUMNS[name], cell)
        checked = value if isinstance(value, Problem) else _checked_word(name, value)
        if isinstance(checked, Problem):
            problems.append(checked)
        else:
            values[name] = checked
    return values, problems


def _checked_word(name: str, value: Cell) -> Cell | Problem:
    """Format and sparsity spellings must parse; the spelling is kept as it stands."""
    check: Callable[[str], object]
    if name in OPERANDS:
        check = cached_format
    elif name.endswith("_sparsity"):
        check = parse_sparsity
    else:
        return value
    try:
        check(str(value))
    except InputError as error:
        problem = error.problems[0]
        return Problem(key=name, message=problem.message, hint=problem.hint)
    return value


def _column_problems(kind: str, cells: Cells) -> list[Problem]:
    missing = [Problem(key=name, message=f"a {kind} needs it") for name in REQUIRED[kind] if name not in cells]
    extra = [
        Problem(key=name, message=f"a {kind} takes no {name} (got {cells[name]!r})")
        for name in cells
        if name not in ALLOWED[kind]
    ]
    both = "stride" in cells and any(axis in cells for axis in ("stride_d", "stride_h", "stride_w"))
    clash = [Problem(key="stride", message="stands for stride_h and stride_w: give it or them")] if both else []
    depth = [name for name in ("t", "stride_d", "dilation_d") if kind == "conv" and name in cells and "d" not in cells]
    shallow = [Problem(key=name, message="belongs to a 3-D conv: give its output depth d, too") for name in depth]
    return missing + extra + clash + shallow


def _name_problems(values: dict[str, Cell]) -> list[Problem]:
    problems = []
    if ";" in str(values.get("name", "")):
        problems.append(Problem(key="name", message=f"must not contain ';' (got {values['name']!r})"))
    groups, k, c = (values.get(name, 1) for name in ("groups", "k", "c"))
    if isinstance(groups, int) and isinstance(k, int) and isinstance(c, int) and (k % groups or c % groups):
        problems.append(Problem(key="groups", message=f"must divide k and c (got {groups}, k={k}, c={c})"))
    heads, kv_heads = values.get("heads", 1), values.get("kv_heads", values.get("heads", 1))
    if isinstance(heads, int) and isinstance(kv_heads, int) and heads % kv_heads:
        problems.append(Problem(key="kv_heads", message=f"must divide heads (got {kv_heads} and {heads})"))
    return problems


def _product(row: _Row, kind: str) -> Op:
    op = _gemm(row) if kind == "gemm" else _conv(row)
    return replace(
        op,
        inputs=_operand(row, "inputs", op.inputs),
        weights=_operand(row, "weights", op.weights),
        outputs=_operand(row, "outputs", op.outputs),
        stats=row.optional("stats"),
    )


def _gemm(row: _Row) -> Op:
    return Op.gemm(
        row.text("name"),
        b=row.integer("b"),
        m=row.integer("m"),
        n=row.integer("n"),
        k=row.integer("k"),
        count=row.integer("count"),
        phase=row.phase,
        after=row.after,
    )


def _conv(row: _Row) -> Op:
    both = row.integer("stride")
    sizes = {dim: row.integer(dim) for dim in ("n", "k", "c", "p", "q", "r", "s", "groups", "count")}
    strides = {axis: row.integer(axis, both) for axis in ("stride_h", "stride_w")}
    dilations = {axis: row.integer(axis) for axis in ("dilation_h", "dilation_w")}
    if "d" not in row.values:
        return Op.conv(row.text("name"), **sizes, **strides, **dilations, phase=row.phase, after=row.after)
    depth = {"d": row.integer("d"), "t": row.integer("t"), "stride_d": row.integer("stride_d", both)}
    dilations["dilation_d"] = row.integer("dilation_d")
    return Op.conv3d(row.text("name"), **sizes, **depth, **strides, **dilations, phase=row.phase, after=row.after)


def _operand(row: _Row, name: OperandName, operand: Operand) -> Operand:
    stem = _STEM[name]
    return replace(
        operand,
        role=row.role(f"{stem}_role", operand.role),
        format=row.format(name),
        sparsity=row.optional(f"{stem}_sparsity"),
    )


def _attention(row: _Row) -> RowOps:
    """Scores, softmax and mixing, named after the row.

    `causal` changes nothing: a mask hides products, it does not skip them. A window bounds the keys that all queries of
    the row touch together.
    """
    name, batch, heads, queries = row.text("name"), row.integer("b"), row.integer("heads"), row.integer("q_len")
    kv_heads, head_dim = row.integer("kv_heads", heads), row.integer("head_dim")
    keys = min(row.integer("kv_len"), row.integer("window", LARGEST) + queries - 1)
    role = row.role("weight_role", Role.KV)
    count, phase = row.integer("count"), row.phase
    groups, rows = batch * kv_heads, heads // kv_heads * queries
    qk = Op.gemm(f"{name}.qk", b=groups, m=rows, n=keys, k=head_dim, count=count, phase=phase, after=row.after)
    cost = vector_costs()["softmax"]
    softmax = VectorOp(
        name=f"{name}.softmax",
        kind="softmax",
        elements=batch * heads * queries * keys,
        reads_per_element=cost.reads,
        operations_per_element=cost.operations,
        count=count,
        phase=phase,
        after=(qk.name,),
    )
    after = (softmax.name,)
    av = Op.gemm(f"{name}.av", b=groups, m=rows, n=head_dim, k=keys, count=count, phase=phase, after=after)
    cache = Operand(axes=(), role=role, format=row.format("weights"), sparsity=row.optional("weight_sparsity"))
    ops = (
        replace(
            qk, weights=replace(cache, axes=qk.weights.axes), inputs=replace(qk.inputs, format=row.format("inputs"))
        ),
        softmax,
        replace(
            av, weights=replace(cache, axes=av.weights.axes), outputs=replace(av.outputs, format=row.format("outputs"))
        ),
    )
    if role is not Role.KV:
        return RowOps(ops=ops)
    return RowOps(ops=ops, kv=KvUse(elements_per_token=2 * kv_heads * head_dim * count, tokens=batch * keys))


def _vector(row: _Row, kind: VectorKind) -> VectorOp:
    cost = vector_costs()[_COST_OF_KIND[kind]] if kind in _COST_OF_KIND else None
    return VectorOp(
        name=row.text("name"),
        kind=kind,
        elements=row.integer("elements"),
        reads_per_element=row.number("reads_per_element", cost.reads if cost else 1.0),
        operations_per_element=row.number("operations_per_element", cost.operations if cost else 1.0),
        writes_per_element=row.number("writes_per_element", 1.0),
        count=row.integer("count"),
        phase=row.phase,
        after=row.after,
        format=row.format("outputs"),
        input_format=row.format("inputs"),
        role=row.role("input_role", Role.PARAMETER if kind == "gather" else Role.ACTIVATION),
    )


def _transfer(row: _Row) -> Transfer:
    return Transfer(
        name=row.text("name"),
        bytes=row.integer("bytes"),
        link=row.text("link"),
        count=row.integer("count"),
        phase=row.phase,
        after=row.after,
    )


def _check_magnitude(row: RowOps) -> None:
    total = max((op.macs * op.count for op in row.ops if isinstance(op, Op)), default=0)
    if total > LARGEST:
        raise RowError([Problem(message=f"has more than {LARGEST} multiply-accumulates ({total:.3g})")])


def _operand_cells(name: OperandName, operand: Operand) -> dict[str, Cell]:
    stem = _STEM[name]
    cells: dict[str, Cell] = {}
    if operand.role is not _DEFAULT_ROLE[name]:
        cells[f"{stem}_role"] = str(operand.role)
    if operand.format is not None:
        cells[name] = operand.format.name
    if operand.sparsity is not None:
        cells[f"{stem}_sparsity"] = operand.sparsity
    return cells


def _vector_cells(op: VectorOp) -> dict[str, Cell]:
    cells: dict[str, Cell] = {
        "elements": op.elements,
        "reads_per_element": float(op.reads_per_element),
        "operations_per_element": float(op.operations_per_element),
        "input_role": str(op.role),
    }
    if op.writes_per_element != 1:
        cells["writes_per_element"] = float(op.writes_per_element)
    if op.input_format is not None:
        cells["inputs"] = op.input_format.name
    if op.format is not None:
        cells["outputs"] = op.format.name
    return cells


def _check_same(op: AnyOp, cells: dict[str, Cell]) -> None:
    try:
        same = row_ops(cells).ops == (op,)
        why = "a table cannot hold all of it"
    except RowError as error:
        same, why = False, "; ".join(str(problem) for problem in error.problems)
    if not same or op.name != op.name.strip():
        raise InputError(Problem(message=f"op {op.name!r} cannot be written to a trace table: {why}"))
