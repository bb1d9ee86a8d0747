"""From the bytes of an ONNX file to a `Model`: everything that can be wrong with a file is found here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    SparseTensorProto,
    TensorProto,
    TensorShapeProto,
    TypeProto,
    ValueInfoProto,
)

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief, listed, printable, size_text
from archsim.workloads.onnx.graph import Attribute, Declared, Graph, Model, Node
from archsim.workloads.onnx.names import Names
from archsim.workloads.onnx.tensors import Tensor, read_tensor

LARGEST_FILE = 2**31 - 1
"""Bytes of a protobuf message at most; larger models keep their weights in files beside them."""
DEEPEST = 32
"""Graphs within graphs at most."""
PROBLEM_LIMIT = 50
ONNX_DOMAINS = ("", "ai.onnx")

_POSITIVE = (
    "strides",
    "dilations",
    "kernel_shape",
    "group",
    "blocksize",
    "num_outputs",
    "num_heads",
    "hidden_size",
    "kv_num_heads",
    "q_num_heads",
    "kv_num_heads",
    "num_scan_inputs",
    "num_groups",
    "N",
    "K",
    "bits",
)
"""Attributes that sizes are divided by, or that are sizes."""


def read_model(path: str | os.PathLike[str]) -> Model:
    """The model in a file, with its local functions written out. No tensor's values are read.

    Raises InputError with what is wrong: no such file, no ONNX, truncated, tensors whose sizes do not fit their
    bytes, external data outside the model's folder, tensors that no node makes, graphs that run in a circle.
    """
    file = Path(path)
    proto = _parsed(file)
    if not all(isinstance(name, str) for name in _model_texts(proto)):
        raise InputError(Problem(file=str(file), message="is damaged: it has names that are not UTF-8"))
    if proto.functions:
        proto = _inlined(proto, file)
    versions = {_domain(entry.domain): entry.version for entry in proto.opset_import}
    reading = _Reading(folder=file.parent, versions=versions)
    graph = reading.graph(proto.graph, outer=frozenset(), depth=0)
    if not graph.nodes and not reading.problems:
        reading.problems.append(Problem(message="has no nodes: is it an ONNX model?"))
    if reading.problems:
        raise InputError(_placed(reading.problems, str(file)))
    producer = " ".join(part for part in (proto.producer_name, proto.producer_version) if part)
    name = Path(file.name).stem
    return Model(name=name, graph=graph, opset=versions.get("", 0), producer=plain_text(producer), versions=versions)


def _model_texts(proto: ModelProto) -> Iterator[object]:
    yield from (proto.producer_name, proto.producer_version)
    yield from (entry.domain for entry in proto.opset_import)
    yield from _texts(proto.graph)
    for function in proto.functions:
        yield from (function.name, function.domain, *function.input, *function.output, *function.attribute)
        yield from _texts(GraphProto(node=function.node))


def _texts(graph: GraphProto, depth: int = 0) -> Iterator[object]:
    """Every name of a graph; protobuf gives bytes for those that are no text."""
    yield graph.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            yield from _tensor_texts(attribute.t)
            if attribute.type == AttributeProto.GRAPH and depth <= DEEPEST:
                yield from _texts(attribute.g, depth + 1)
    for tensor in graph.initializer:
        yield from _tensor_texts(tensor)
    yield from (entry.values.name for entry in graph.sparse_initializer)
    for info in (*graph.input, *graph.output, *graph.value_info):
        yield info.name
        yield from (dim.dim_param for dim in info.type.tensor_type.shape.dim)


def _tensor_texts(tensor: TensorProto) -> Iterator[object]:
    yield tensor.name
    for entry in tensor.external_data:
        yield from (entry.key, entry.value)


def plain_text(text: str) -> str:
    """Text of a file on one line, cut at 80 characters."""
    return brief(printable(text)).strip()


def _placed(problems: list[Problem], file: str) -> list[Problem]:
    more = len(problems) - PROBLEM_LIMIT
    shown = problems[:PROBLEM_LIMIT]
    if more > 0:
        shown.append(Problem(message=f"and {more} more problems"))
    return [
        Problem(file=file, line=problem.line, key=problem.key, message=problem.message, hint=problem.hint)
        for problem in shown
    ]


def _parsed(file: Path) -> ModelProto:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            message = f"is larger than an ONNX file can be ({size_text(size)})"
            raise InputError(Problem(file=str(file), message=message, hint="keep the weights as external data"))
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(file=str(file), message="no such file")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file's name"
        raise InputError(Problem(file=str(file), message=f"cannot be read: {reason}")) from None
    try:
        model: ModelProto = ModelProto.FromString(content)
    except (DecodeError, UnicodeDecodeError, ValueError):
        message = f"is not an ONNX model, or is cut short ({size_text(len(content))})"
        raise InputError(Problem(file=str(file), message=message)) from None
    return model


def _inlined(proto: ModelProto, file: Path) -> ModelProto:
    """The model with its local functions written out where they are called."""
    from onnx import inliner

    _check_functions(proto, file)
    try:
        return inliner.inline_local_functions(proto)
    except (RuntimeError, ValueError) as error:
        message = f"has functions that cannot be written out: {plain_text(str(error))}"
        raise InputError(Problem(file=str(file), message=message)) from None


INLINED_LIMIT = 1_000_000
"""Nodes after writing out functions at most: functions that call functions twice each grow without bound."""


def _check_functions(proto: ModelProto, file: Path) -> None:
    """Refuse functions that call themselves or grow beyond all bounds when written out."""
    bodies = {(function.domain, function.name): function.node for function in proto.functions}
    sizes: dict[tuple[str, str], int] = {}
    open_calls: set[tuple[str, str]] = set()

    def size(nodes: Iterable[NodeProto]) -> int:
        return sum(call_size((node.domain, node.op_type)) for node in _nested(nodes))

    def call_size(key: tuple[str, str]) -> int:
        if key not in bodies:
            return 1
        if key in open_calls or len(open_calls) > DEEPEST:
            raise InputError(Problem(file=str(file), message=f"function {brief(printable(key[1]))!r} calls itself"))
        if key not in sizes:
            open_calls.add(key)
            sizes[key] = size(bodies[key])
            open_calls.discard(key)
        return sizes[key]

    total = size(proto.graph.node)
    if total > INLINED_LIMIT:
        message = f"has functions that grow to {float(total):.3g} nodes (at most {INLINED_LIMIT})"
        raise InputError(Problem(file=str(file), message=message))


def _nested(nodes: Iterable[NodeProto]) -> Iterable[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from _nested(attribute.g.node)


def _domain(domain: str) -> str:
    return "" if domain in ONNX_DOMAINS else domain


@dataclass(slots=True)
class _Reading:
    """The names given and the problems found so far."""

    folder: Path
    versions: Mapping[str, int]
    names: Names = field(default_factory=Names)
    problems: list[Problem] = field(default_factory=list)

    def graph(self, proto: GraphProto, outer: frozenset[str], depth: int) -> Graph:
        """One graph with those inside it; `outer` are the tensors of the graphs around it."""
        if depth > DEEPEST:
            self.problems.append(Problem(message=f"has graphs within graphs more than {DEEPEST} deep"))
            return Graph(name="", nodes=(), tensors={})
        tensors = {tensor.name: tensor for entry in proto.initializer if (tensor := self.tensor(entry))}
        sparse = {
            name: found
            for entry in proto.sparse_initializer
            if (found := self.sparse(entry))
            for name in (entry.values.name,)
        }
        stored = {entry.name for entry in proto.initializer} | {entry.values.name for entry in proto.sparse_initializer}
        inputs = tuple(_declared(info) for info in proto.input if info.name not in stored or depth)
        known = outer | stored | {entry.name for entry in inputs}
        order = self.ordered(proto.node, known)
        made = frozenset(known | {name for node in proto.node for name in node.output if name})
        nodes = tuple(self.node(node, made, depth) for node in order)
        outputs = tuple(_declared(info) for info in proto.output)
        self.problems += [
            Problem(key=f"output {brief(printable(entry.name))!r}", message="is made by no node")
            for entry in outputs
            if entry.name not in made
        ]
        declared = {entry.name: entry for entry in (*map(_declared, proto.value_info), *outputs)}
        return Graph(
            name=plain_text(proto.name),
            nodes=nodes,
            tensors=tensors,
            sparse=sparse,
            inputs=inputs,
            outputs=outputs,
            declared=declared,
        )

    def tensor(self, proto: object) -> Tensor | None:
        tensor, problems = read_tensor(proto, self.folder)  # type: ignore[arg-type]
        self.problems += problems
        return tensor

    def sparse(self, proto: SparseTensorProto) -> tuple[Tensor, Tensor, tuple[int, ...]] | None:
        values, indices = self.tensor(proto.values), self.tensor(proto.indices)
        return (values, indices, tuple(proto.dims)) if values and indices else None

    def node(self, proto: NodeProto, made: frozenset[str], depth: int) -> Node:
        domain = _domain(proto.domain)
        op = f"{domain}:{proto.op_type}" if domain else proto.op_type
        outputs = tuple(proto.output)
        wanted = proto.name or next((name for name in outputs if name), "") or proto.op_type
        name = self.names.unique(wanted, op)
        attributes = {entry.name: self.attribute(entry, made, depth) for entry in proto.attribute}
        for key in _POSITIVE:
            value = attributes.get(key)
            sizes = value if isinstance(value, tuple) else (value,)
            if any(isinstance(size, int) and size < 1 for size in sizes):
                message = f"must be at least 1 (got {list(sizes) if isinstance(value, tuple) else value})"
                self.problems.append(Problem(key=f"node {brief(name)!r}: {key}", message=message))
        return Node(
            name=name,
            op=op,
            inputs=tuple(proto.input),
            outputs=outputs,
            attributes=attributes,
            proto=proto,
            version=self.versions.get(domain, 1),
        )

    def attribute(self, proto: AttributeProto, made: frozenset[str], depth: int) -> Attribute:
        match proto.type:
            case AttributeProto.INT:
                return proto.i
            case AttributeProto.FLOAT:
                return proto.f
            case AttributeProto.STRING:
                return proto.s.decode("utf-8", "replace")
            case AttributeProto.INTS:
                return tuple(proto.ints)
            case AttributeProto.FLOATS:
                return tuple(proto.floats)
            case AttributeProto.STRINGS:
                return tuple(text.decode("utf-8", "replace") for text in proto.strings)
            case AttributeProto.TENSOR:
                return self.tensor(proto.t)
            case AttributeProto.GRAPH:
                return self.graph(proto.g, made, depth + 1)
            case _:
                return None

    def ordered(self, protos: Iterable[NodeProto], known: frozenset[str] | set[str]) -> list[NodeProto]:
        """The nodes such that each stands behind those it reads; unknown tensors and circles are problems."""
        nodes = list(protos)
        makers: dict[str, int] = {}
        for index, node in enumerate(nodes):
            for output in filter(None, node.output):
                if output in makers:
                    message = f"is made by two nodes ({node.op_type} is the second)"
                    self.problems.append(Problem(key=f"tensor {brief(printable(output))!r}", message=message))
                makers[output] = index
        waits: list[set[int]] = []
        for node in nodes:
            reads = _reads(node)
            for name in sorted(reads - makers.keys() - known):
                message = f"reads {brief(printable(name))!r}, which nothing makes"
                self.problems.append(
                    Problem(key=f"node {brief(printable(node.name or node.op_type))!r}", message=message)
                )
            waits.append({makers[name] for name in reads if name in makers})
        order = _topological(waits)
        if len(order) < len(nodes):
            stuck = sorted(set(range(len(nodes))) - set(order))
            some = listed(brief(printable(nodes[index].name or nodes[index].output[0])) for index in stuck[:5])
            self.problems.append(Problem(message=f"runs in a circle: {len(stuck)} nodes wait for each other ({some})"))
            return []
        return [nodes[index] for index in order]


def _topological(waits: list[set[int]]) -> list[int]:
    """Indices such that each stands behind those it waits for, else in the file's order; circles are left out."""
    import heapq

    readers: list[list[int]] = [[] for _ in waits]
    left = [len(sources) for sources in waits]
    for index, sources in enumerate(waits):
        for source in sources:
            readers[source].append(index)
    ready = [index for index, count in enumerate(left) if count == 0]
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            left[reader] -= 1
            if left[reader] == 0:
                heapq.heappush(ready, reader)
    return order


def _reads(node: NodeProto, depth: int = 0) -> set[str]:
    """Tensors a node reads, with those that its subgraphs take from outside."""
    reads = set(filter(None, node.input))
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH and depth <= DEEPEST:
            graph = attribute.g
            own = {entry.name for entry in graph.initializer} | {entry.name for entry in graph.input}
            own |= {entry.values.name for entry in graph.sparse_initializer}
            own |= {name for inner in graph.node for name in inner.output}
            for inner in graph.node:
                reads |= _reads(inner, depth + 1) - own
            reads |= {entry.name for entry in graph.output} - own
    return reads


def _declared(info: ValueInfoProto) -> Declared:
    kind: TypeProto = info.type
    if not kind.HasField("tensor_type"):
        return Declared(name=info.name, element_type=0, dims=None)
    tensor = kind.tensor_type
    dims = tuple(_dim(dim) for dim in tensor.shape.dim) if tensor.HasField("shape") else None
    return Declared(name=info.name, element_type=tensor.elem_type, dims=dims)


def _dim(dim: TensorShapeProto.Dimension) -> int | str | None:
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        return int(dim.dim_value)
    return None if dim.dim_param in ("", "?") else str(dim.dim_param)
