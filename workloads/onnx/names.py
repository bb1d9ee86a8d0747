"""Names of nodes as a trace takes them: kept where possible, printable, unique with those of their parts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LONGEST = 240

PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ConvTranspose": ("overlap",),
        "DeformConv": ("sample",),
        "LSTM": ("input", "recurrent", "cell"),
        "GRU": ("input", "recurrent", "cell"),
        "RNN": ("input", "recurrent", "cell"),
        "Attention": ("qk", "softmax", "av"),
        "com.microsoft:Attention": ("qkv", "qk", "softmax", "av"),
        "com.microsoft:QAttention": ("qkv", "qk", "softmax", "av"),
        "com.microsoft:MultiHeadAttention": ("qk", "softmax", "av"),
        "com.microsoft:GroupQueryAttention": ("rope", "qk", "softmax", "av"),
        "com.microsoft:DynamicQuantizeMatMul": ("quantize",),
    }
)
"""Ops that one node becomes, behind its name and a point; other nodes become one op of their own name."""


def part(name: str, suffix: str) -> str:
    """The name of one of a node's several ops."""
    return f"{name}.{suffix}"


def plain(name: str) -> str:
    """The name without what a trace's table cannot hold: controls, ``;``, spaces at its ends, more than 240 letters.

    >>> plain(" a;b ")
    'a_b'
    """
    kept = "".join("_" if letter == ";" or not letter.isprintable() else letter for letter in name)
    return kept.strip().lstrip("#")[:LONGEST]


class Names:
    """Hands out names that no other node and no part of another node has."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def unique(self, wanted: str, op: str) -> str:
        """`wanted`, or with a number behind it where it is taken, with the names of the op's parts reserved."""
        wanted = plain(wanted) or plain(op) or "node"
        name = wanted
        while self._collides(name, op):
            self._next[wanted] = self._next.get(wanted, 1) + 1
            name = f"{wanted}.{self._next[wanted]}"
        self._taken |= {name, *self._parts(name, op)}
        return name

    def _collides(self, name: str, op: str) -> bool:
        return not self._taken.isdisjoint((name, *self._parts(name, op)))

    @staticmethod
    def _parts(name: str, op: str) -> tuple[str, ...]:
        parts = PARTS.get(op, ())
        return tuple(part(name, suffix) for suffix in parts)
