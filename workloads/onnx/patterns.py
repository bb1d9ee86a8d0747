"""Functions that exporters write as several nodes: layer norm, RMS norm, GELU, SiLU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from archsim.workloads.onnx.graph import Graph, Node
from archsim.workloads.onnx.tensors import Tensor
from archsim.workloads.op import VectorKind


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Pattern:
    """Nodes that are one function of `source`; the last of them makes its result."""

    function: str
    """Its name in `vector_costs.toml`."""
    kind: VectorKind
    source: str
    nodes: tuple[Node, ...]

    @property
    def last(self) -> Node:
        return self.nodes[-1]


def find_patterns(graph: Graph) -> list[Pattern]:
    """The functions found in a graph, no node in two of them, no inner result read from elsewhere."""
    view = _View.of(graph)
    taken: set[Node] = set()
    found = []
    for node in graph.nodes:
        for pattern in _complete(view, node):
            if taken.isdisjoint(pattern.nodes) and view.closed(pattern):
                taken.update(pattern.nodes)
                found.append(pattern)
                break
    return found


def _complete(view: _View, node: Node) -> list[Pattern]:
    """The functions that a node may begin; none where a node around it lacks an input, which inference reports."""
    try:
        return list(_candidates(view, node))
    except IndexError:
        return []


def _candidates(view: _View, node: Node) -> Iterator[Pattern]:
    if node.op == "ReduceMean":
        yield from _layer_norm(view, node)
    elif node.op in ("Pow", "Mul"):
        yield from _rms_norm(view, node)
    elif node.op == "Erf":
        yield from _gelu(view, node)
    elif node.op in ("Sigmoid", "HardSigmoid"):
        yield from _silu(view, node)


@dataclass(slots=True, kw_only=True)
class _View:
    """Who makes and who reads each tensor of a graph."""

    graph: Graph
    makers: dict[str, Node] = field(default_factory=dict)
    readers: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    kept: set[str] = field(default_factory=set)
    """Tensors that subgraphs or the graph's outputs read."""

    @classmethod
    def of(cls, graph: Graph) -> _View:
        view = cls(graph=graph, kept={entry.name for entry in graph.outputs})
        for node in graph.nodes:
            view.makers |= dict.fromkeys(node.outputs, node)
            for name in set(node.inputs):
                view.readers[name].append(node)
            for inner in node.subgraphs:
                for below in inner.all_nodes():
                    view.kept.update(below.inputs)
                view.kept.update(entry.name for entry in inner.outputs)
        return view

    def closed(self, pattern: Pattern) -> bool:
        """Whether only the pattern's own nodes read its inner results."""
        inner = [name for node in pattern.nodes[:-1] for name in node.outputs]
        members = set(pattern.nodes)
        return all(name not in self.kept and members.issuperset(self.readers[name]) for name in inner)

    def next(self, node: Node, *ops: str) -> Node | None:
        """The only reader of a node's result, if it is one of these operators."""
        readers = self.readers[node.outputs[0]] if node.outputs else []
        return readers[0] if len(readers) == 1 and readers[0].op in ops else None

    def read_by(self, name: str, op: str) -> list[Node]:
        return [node for node in self.readers[name] if node.op == op]

    def scalar(self, name: str) -> float | None:
        """The value of a stored tensor of one element."""
        tensor = self.graph.tensors.get(name)
        maker = self.makers.get(name)
        if tensor is None and maker is not None and maker.op == "Constant":
            value = maker.attribute("value", maker.attribute("value_float"))
            if isinstance(value, float):
                return value
            tensor = value if isinstance(value, Tensor) else None
        if tensor is None or tensor.elements != 1:
            return None
        return float(tensor.array().reshape(-1)[0])

    def is_constant(self, name: str) -> bool:
        maker = self.makers.get(name)
        return name in self.graph.tensors or (maker is not None and maker.op == "Constant")

    def other(self, node: Node, name: str) -> str:
        """The other of a node's two inputs."""
        return node.inputs[1] if node.inputs[0] == name else node.inputs[0]


def _chain(view: _View, start: Node, steps: Sequence[tuple[str, ...]]) -> list[Node] | None:
    """The nodes behind `start`, each the only reader of the one before."""
    nodes: list[Node] = []
    node = start
    for ops in steps:
        following = view.next(node, *ops)
        if following is None:
            return None
        nodes.append(following)
        node = following
    return nodes


def _is_square(view: _View, node: Node, name: str) -> bool:
    if node.op == "Mul":
        return tuple(node.inputs) == (name, name)
    return node.inputs[0] == name and view.scalar(node.inputs[1]) == 2


def _affine(view: _View, node: Node, steps: tuple[str, ...]) -> list[Node]:
    """The products and sums with constants right behind a node, in this order, as far as they are there."""
    nodes: list[Node] = []
    for op in steps:
        following = view.next(node, op)
        if following is None or not view.is_constant(view.other(following, node.outputs[0])):
            break
        nodes.append(following)
        node = following
    return nodes


def _layer_norm(view: _View, mean: Node) -> Iterator[Pattern]:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps) * gain + bias. Source: Ba et al. 2016, eq. 4."""
    source = mean.inputs[0]
    centred = view.next(mean, "Sub")
    if centred is None or centred.inputs != (source, mean.outputs[0]):
        return
    middle = centred.outputs[0]
    for square in (node for node in view.readers[middle] if node.op in ("Pow", "Mul")):
        if not _is_square(view, square, middle):
            continue
        behind = _chain(view, square, (("ReduceMean",), ("Add",), ("Sqrt",), ("Div", "Reciprocal")))
        if behind is None:
            continue
        last = view.next(behind[-1], "Mul") if behind[-1].op == "Reciprocal" else behind[-1]
        if last is None or middle not in last.inputs:
            continue
        body = [*behind, last] if last is not behind[-1] else behind
        nodes = (mean, centred, square, *body, *_affine(view, last, ("Mul", "Add")))
        yield Pattern(function="layernorm", kind="norm", source=source, nodes=nodes)


def _rms_norm(view: _View, square: Node) -> Iterator[Pattern]:
    """x / sqrt(mean(x^2) + eps) * gain. Source: Zhang and Sennrich 2019, eq. 4."""
    source = square.inputs[0] if square.inputs else ""
    if not source or not _is_square(view, square, source):
        return
    behind = _chain(view, square, (("ReduceMean",), ("Add",), ("Sqrt",), ("Div", "Reciprocal")))
    if behind is None:
        return
    last = view.next(behind[-1], "Mul") if behind[-1].op == "Reciprocal" else behind[-1]
    if last is None or source not in last.inputs:
        return
    body = [*behind, last] if last is not behind[-1] else behind
    nodes = (square, *body, *_affine(view, last, ("Mul",)))
    yield Pattern(function="rmsnorm", kind="norm", source=source, nodes=nodes)


def _gelu(view: _View, erf: Node) -> Iterator[Pattern]:
    """x * (1 + erf(x / sqrt 2)) / 2, with the half on either side. Source: Hendrycks and Gimpel 2016, eq. 1."""
    scaled = view.makers.get(erf.inputs[0])
    if scaled is None or scaled.op not in ("Div", "Mul") or view.scalar(scaled.inputs[1]) is None:
        return
    source = scaled.inputs[0]
    behind = _chain(view, erf, (("Add",), ("Mul",)))
    if behind is None or view.scalar(view.other(behind[0], erf.outputs[0])) != 1:
        return
    factor = view.other(behind[1], behind[0].outputs[0])
    half = view.makers.get(factor)
    if factor == source:
        last = view.next(behind[1], "Mul", "Div")
        if last is not None and view.scalar(view.other(last, behind[1].outputs[0])) in (0.5, 2.0):
            yield Pattern(function="gelu", kind="elementwise", source=source, nodes=(scaled, erf, *behind, last))
    elif half is not None and half.op == "Mul" and source in half.inputs and _halves(view, half, source):
        yield Pattern(function="gelu", kind="elementwise", source=source, nodes=(scaled, erf, half, *behind))


def _halves(view: _View, node: Node, source: str) -> bool:
    return view.scalar(view.other(node, source)) == 0.5


def _silu(view: _View, gate: Node) -> Iterator[Pattern]:
    """x * sigmoid(x), and x * hard_sigmoid(x). Source: Elfwing et al. 2018; Howard et al. 2019."""
    source = gate.inputs[0]
    product = view.next(gate, "Mul")
    if product is not None and set(product.inputs) == {source, gate.outputs[0]}:
        yield Pattern(function="silu", kind="elementwise", source=source, nodes=(gate, product))
