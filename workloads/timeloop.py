"""Timeloop problem YAML (versions 3 and 4) as a trace of one op.

A problem is a shape (dimensions, coefficients, data spaces with their projections) and an instance (sizes). Files may
hold an architecture and a mapping beside it, which are passed over. Source: Timeloop 3.0.3 and 4, problem shapes and
the documentation of the problem specification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import spelled
from archsim.workloads.loop_nest import Nest, nest_op
from archsim.workloads.op import Axis, Op, Role, Term
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.table_columns import LARGEST
from archsim.workloads.table_trace import distinct_parameters, raise_all
from archsim.workloads.trace import Trace
from archsim.workloads.yaml_document import KeyPath, YamlDocument

_WEIGHTS = ("weights", "weight", "filters", "filter", "kernel", "w", "b")
_INPUTS = ("inputs", "input", "ifmap", "ifmaps", "activations", "i", "a")
_IDLE = ("version", "name", "shape", "densities", "instance", "data_densities", "commonDataDensities", "dimensions")
_CNN_SHAPES = ("cnn-layer", "cnn_layer", "cnnlayer")
"""The shape that Timeloop knows by name: `problem-shapes/cnn-layer.yaml`."""
_CNN: Mapping[str, Any] = {
    "name": "CNN_Layer",
    "dimensions": ["R", "S", "P", "Q", "C", "K", "N"],
    "coefficients": [{"name": name, "default": 1} for name in ("Wstride", "Hstride", "Wdilation", "Hdilation")],
    "data_spaces": [
        {"name": "Weights", "projection": [[["C"]], [["K"]], [["R"]], [["S"]]]},
        {
            "name": "Inputs",
            "projection": [
                [["N"]],
                [["C"]],
                [["R", "Wdilation"], ["P", "Wstride"]],
                [["S", "Hdilation"], ["Q", "Hstride"]],
            ],
        },
        {"name": "Outputs", "projection": [[["N"]], [["K"]], [["Q"]], [["P"]]], "read_write": True},
    ],
}


def is_problem(values: object) -> bool:
    """Whether a YAML document holds a Timeloop problem."""
    return isinstance(values, dict) and ("problem" in values or "shape" in values)


def timeloop_trace(document: YamlDocument) -> Trace:
    """The trace of a problem: one GEMM or convolution. Raises InputError with every problem and its line."""
    reader = _Reader(document=document)
    op = reader.op()
    raise_all(reader.problems, document.file)
    if op is None:
        raise InputError(Problem(file=str(document.file), message="holds no Timeloop problem"))
    source = "Timeloop problem" + (f"; ignored: {', '.join(reader.ignored)}" if reader.ignored else "")
    return Trace(name=document.file.stem, ops=(op,), parameters=distinct_parameters([op]), source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    name: str
    axes: tuple[Axis, ...]
    written: bool


@dataclass(slots=True, kw_only=True)
class _Reader:
    """One problem being read: what is wrong with it, and what was passed over."""

    document: YamlDocument
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def op(self) -> Op | None:
        values = self.document.values
        root: KeyPath = ("problem",) if "problem" in values else ()
        problem = values["problem"] if root else values
        if not isinstance(problem, dict):
            self.wrong(root, f"must be a table with shape and instance (got {spelled(problem)})")
            return None
        shape, path = self._shape(problem, root)
        if shape is None:
            return None
        dims = self._dimensions(shape, path)
        coefficients = self._coefficients(shape, path)
        place = (*root, "instance") if isinstance(problem.get("instance"), dict) else root
        instance = problem["instance"] if place != root else problem
        sizes = self._sizes(instance, place, dims, coefficients)
        spaces = self._spaces(shape, path, dims, coefficients | sizes)
        if self.problems:
            return None
        operands = self._operands(spaces, path)
        return None if operands is None else self._built(shape, dims, sizes, operands, instance, place)

    def wrong(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        self.problems.append(self.document.problem(path, message, hint))

    def _shape(self, problem: Mapping[str, Any], root: KeyPath) -> tuple[Mapping[str, Any] | None, KeyPath]:
        shape = problem.get("shape")
        if isinstance(shape, str) and shape.lower() in _CNN_SHAPES:
            return _CNN, (*root, "shape")
        if isinstance(shape, dict):
            return shape, (*root, "shape")
        hint = f"a table with dimensions and data_spaces, or {_CNN_SHAPES[0]}"
        self.wrong((*root, "shape"), f"must describe the loops (got {spelled(shape)})", hint)
        return None, root

    def _dimensions(self, shape: Mapping[str, Any], path: KeyPath) -> tuple[str, ...]:
        dims = shape.get("dimensions")
        if (
            isinstance(dims, list)
            and dims
            and all(isinstance(dim, str) for dim in dims)
            and len(set(dims)) == len(dims)
        ):
            return tuple(dims)
        self.wrong((*path, "dimensions"), f"must list the names of the loops, each once (got {spelled(dims)})")
        return ()

    def _coefficients(self, shape: Mapping[str, Any], path: KeyPath) -> dict[str, int]:
        """Coefficients with their defaults; 0 stands for one that the instance must state."""
        entries = shape.get("coefficients") or []
        found: dict[str, int] = {}
        for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            place = (*path, "coefficients", index)
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                self.wrong(place, f"must be a table with name and default (got {spelled(entry)})")
                continue
            default = entry.get("default", 0)
            found[entry["name"]] = self._size(default, (*place, "default")) if "default" in entry else 0
        return found

    def _sizes(
        self, instance: Mapping[str, Any], place: KeyPath, dims: Sequence[str], coefficients: dict[str, int]
    ) -> dict[str, int]:
        """Sizes of the loops and coefficients, as the instance states them over the defaults."""
        sizes = dict(coefficients)
        for key, value in instance.items():
            if key in dims or key in coefficients:
                sizes[key] = self._size(value, (*place, str(key)))
            elif str(key) not in _IDLE:
                known = unknown_name("dimension or coefficient", str(key), [*dims, *coefficients])
                self.wrong((*place, str(key)), known.message, known.hint)
        for name in (*dims, *coefficients):
            if name not in instance and not sizes.get(name):
                self.wrong(place, f"states no size of {name}", f"add {name} to the instance")
                sizes[name] = 1
        return sizes

    def _size(self, value: object, path: KeyPath) -> int:
        if type(value) is int and 1 <= value <= LARGEST:
            return value
        self.wrong(path, f"must be an integer from 1 to 2^63 - 1 (got {spelled(value)})")
        return 1

    def _spaces(
        self, shape: Mapping[str, Any], path: KeyPath, dims: Sequence[str], numbers: Mapping[str, int]
    ) -> list[_Space]:
        key = next((key for key in ("data_spaces", "data-spaces") if key in shape), "data_spaces")
        entries = shape.get(key)
        if not isinstance(entries, list) or len(entries) != 3:
            self.wrong((*path, key), f"must be three: two that are read, one that is written (got {spelled(entries)})")
            return []
        spaces = []
        for index, entry in enumerate(entries):
            place = (*path, key, index)
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                self.wrong(place, f"must be a table with name and projection (got {spelled(entry)})")
                continue
            axes = self._projection(entry.get("projection"), (*place, "projection"), dims, numbers)
            written = bool(entry.get("read_write", entry.get("read-write", False)))
            spaces.append(_Space(name=entry["name"], axes=axes, written=written))
        return spaces

    def _projection(
        self, value: object, path: KeyPath, dims: Sequence[str], numbers: Mapping[str, int]
    ) -> tuple[Axis, ...]:
        """Sums of products: a list of indices, each a list of terms, each a loop and its coefficients."""
        if not isinstance(value, list) or not all(isinstance(axis, list) and axis for axis in value):
            self.wrong(path, f"must be a list of lists such as [[[M]], [[K]]] (got {spelled(value)})")
            return ()
        axes = []
        for index, axis in enumerate(value):
            terms = axis if all(isinstance(term, list) for term in axis) else [axis]
            axes.append(tuple(self._term(term, (*path, index), dims, numbers) for term in terms))
        return tuple(axes)

    def _term(self, term: Sequence[object], path: KeyPath, dims: Sequence[str], numbers: Mapping[str, int]) -> Term:
        loops = [name for name in term if name in dims]
        factors = [name for name in term if name not in dims]
        unknown = [name for name in factors if not isinstance(name, str | int) or (name not in numbers and name != 1)]
        if len(loops) != 1 or unknown:
            known = ", ".join([*dims, *(name for name in numbers if name not in dims)])
            self.wrong(path, f"must be one loop and its coefficients (got {spelled(list(term))})", f"known: {known}")
            return Term(str(dims[0]) if dims else "")
        coefficient = 1
        for name in factors:
            coefficient *= numbers.get(str(name), 1)
        return Term(str(loops[0]), coefficient)

    def _operands(self, spaces: list[_Space], path: KeyPath) -> tuple[_Space, _Space, _Space] | None:
        """Inputs, weights and outputs: by what is written, then by name, then by sliding windows, then by order."""
        written = [space for space in spaces if space.written]
        if len(written) != 1:
            names = ", ".join(space.name for space in written) or "none"
            self.wrong((*path, "data_spaces"), f"one data space must be read_write (got {names})")
            return None
        first, second = (space for space in spaces if not space.written)
        in_order = first.name.lower() in _INPUTS or second.name.lower() in _WEIGHTS
        windowed = any(len(axis) > 1 for axis in second.axes) and all(len(axis) == 1 for axis in first.axes)
        named = first.name.lower() in _WEIGHTS or second.name.lower() in _INPUTS
        swapped = named or (windowed and not in_order)
        return (second, first, written[0]) if swapped else (first, second, written[0])

    def _built(
        self,
        shape: Mapping[str, Any],
        dims: Sequence[str],
        sizes: Mapping[str, int],
        operands: tuple[_Space, _Space, _Space],
        instance: Mapping[str, Any],
        place: KeyPath,
    ) -> Op | None:
        inputs, weights, outputs = operands
        name = shape.get("name")
        nest = Nest(
            name=name if isinstance(name, str) and name.isprintable() and name.strip() else self.document.file.stem,
            sizes={dim: sizes[dim] for dim in dims},
            inputs=inputs.axes,
            weights=weights.axes,
            outputs=outputs.axes,
            weight_role=Role.PARAMETER,
            after=(),
        )
        op = nest_op(replace(nest, name=nest.name.strip().replace(";", "_")))
        if isinstance(op, list):
            line = self.document.line(place)
            self.problems += [replace(problem, line=line) for problem in op]
            return None
        return self._with_densities(op, operands, instance, place)

    def _with_densities(
        self, op: Op, operands: tuple[_Space, _Space, _Space], instance: Mapping[str, Any], place: KeyPath
    ) -> Op:
        """Inputs and weights with the densities that the instance states."""
        key = next((key for key in ("densities", "data_densities", "commonDataDensities") if key in instance), None)
        densities = instance.get(key) if key else None
        if densities is None:
            return op
        if not isinstance(densities, dict):
            self.wrong((*place, str(key)), f"must be a table by data space (got {spelled(densities)})")
            return op
        inputs, weights, outputs = operands
        patterns = {}
        for name, value in densities.items():
            if name == outputs.name:
                self.ignored.append(f"density of {name}")
            elif name in (inputs.name, weights.name):
                patterns[name] = self._pattern(value, (*place, str(key), str(name)))
            else:
                known = unknown_name("data space", str(name), [space.name for space in operands])
                self.wrong((*place, str(key), str(name)), known.message, known.hint)
        return replace(
            op,
            inputs=replace(op.inputs, sparsity=patterns.get(inputs.name)),
            weights=replace(op.weights, sparsity=patterns.get(weights.name)),
        )

    def _pattern(self, value: object, path: KeyPath) -> str | None:
        """A density as a random pattern; other distributions keep their density, and are named as ignored."""
        if isinstance(value, dict):
            distribution = str(value.get("distribution", "fixed"))
            if distribution not in ("fixed", "hypergeometric", "fixed-structured", "fixed_structured"):
                self.wrong(
                    path, f"unknown distribution {spelled(distribution)}", "fixed, hypergeometric, fixed-structured"
                )
                return None
            if distribution.startswith("fixed") and distribution != "fixed":
                self.ignored.append(f"structure of {path[-1]}")
            value, path = value.get("density"), (*path, "density")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            self.wrong(path, f"must be a density above 0 and at most 1 (got {spelled(value)})")
            return None
        return None if value == 1 else parse_sparsity(f"random:{value:.12g}").text
