"""What is known of a tensor while a graph is walked: its shape, where it comes from, how it is stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archsim.arch.formats import Format
from archsim.workloads.onnx.tensors import Array


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Value:
    """A tensor as the walk knows it. `shape` is None where a dimension is not known, and `why` says what decides it."""

    element_type: int = 0
    shape: tuple[int, ...] | None = None
    constant: bool = False
    """Whether it is the same for every input of the network."""
    data: Array | None = None
    """Its values, where they are known and few."""
    after: tuple[str, ...] = ()
    """Ops whose results it is made of."""
    maker: str | None = None
    """The op whose result it is, unchanged but for its layout, when nothing else reads that result."""
    format: Format | None = None
    """How it is stored, where the graph says so."""
    stored: Mapping[str, int] = field(default_factory=dict)
    """Elements of the stored tensors that a constant is made of, by their name."""
    cache: bool = False
    """Whether it holds keys or values of earlier tokens."""
    why: str = ""

    @property
    def elements(self) -> int:
        return 0 if self.shape is None else math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Element type and shape of a node's output as inferred; None where a dimension is not known."""

    element_type: int = 0
    shape: tuple[int, ...] | None = None
    why: str = ""


class UnsupportedError(Exception):
    """A node that cannot be imported, with the reason. It is listed; the import goes on."""


class MisfitError(UnsupportedError):
    """A node whose inputs its operator does not take: the file is wrong."""


class EmptyError(UnsupportedError):
    """A node whose result has no elements: there is nothing to do."""


def with_format(value: Value, format: Format | None) -> Value:
    """The tensor as stored in `format`."""
    return replace(value, format=format)
