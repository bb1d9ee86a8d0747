"""Typed access to the keys of a config.json that collects what is missing or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from archsim.core.errors import Problem, unknown_name

LARGEST_SIZE = 2**31 - 1
LARGEST_LAYERS = 10_000
"""Every layer becomes about fifteen ops: a bound against files that would fill the memory."""

_ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        "gelu": "gelu",
        "gelu_fast": "gelu",
        "gelu_new": "gelu",
        "gelu_pytorch_tanh": "gelu",
        "quick_gelu": "gelu",
        "relu": "relu",
        "silu": "silu",
        "swish": "silu",
        "tanh": "tanh",
    }
)


@dataclass(slots=True)
class Fields:
    """The keys of one file. A wrong one leaves a problem and gives a harmless value, so that all are found at once."""

    table: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def problem(self, key: str, message: str) -> None:
        self.problems.append(Problem(key=key, message=message))

    def placed(self, file: str) -> list[Problem]:
        return [replace(problem, file=file) for problem in self.problems]

    def integer(self, key: str, default: int | None = None, *, largest: int = LARGEST_SIZE) -> int:
        """A size; absent or null gives the default, or is a problem where there is none."""
        value = self.table.get(key)
        if value is None:
            value = default
        if value is None:
            self.problem(key, "is missing")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.problem(key, f"must be an integer (got {value!r})")
        elif not 1 <= value <= largest:
            self.problem(key, f"must be from 1 to {largest} (got {value})")
        else:
            return value
        return 1

    def optional_integer(self, key: str, default: int) -> int | None:
        """A size that null switches off; absent gives the default."""
        return None if key in self.table and self.table[key] is None else self.integer(key, default)

    def layers(self, key: str) -> int:
        return self.integer(key, largest=LARGEST_LAYERS)

    def boolean(self, key: str, default: bool) -> bool:
        value = self.table.get(key, default)
        if isinstance(value, bool):
            return value
        self.problem(key, f"must be true or false (got {value!r})")
        return default

    def activation(self, key: str, default: str) -> str:
        value = self.table.get(key, default)
        if isinstance(value, str) and value in _ACTIVATIONS:
            return _ACTIVATIONS[value]
        self.problems.append(unknown_name("activation", str(value), _ACTIVATIONS, key=key))
        return _ACTIVATIONS[default]

    def head_dim(self, key: str | None, hidden: int, heads: int) -> int:
        """The width of one head: given under `key`, else an equal share of the hidden size."""
        if key is not None and self.table.get(key) is not None:
            return self.integer(key)
        if hidden % heads and not self.problems:
            self.problem("num_attention_heads", f"must divide the hidden size {hidden} (got {heads})")
        return max(1, hidden // heads)

    def count(self, key: str) -> int:
        """How many entries an object has; 0 where the key is absent."""
        value = self.table.get(key, {})
        if isinstance(value, dict):
            return len(value)
        self.problem(key, f"must be an object (got {type(value).__name__})")
        return 0

    def check_heads(self, heads: int, kv_heads: int) -> None:
        if heads % kv_heads and not self.problems:
            self.problem("num_key_value_heads", f"must divide num_attention_heads {heads} (got {kv_heads})")
