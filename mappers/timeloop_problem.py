"""The `problem` of a Timeloop file as an op: which data space is which operand, and which dimension which letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archsim.core.errors import nearest
from archsim.core.spelling import listed, spelled
from archsim.mappers.yaml_nodes import YamlTable
from archsim.workloads.op import Op

_CALLED = {
    "inputs": ("a", "input", "inputs", "ifmap", "ifmaps", "activations"),
    "weights": ("b", "weight", "weights", "filter", "filters"),
}
LARGEST = 10**9

Term = tuple[str, str]
"""Dimension and the name of its coefficient, "" for 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeloopProblem:
    """An op with the file's names for its parts."""

    op: Op
    dims: Mapping[str, str]
    """The file's dimensions, as the op's letters."""
    sizes: Mapping[str, int]
    """Sizes of the file's dimensions."""
    spaces: Mapping[str, str]
    """The file's data spaces, as operands."""


@dataclass(frozen=True, slots=True)
class _Space:
    name: str
    axes: tuple[tuple[Term, ...], ...]
    written: bool

    @property
    def dims(self) -> frozenset[str]:
        return frozenset(dim for axis in self.axes for dim, _ in axis)


def read_problem(problem: YamlTable, name: str) -> TimeloopProblem:
    """The op of a problem; one that is neither a GEMM nor a convolution is refused with the reason.

    Raises:
        InputError: something is missing, misspelled or of another shape.
    """
    shape = problem.table("shape") if isinstance(problem.get("shape"), dict) else problem
    dimensions = shape.names("dimensions")
    if not dimensions:
        raise shape.error("dimensions", "must list the problem's dimensions")
    key = "data-spaces" if shape.get("data-spaces") is not None else "data_spaces"
    spaces = [_space(item, dimensions) for item in shape.tables(key)]
    instance = problem.table("instance")
    sizes = {dim: instance.whole(dim, most=LARGEST) for dim in dimensions}
    by_operand = _operands(shape, key, spaces)
    coefficients = _coefficients(shape, instance, spaces)
    letters = _letters(shape, key, dimensions, by_operand)
    op = _op(shape, key, name, letters, sizes, by_operand, coefficients)
    return TimeloopProblem(
        op=op, dims=letters, sizes=sizes, spaces={space.name: operand for operand, space in by_operand.items()}
    )


def _space(item: YamlTable, dimensions: list[str]) -> _Space:
    projection = item.need("projection")
    axes = projection if isinstance(projection, list) else None
    read = None if axes is None else tuple(_axis(axis) for axis in axes)
    if read is None or any(axis is None for axis in read):
        raise item.error("projection", "must be a list of sums, such as [[[M]], [[K]]]")
    found = tuple(axis for axis in read if axis is not None)
    for dim in (dim for axis in found for dim, _ in axis):
        if dim not in dimensions:
            near = nearest(dim, dimensions)
            hint = f"did you mean '{near}'?" if near else f"dimensions: {listed(dimensions)}"
            raise item.error("projection", f"unknown dimension {spelled(dim)}", hint)
    written = item.get("read-write") is True or item.get("read_write") is True
    return _Space(name=item.text("name"), axes=found, written=written)


def _axis(axis: Any) -> tuple[Term, ...] | None:
    """One index as its terms: ``[[R, Wdilation], [P, Wstride]]``; None when it is written otherwise."""
    if not isinstance(axis, list):
        return None
    terms: list[Term] = []
    for term in axis:
        if not isinstance(term, list) or not 1 <= len(term) <= 2 or not all(isinstance(part, str) for part in term):
            return None
        terms.append((term[0], term[1] if len(term) == 2 else ""))
    return tuple(terms) if terms else None


def _operands(shape: YamlTable, key: str, spaces: list[_Space]) -> dict[str, _Space]:
    """Which space is which operand: the one that is written is the outputs; names decide on the others, else order."""
    written = [space for space in spaces if space.written]
    read = [space for space in spaces if not space.written]
    if len(written) != 1 or len(read) != 2:
        message = f"must be two read spaces and one read-write space (got {len(read)} and {len(written)})"
        raise shape.error(key, message)
    called = {operand: [space for space in read if space.name.lower() in names] for operand, names in _CALLED.items()}
    swapped = called["weights"] == [read[0]] or called["inputs"] == [read[1]]
    inputs, weights = (read[1], read[0]) if swapped else (read[0], read[1])
    return {"inputs": inputs, "weights": weights, "outputs": written[0]}


def _coefficients(shape: YamlTable, instance: YamlTable, spaces: list[_Space]) -> dict[str, int]:
    """Values of the named coefficients: the instance's, else the shape's default, else 1."""
    defaults: dict[str, int] = {}
    if shape.get("coefficients") is not None:
        for item in shape.tables("coefficients"):
            defaults[item.text("name")] = item.whole("default", default=1)
    named = {name for space in spaces for axis in space.axes for _, name in axis if name}
    return {name: instance.whole(name, default=defaults.get(name, 1)) for name in sorted(named)} | {"": 1}


def _letters(shape: YamlTable, key: str, dimensions: list[str], spaces: Mapping[str, _Space]) -> dict[str, str]:
    """The op's letter for each dimension, from the spaces it indexes."""
    windows = [axis for axis in spaces["inputs"].axes if len(axis) > 1]
    if any(len(axis) > 1 for name in ("weights", "outputs") for axis in spaces[name].axes):
        raise shape.error(key, "only the inputs may be indexed by a sum of dimensions")
    if len(windows) > 2 or any(len(axis) != 2 for axis in windows):
        raise shape.error(key, "inputs may slide along two axes, each over two dimensions")
    letters: dict[str, str] = {}
    for (out, kernel), axis in zip((("p", "r"), ("q", "s")), windows, strict=False):
        for dim, _ in axis:
            slides = dim in spaces["outputs"].dims
            if dim in letters or slides == (dim in spaces["weights"].dims):
                raise shape.error(
                    key, f"an input's window must move with outputs and span weights (see {spelled(dim)})"
                )
            letters[dim] = out if slides else kernel
    for dim in dimensions:
        if dim not in letters:
            letters[dim] = _letter(shape, key, dim, spaces, conv=bool(windows))
    if len(set(letters.values())) < len(letters):
        raise shape.error(key, f"is neither a GEMM nor a convolution ({_spelled_letters(letters)})")
    return letters


def _letter(shape: YamlTable, key: str, dim: str, spaces: Mapping[str, _Space], *, conv: bool) -> str:
    where = tuple(dim in spaces[name].dims for name in ("inputs", "weights", "outputs"))
    match where:
        case (True, True, True):
            return "g" if conv else "b"
        case (True, False, True):
            return "n" if conv else "m"
        case (False, True, True):
            return "k" if conv else "n"
        case (True, True, False):
            return "c" if conv else "k"
        case _:
            raise shape.error(key, f"dimension {spelled(dim)} must index two data spaces or all three")


def _spelled_letters(letters: Mapping[str, str]) -> str:
    return ", ".join(f"{dim} as {letter}" for dim, letter in letters.items())


def _op(
    shape: YamlTable,
    key: str,
    name: str,
    letters: Mapping[str, str],
    sizes: Mapping[str, int],
    spaces: Mapping[str, _Space],
    coefficients: Mapping[str, int],
) -> Op:
    size = {letter: sizes[dim] for dim, letter in letters.items()}
    windows = [axis for axis in spaces["inputs"].axes if len(axis) > 1]
    if not windows:
        if any(coefficients[name] != 1 for space in spaces.values() for axis in space.axes for _, name in axis):
            raise shape.error(key, "a coefficient beside a single dimension skips elements, which no GEMM does")
        return Op.gemm(name, m=size.get("m", 1), n=size.get("n", 1), k=size.get("k", 1), b=size.get("b", 1))
    steps = {letters[dim]: coefficients[name] for axis in windows for dim, name in axis}
    groups = size.get("g", 1)
    try:
        return Op.conv(
            name,
            n=size.get("n", 1),
            k=size.get("k", 1) * groups,
            c=size.get("c", 1) * groups,
            p=size.get("p", 1),
            q=size.get("q", 1),
            r=size.get("r", 1),
            s=size.get("s", 1),
            stride_h=steps.get("p", 1),
            stride_w=steps.get("q", 1),
            dilation_h=steps.get("r", 1),
            dilation_w=steps.get("s", 1),
            groups=groups,
        )
    except ValueError as error:
        raise shape.error(key, str(error)) from None
