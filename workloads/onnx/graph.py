"""An ONNX graph as nodes in the order they can run, with unique names; its protobuf stays behind.

Subgraphs (the branches of an If, the body of a Loop or Scan) are graphs of their own, which also see the tensors of the
graph around them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from onnx import NodeProto

from archsim.workloads.onnx.tensors import Tensor

Attribute = Any
"""An int, float, str, Tensor, Graph, or a tuple of ints, floats or strs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a graph declares of a tensor: a dimension is a size, a symbol's name, or None."""

    name: str
    element_type: int
    dims: tuple[int | str | None, ...] | None


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Node:
    """One node. `op` is its type, with the domain before it where that is not ONNX's own."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    proto: NodeProto
    version: int = 1
    """Version of its domain that the model asks for."""

    def attribute(self, name: str, default: Attribute = None) -> Attribute:
        return self.attributes.get(name, default)

    @property
    def subgraphs(self) -> Iterator[Graph]:
        return (value for value in self.attributes.values() if isinstance(value, Graph))


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Graph:
    """Nodes in the order they can run, stored tensors, inputs without stored values, and outputs."""

    name: str
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    sparse: Mapping[str, tuple[Tensor, Tensor, tuple[int, ...]]] = field(default_factory=dict)
    """Values, indices and shape of sparse stored tensors."""
    inputs: tuple[Declared, ...] = ()
    outputs: tuple[Declared, ...] = ()
    declared: Mapping[str, Declared] = field(default_factory=dict)
    """What the graph declares of tensors in between and of its outputs."""

    def all_nodes(self) -> Iterator[Node]:
        """Every node, those of subgraphs behind theirs."""
        for node in self.nodes:
            yield node
            for graph in node.subgraphs:
                yield from graph.all_nodes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A read model: its graph and what the file says of itself."""

    name: str
    graph: Graph
    opset: int
    producer: str
    versions: Mapping[str, int]
