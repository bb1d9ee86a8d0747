"""Typed access to the keys of a config.json that collects what is missing or wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
        "relu2": "relu2",
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

    def layers(self, key: str, default: int | None = None) -> int:
        return self.integer(key, default, largest=LARGEST_LAYERS)

    def first(self, *keys: str) -> str:
        """The first of several names of one key that the file has; the first name where it has none."""
        return next((key for key in keys if self.table.get(key) is not None), keys[0])

    def switch(self, key: str, default: bool) -> bool:
        """Whether a key that holds a positive number or null is a number."""
        value = self.table.get(key, 1.0 if default else None)
        if value is None:
            return False
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            self.problem(key, f"must be a positive number or null (got {value!r})")
        return True

    def fraction(self, key: str, default: float) -> float:
        """A number above 0 and at most 1."""
        value = self.table.get(key, default)
        if not isinstance(value, bool) and isinstance(value, int | float) and 0 < value <= 1:
            return float(value)
        self.problem(key, f"must be above 0 and at most 1 (got {value!r})")
        return default

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of several words."""
        value = self.table.get(key, default)
        if isinstance(value, str) and value in allowed:
            return value
        self.problems.append(unknown_name(key, str(value), allowed, key=key))
        return default

    def words(self, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
        """A list of words; empty where it is absent or null."""
        value = self.table.get(key)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(word, str) and word in allowed for word in value):
            return tuple(value)
        self.problem(key, f"must be a list of {' and '.join(allowed)}")
        return ()

    def no_list(self, key: str, message: str) -> None:
        """A list that must be absent, null or empty."""
        if self.table.get(key):
            self.problem(key, message)

    def at_most(self, key: str, value: int, limit: int, what: str) -> int:
        """A size that another one bounds."""
        if value > limit and not self.problems:
            self.problem(key, f"must be at most {what} {limit} (got {value})")
        return min(value, limit)

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


Reader = Callable[[Fields], dict[str, Any]]
"""Reads the keys of one architecture into the arguments of its configuration class."""
