"""ZigZag workload YAML as a trace: one op a layer, from its equation.

Products become GEMMs and convolutions, pooling and element-wise layers vector operations. Operand precisions, which
are bits without a kind, become integers. An operand that comes from its own layer is constant: a parameter.
Source: ZigZag 3.9.1, its workload format and example networks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import spelled
from archsim.workloads.loop_nest import Nest, nest_op
from archsim.workloads.op import AnyOp, Axis, Op, Role, Term, VectorOp
from archsim.workloads.table_columns import LARGEST
from archsim.workloads.table_graph import Node, graph_problems
from archsim.workloads.table_rows import cached_format
from archsim.workloads.table_trace import distinct_parameters, raise_all
from archsim.workloads.trace import Trace
from archsim.workloads.yaml_document import KeyPath, YamlDocument

_OPERAND = r"(\w+)((?:\s*\[\s*\w+\s*\])+)"
_EQUATION = re.compile(rf"\s*{_OPERAND}\s*\+?=\s*{_OPERAND}\s*(?:([*+])\s*{_OPERAND}\s*)?")
_INDEX = re.compile(r"\[\s*(\w+)\s*\]")
_RELATION = re.compile(r"\s*(\w+)\s*=\s*([\w*+\s]+?)\s*")
_TERM = re.compile(r"\s*(?:(\d{1,9})\s*\*\s*)?([A-Za-z_]\w*)\s*")
_WEIGHTS = ("W", "B")
_INPUTS = ("I", "A")
_POOLING = "pool"
_REQUIRED = ("id", "equation", "loop_dims", "loop_sizes")
_KNOWN = (
    *_REQUIRED,
    "name",
    "operator_type",
    "dimension_relations",
    "operand_precision",
    "operand_source",
    "constant_operands",
)
_MOST_BITS = 64


def is_workload(values: object) -> bool:
    """Whether a YAML document is a list of ZigZag layers."""
    return isinstance(values, list) and any(
        isinstance(layer, dict) and not layer.keys().isdisjoint(("equation", "loop_dims", "loop_dim_size"))
        for layer in values
    )


def zigzag_trace(document: YamlDocument) -> Trace:
    """The trace of a list of layers, in its order. Raises InputError with every problem and its line."""
    problems: list[Problem] = []
    layers: list[_Layer] = []
    for index, values in enumerate(document.values):
        layer = _Layer(document=document, path=(index,), values=values if isinstance(values, dict) else {})
        layer.read()
        layers.append(layer)
    names = {layer.identity: layer.name for layer in layers}
    ops: list[AnyOp] = []
    nodes = []
    for layer in layers:
        op = None if layer.problems else layer.op(names)
        if op is not None:
            ops.append(op)
            nodes.append(Node(name=op.name, after=op.after or (), line=document.line(layer.path) or 0))
        problems += layer.problems
    problems += graph_problems(nodes) if not problems else []
    raise_all(problems, document.file)
    ignored = dict.fromkeys(key for layer in layers for key in layer.ignored)
    source = "ZigZag workload (precisions read as integers)" + (f"; ignored: {', '.join(ignored)}" if ignored else "")
    return Trace(name=document.file.stem, ops=tuple(ops), parameters=distinct_parameters(ops), source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operand:
    name: str
    axes: tuple[Axis, ...]


@dataclass(slots=True, kw_only=True)
class _Layer:
    """One layer being read: its parts as they are found, and what is wrong with them."""

    document: YamlDocument
    path: KeyPath
    values: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    outputs: _Operand = _Operand(name="O", axes=())
    operands: tuple[_Operand, ...] = ()
    sign: str = ""

    @property
    def identity(self) -> object:
        return self.values.get("id")

    @property
    def name(self) -> str:
        stated = self.values.get("name")
        if isinstance(stated, str) and stated.strip() and stated.isprintable() and ";" not in stated:
            return stated.strip()
        return f"{self.kind}_{self.identity}"

    @property
    def kind(self) -> str:
        kind = self.values.get("operator_type")
        return kind.strip() if isinstance(kind, str) and kind.isprintable() and ";" not in kind else "layer"

    def wrong(self, keys: tuple[str | int, ...], message: str, hint: str | None = None) -> None:
        self.problems.append(self.document.problem((*self.path, *keys), message, hint))

    def read(self) -> None:
        """Sizes and operands; problems are noted."""
        missing = [key for key in _REQUIRED if key not in self.values]
        if "loop_dim_size" in self.values:
            missing = [key for key in missing if not key.startswith("loop_")]
        if missing:
            return self.wrong((), f"a layer needs {', '.join(missing)}")
        if type(self.identity) is not int or self.identity < 0:
            self.wrong(("id",), f"must be an integer, at least 0 (got {spelled(self.identity)})")
        self.ignored = [key for key in map(str, self.values) if key not in _KNOWN and key != "loop_dim_size"]
        self._read_sizes()
        relations = self._relations()
        if not self.problems:
            self._read_equation(relations)
        return None

    def _read_sizes(self) -> None:
        table = self.values.get("loop_dim_size")
        dims, sizes = self.values.get("loop_dims"), self.values.get("loop_sizes")
        if isinstance(table, dict):
            dims, sizes = list(table), list(table.values())
        if not isinstance(dims, list) or not isinstance(sizes, list) or len(dims) != len(sizes):
            return self.wrong(("loop_sizes",), f"must have one size for each of loop_dims (got {spelled(sizes)})")
        for index, (dim, size) in enumerate(zip(dims, sizes, strict=True)):
            if type(size) is not int or not 1 <= size <= LARGEST:
                self.wrong(
                    ("loop_sizes", index), f"{spelled(dim)} must be an integer, at least 1 (got {spelled(size)})"
                )
            elif not isinstance(dim, str) or dim.upper() in self.sizes:
                self.wrong(("loop_dims", index), f"must be a name that stands once (got {spelled(dim)})")
            else:
                self.sizes[dim.upper()] = size
        return None

    def _relations(self) -> dict[str, Axis]:
        """Indices that are sums of loops, such as ix=2*ox+1*fx."""
        stated = self.values.get("dimension_relations") or []
        relations: dict[str, Axis] = {}
        for index, text in enumerate(stated if isinstance(stated, list) else [stated]):
            match = _RELATION.fullmatch(text) if isinstance(text, str) and len(text) < 200 else None
            terms = [_TERM.fullmatch(part) for part in match[2].split("+")] if match else [None]
            axis = tuple(Term(term[2].upper(), int(term[1] or 1)) for term in terms if term)
            if match is None or len(axis) < len(terms) or any(term.coefficient < 1 for term in axis):
                self.wrong(("dimension_relations", index), f"must read as ix=2*ox+1*fx (got {spelled(text)})")
            elif unknown := [term.dim for term in axis if term.dim not in self.sizes]:
                self._unknown_loop(("dimension_relations", index), unknown[0])
            else:
                relations[match[1].upper()] = axis
        return relations

    def _unknown_loop(self, keys: tuple[str | int, ...], name: str) -> None:
        problem = unknown_name("loop", name, self.sizes)
        self.wrong(keys, problem.message, problem.hint)

    def _read_equation(self, relations: Mapping[str, Axis]) -> None:
        text = self.values["equation"]
        match = _EQUATION.fullmatch(text) if isinstance(text, str) and len(text) < 1000 else None
        if match is None:
            hint = "a product or sum of two operands: O[b][k]+=W[k][c]*I[b][c]"
            return self.wrong(("equation",), f"cannot be read (got {spelled(text)})", hint)
        self.outputs = self._operand(match[1], match[2], relations)
        first = self._operand(match[3], match[4], relations)
        self.sign = match[5] or ""
        self.operands = (first, self._operand(match[6], match[7], relations)) if self.sign else (first,)
        return None

    def _operand(self, name: str, indices: str, relations: Mapping[str, Axis]) -> _Operand:
        axes = []
        for index in _INDEX.findall(indices):
            axis = relations.get(index.upper(), (Term(index.upper()),))
            if axis == (Term(index.upper()),) and index.upper() not in self.sizes:
                self._unknown_loop(("equation",), index)
            axes.append(axis)
        return _Operand(name=name, axes=tuple(axes))

    def op(self, names: Mapping[object, str]) -> AnyOp | None:
        """The layer's op; None with problems noted."""
        pooling = _POOLING in self.kind.lower() or any(not self._bits(item.name, 1) for item in self.operands)
        if self.sign == "*" and not pooling:
            return self._product(names)
        return self._vector("pool" if pooling else "elementwise", names)

    def _product(self, names: Mapping[object, str]) -> Op | None:
        inputs, weights = self._inputs_and_weights()
        role = Role.PARAMETER if self._is_constant(weights) else Role.ACTIVATION
        nest = Nest(
            name=self.name,
            sizes=self.sizes,
            inputs=inputs.axes,
            weights=weights.axes,
            outputs=self.outputs.axes,
            weight_role=role,
            after=self._after(names),
        )
        op = nest_op(nest)
        if isinstance(op, list):
            self.problems += [replace(problem, line=self.document.line((*self.path, "equation"))) for problem in op]
            return None
        op = replace(
            op,
            inputs=replace(op.inputs, format=self._format(inputs.name)),
            weights=replace(op.weights, role=role, format=self._format(weights.name)),
            outputs=replace(op.outputs, format=self._output_format()),
        )
        return None if self.problems else op

    def _vector(self, kind: str, names: Mapping[object, str]) -> VectorOp | None:
        """Pooling reads each input once and does one operation per element of a window; other layers one per input."""
        elements = _elements(self.outputs.axes, self.sizes)
        read = [item for item in self.operands if self._bits(item.name, 1)]
        looped = prod(self.sizes.values())
        reads = sum(_elements(item.axes, self.sizes) for item in read)
        if looped > LARGEST:
            self.wrong(("loop_sizes",), f"has more than {LARGEST} operations")
        op = VectorOp(
            name=self.name,
            kind="pool" if kind == "pool" else "elementwise",
            elements=elements,
            reads_per_element=reads / elements,
            operations_per_element=looped / elements,
            after=self._after(names),
            format=self._output_format(),
            input_format=self._format(read[0].name) if read else None,
        )
        return None if self.problems else op

    def _inputs_and_weights(self) -> tuple[_Operand, _Operand]:
        """By name; else a constant is the weights; else in the order of the equation."""
        first, second = self.operands
        in_order = first.name.upper() in _INPUTS or second.name.upper() in _WEIGHTS
        named = first.name.upper() in _WEIGHTS or second.name.upper() in _INPUTS
        constant = self._is_constant(first) and not self._is_constant(second)
        return (second, first) if named or (constant and not in_order) else (first, second)

    def _is_constant(self, operand: _Operand) -> bool:
        sources = self.values.get("operand_source")
        constants = self.values.get("constant_operands")
        if isinstance(constants, list):
            return operand.name in constants
        return not isinstance(sources, dict) or sources.get(operand.name, self.identity) == self.identity

    def _after(self, names: Mapping[object, str]) -> tuple[str, ...]:
        """The layers that operands come from; its own id means a constant or the network's input."""
        stated = self.values.get("operand_source") or {}
        if not isinstance(stated, dict):
            self.wrong(("operand_source",), f"must be a table of operands and layers (got {spelled(stated)})")
            return ()
        found: dict[str, None] = {}
        for operand, source in stated.items():
            for layer in source if isinstance(source, list) else [source]:
                if not isinstance(layer, int) or layer not in names:
                    ids = ", ".join(str(key) for key in list(names)[:20])
                    message = f"names a layer that is not there: {spelled(layer)}"
                    self.wrong(("operand_source", str(operand)), message, f"known: {ids}")
                elif layer != self.identity:
                    found[names[layer]] = None
        return tuple(found)

    def _precisions(self) -> Mapping[str, Any]:
        stated = self.values.get("operand_precision")
        return stated if isinstance(stated, dict) else {}

    def _bits(self, name: str, default: int) -> int:
        bits = self._precisions().get(name, default)
        if type(bits) is int and 0 <= bits <= _MOST_BITS:
            return bits
        self.wrong(("operand_precision", name), f"must be 0 to {_MOST_BITS} bits (got {spelled(bits)})")
        return default

    def _format(self, name: str) -> Format | None:
        """The integer of an operand's bits; None where none are stated."""
        bits = self._bits(name, 0)
        if not bits:
            return None
        try:
            return cached_format(f"int{bits}")
        except InputError as error:
            self.wrong(("operand_precision", name), error.problems[0].message, error.problems[0].hint)
            return None

    def _output_format(self) -> Format | None:
        """The outputs as they are stored; partial sums are the accumulator's."""
        final = f"{self.outputs.name}_final"
        return self._format(final if final in self._precisions() else self.outputs.name)


def _elements(axes: tuple[Axis, ...], sizes: Mapping[str, int]) -> int:
    """Elements that indices span: a sum of loops as far as it reaches, but not more than there are combinations."""
    return prod(
        min(1 + sum(term.coefficient * (sizes[term.dim] - 1) for term in axis), prod(sizes[t.dim] for t in axis))
        for axis in axes
    )
