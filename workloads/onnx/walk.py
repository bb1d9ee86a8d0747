"""The walk over a graph: every node in order, from known inputs to known results, ops on the way."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from onnx import TensorProto

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief
from archsim.workloads.onnx.account import Account, Fate
from archsim.workloads.onnx.contrib import CONTRIB
from archsim.workloads.onnx.control import CONTROL, run_control
from archsim.workloads.onnx.folding import fold
from archsim.workloads.onnx.graph import Graph, Node
from archsim.workloads.onnx.layers import LAYERS
from archsim.workloads.onnx.names import plain
from archsim.workloads.onnx.operators import free_operators, vector_rules
from archsim.workloads.onnx.patterns import Pattern, find_patterns
from archsim.workloads.onnx.products import PRODUCTS
from archsim.workloads.onnx.quantization import (
    DEQUANTIZE,
    DYNAMIC,
    STATING,
    conversion,
    dynamic,
    parameters,
    stated_format,
)
from archsim.workloads.onnx.shapes import infer, misfit
from archsim.workloads.onnx.site import Site, joined
from archsim.workloads.onnx.tensors import BITS, Array, Tensor
from archsim.workloads.onnx.values import EmptyError, Kind, MisfitError, UnsupportedError, Value
from archsim.workloads.onnx.vectors import pattern_op, vector_op
from archsim.workloads.op import AnyOp, Op, Phase, Role, VectorOp

RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
VIEWS = frozenset({"Slice", "Split", "Concat", "Expand"})
"""Free operators whose result is not the whole of their input, or more than it."""
AFFINE = frozenset({"Add", "Sub", "Mul", "Div", "BatchNormalization"})
"""Operators that join the product before them when their constant has a value for each output channel."""
NO_WEIGHTS = frozenset({TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING})
MALFORMED = (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError)
"""What a builder raises for attributes of another type than its operator's."""
LARGEST_TRACE = 1_000_000
"""Ops of one trace at most."""

Scope = MutableMapping[str, Value]


@dataclass(slots=True, kw_only=True)
class Walk:
    """The ops made so far, what became of each node, and what the trace as a whole needs."""

    symbols: Mapping[str, int]
    stated: Mapping[str, int]
    phase: Phase = "forward"
    deciders: tuple[str, ...] = ()
    """Integer inputs of the network that may decide a branch."""
    ops: dict[str, AnyOp] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    cached: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Elements for one token of one sequence, and tokens times sequences, of each grown cache."""

    def graph(self, graph: Graph, outer: Scope, inputs: Mapping[str, Value], count: int, top: bool = False) -> Scope:
        """Walk a graph that sees `outer`; its own tensors by name."""
        own = {name: stored_value(tensor) for name, tensor in graph.tensors.items()}
        own |= {name: sparse_value(name, *entry) for name, entry in graph.sparse.items()}
        own |= inputs
        level = _Level(graph=graph, scope=ChainMap(own, outer), count=count, top=top)
        for node in graph.nodes:
            self._step(level, node)
            if len(self.ops) > LARGEST_TRACE:
                raise InputError(Problem(message=f"becomes more than {LARGEST_TRACE} ops"))
        return level.scope

    def _step(self, level: _Level, node: Node) -> None:
        pattern = level.patterns.get(node)
        if pattern is not None and node is not pattern.last:
            self.note(node, Fate.IMPORTED, (pattern.last.name,))
            return
        inputs = tuple(level.scope.get(name) for name in node.inputs)
        if node.op in CONTROL:  # pyright takes this class and the linked package's for two
            results = run_control(self, level.scope, node, inputs, level.count)  # pyright: ignore[reportArgumentType]
        elif pattern is not None:
            results = self._pattern(level, node, pattern)
        else:
            results = self._plain(level, node, inputs)
        level.scope |= {name: value for name, value in zip(node.outputs, results, strict=False) if name}

    def _pattern(self, level: _Level, node: Node, pattern: Pattern) -> list[Value]:
        source = level.scope[pattern.source]
        site = Site(node=node, inputs=(source,), outputs=(), phase=self.phase, count=level.count)
        kind = Kind(element_type=source.element_type, shape=source.shape, why=source.why)
        try:
            op = pattern_op(site, pattern)
        except UnsupportedError as error:
            return self._unsupported(level, site, [kind], error)
        for member in pattern.nodes:
            self.count_parameters(member, tuple(level.scope.get(name) for name in member.inputs))
        return self._emit(level, replace(site, outputs=(kind,)), [op])

    def _plain(self, level: _Level, node: Node, inputs: tuple[Value | None, ...]) -> list[Value]:
        kinds = tuple(infer(node, inputs, level.graph.declared, self.symbols, self.stated))
        site = Site(node=node, inputs=inputs, outputs=kinds, phase=self.phase, count=level.count)
        constant = all(value is None or value.constant for value in inputs) and node.op not in RANDOM
        data = fold(node, inputs, kinds)
        known = ":" not in node.op or node.op in CONTRIB
        if (constant and known) or (data and all(entry is not None for entry in data)):
            return self._fold(site, data)
        try:
            if node.op in STATING:
                return self._quantization(level, site)
            if node.op in free_operators():
                return self._free(level, site)
            if self._joins(level, site):
                return self._join(level, site)
            ops = self._built(site)
        except MisfitError as error:
            raise misfit(node, inputs, str(error)) from None
        except UnsupportedError as error:
            return self._unsupported(level, site, kinds, error)
        except MALFORMED as error:
            text = f"its attributes or inputs are not those of the operator ({plain(str(error))})"
            return self._unsupported(level, site, kinds, UnsupportedError(text))
        self.count_parameters(node, inputs)
        return self._emit(level, site, ops) if ops else self._free(level, site)

    def _built(self, site: Site) -> list[AnyOp]:
        op = site.node.op
        if op in PRODUCTS:
            return PRODUCTS[op](site)
        if op in LAYERS:
            return LAYERS[op](site)
        if op == DYNAMIC:
            return [dynamic(site)]
        if op in vector_rules():
            return [vector_op(site)]
        raise UnsupportedError("the operator is not known")

    def _fold(self, site: Site, data: Sequence[Array | None]) -> list[Value]:
        """Constants: quantized ones get their format, others their values where they are few."""
        node = site.node
        format = None
        if node.op in STATING:
            try:
                format = stated_format(site)
            except UnsupportedError as error:
                return self._unsupported(None, site, site.outputs, error, constant=True)
        stored = _stored_in(site)
        if node.op not in STATING and site.inputs and node.op in free_operators() | {"Cast"}:
            format = next((value.format for value in site.inputs if value is not None), None)
        self.note(node, Fate.FORMAT if node.op in STATING else Fate.FOLDED)
        return [
            Value(
                element_type=kind.element_type, shape=kind.shape if found is None else found.shape,
                constant=True, data=found, format=format, stored=stored, why=kind.why,
            )
            for kind, found in zip(site.outputs, data, strict=True)
        ]  # fmt: skip

    def _free(self, level: _Level, site: Site) -> list[Value]:
        """Views: their results come from the same ops, in the same format."""
        node = site.node
        moving = [value for value in site.inputs if value is not None and not value.constant]
        formats = {value.format for value in moving}
        first = moving[0] if moving else Value()
        whole = node.op not in VIEWS and len(moving) == 1 and level.reads[node.inputs[0]] == 1
        cache = any(value.cache for value in moving)
        if node.op == "Concat" and cache:
            self._note_cache(site)
        self.note(node, Fate.FREE)
        return [
            Value(
                element_type=kind.element_type or first.element_type, shape=kind.shape, after=joined(site.inputs),
                maker=first.maker if whole else None, format=first.format if len(formats) == 1 else None, cache=cache,
                why=kind.why,
            )
            for kind in site.outputs
        ]  # fmt: skip

    def _note_cache(self, site: Site) -> None:
        """A cache of earlier tokens that the newest join along one axis."""
        shape = site.outputs[0].shape
        if shape is None or len(shape) < 3 or 0 in shape:
            return
        axis = site.node.attribute("axis", 0) % len(shape)
        tokens = shape[0] * shape[axis] if axis else shape[axis]
        elements = 1
        for size in shape:
            elements *= size
        self.cached[site.node.name] = (elements // tokens, tokens)

    def _quantization(self, level: _Level, site: Site) -> list[Value]:
        """A format stated for what the op before makes, or for what the ops behind read; else work of its own."""
        node, data = site.node, site.value(0)
        stated = stated_format(site)
        kind = site.outputs[0]
        if node.op in DEQUANTIZE:
            if level.top and node.outputs[0] in level.results:
                return self._emit(level, site, [conversion(site, None)])
            self.note(node, Fate.FORMAT)
            format = data.format or stated
            return [replace(data, element_type=kind.element_type, shape=kind.shape, format=format, data=None)]
        if data.maker is not None and level.reads[node.inputs[0]] == 1 and self._set_output(data.maker, stated):
            self.note(node, Fate.FORMAT, (data.maker,))
            return [replace(data, element_type=kind.element_type, shape=kind.shape, format=stated, data=None)]
        if stated is not None and data.format == stated:
            self.note(node, Fate.FORMAT)
            return [replace(data, element_type=kind.element_type, shape=kind.shape, data=None)]
        return self._emit(level, site, [conversion(site, stated)], format=stated)

    def _set_output(self, name: str, format: Format | None) -> bool:
        """Give the result of an op a format; False where it has another one."""
        op = self.ops[name]
        if format is None:
            return False
        if isinstance(op, Op):
            if op.outputs.format not in (None, format):
                return False
            self.ops[name] = replace(op, outputs=replace(op.outputs, format=format))
        elif isinstance(op, VectorOp):
            if op.format not in (None, format):
                return False
            self.ops[name] = replace(op, format=format)
        return True

    def _joins(self, level: _Level, site: Site) -> bool:
        """Whether a node is a bias, a scale or a batch norm that joins the weights of the product before it."""
        if site.node.op not in AFFINE or len(site.node.outputs) != 1 or len(site.inputs) < 2:
            return False
        moving = [index for index, value in enumerate(site.inputs) if value is not None and not value.constant]
        if len(moving) != 1 or (site.node.op == "Div" and moving[0] != 0):
            return False
        data, other = site.inputs[moving[0]], site.inputs[1 - moving[0] if moving[0] < 2 else 1]
        if data is None or other is None or data.maker is None or level.reads[site.node.inputs[moving[0]]] != 1:
            return False
        op = self.ops[data.maker]
        if not isinstance(op, Op) or op.weights.role is not Role.PARAMETER or op.outputs.format is not None:
            return False
        channels = op.dims["n"] if op.kind == "gemm" else op.dims["k"]
        return other.elements == channels and (channels > 1 or site.node.op == "BatchNormalization")

    def _join(self, level: _Level, site: Site) -> list[Value]:
        data = next(value for value in site.inputs if value is not None and not value.constant)
        assert data.maker is not None
        self.count_parameters(site.node, site.inputs)
        self.note(site.node, Fate.FOLDED, (data.maker,))
        return [replace(data, shape=site.outputs[0].shape, element_type=site.outputs[0].element_type)]

    def _emit(self, level: _Level, site: Site, ops: list[AnyOp], format: Format | None = None) -> list[Value]:
        """Keep the ops of a node; its results are the last one's."""
        for op in ops:
            self.ops[op.name] = op
        last = ops[-1]
        self.note(site.node, Fate.IMPORTED, tuple(op.name for op in ops))
        single = sum(level.reads[name] > 0 for name in site.node.outputs if name) == 1
        made = format or (last.outputs.format if isinstance(last, Op) else getattr(last, "format", None))
        return [
            Value(
                element_type=kind.element_type, shape=kind.shape, after=(last.name,),
                maker=last.name if single else None, format=made if index == 0 else None, why=kind.why,
            )
            for index, kind in enumerate(site.outputs)
        ]  # fmt: skip

    def _unsupported(
        self, level: _Level | None, site: Site, kinds: Sequence[Kind], error: UnsupportedError, constant: bool = False
    ) -> list[Value]:
        """List a node, or set it free where it has nothing to do; what reads its results reads those before it."""
        empty = isinstance(error, EmptyError)
        self.note(site.node, Fate.FREE if empty else Fate.LISTED, why="" if empty else str(error))
        return [
            Value(
                element_type=kind.element_type, shape=kind.shape, after=site.after, constant=constant,
                why=kind.why or f"{brief(site.node.name)} ({site.node.op}) is not imported",
            )
            for kind in kinds
        ]  # fmt: skip

    def count_parameters(self, node: Node, inputs: tuple[Value | None, ...]) -> None:
        self.parameters |= parameters(node, inputs)

    def note(self, node: Node, fate: Fate, ops: tuple[str, ...] = (), why: str = "") -> None:
        self.accounts[node.name] = Account(node=node.name, operator=node.op, fate=fate, ops=ops, why=why)


@dataclass(slots=True, kw_only=True)
class _Level:
    """The graph being walked: its tensors, who reads them how often, its patterns."""

    graph: Graph
    scope: ChainMap[str, Value]
    count: int
    top: bool
    reads: Counter[str] = field(default_factory=Counter)
    results: frozenset[str] = frozenset()
    patterns: dict[Node, Pattern] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.results = frozenset(entry.name for entry in self.graph.outputs)
        self.reads.update(name for node in self.graph.nodes for name in node.inputs)
        self.reads.update(self.results)
        for node in self.graph.nodes:
            for inner in node.subgraphs:
                self.reads.update(name for below in inner.all_nodes() for name in below.inputs)
                self.reads.update(entry.name for entry in inner.outputs)
        self.patterns = {node: pattern for pattern in find_patterns(self.graph) for node in pattern.nodes}


def stored_value(tensor: Tensor) -> Value:
    """A stored tensor as the walk knows it, with its values where they are few."""
    from archsim.workloads.onnx.folding import KEPT

    few = tensor.elements <= KEPT and tensor.element_type in BITS
    weights = tensor.element_type not in NO_WEIGHTS and tensor.elements > 1
    return Value(
        element_type=tensor.element_type,
        shape=tensor.shape,
        constant=True,
        data=tensor.array() if few else None,
        stored={tensor.name: tensor.elements} if weights else {},
    )


def sparse_value(name: str, values: Tensor, indices: Tensor, shape: tuple[int, ...]) -> Value:
    """A sparse stored tensor; all its elements count."""
    value = Value(element_type=values.element_type, shape=shape, constant=True)
    return replace(value, stored={name: value.elements})


def _stored_in(site: Site) -> dict[str, int]:
    """The stored tensors that a constant is made of; constants that a node holds count by its name."""
    node = site.node
    if node.op in ("Constant", "ConstantOfShape"):
        kind = site.outputs[0]
        elements = Value(shape=kind.shape).elements
        return {node.name: elements} if kind.element_type not in NO_WEIGHTS and elements > 1 else {}
    return parameters(node, site.inputs)
