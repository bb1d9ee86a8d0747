"""Ones of a machine word, as one instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from numba.core import types
from numba.extending import intrinsic


def _counted(typing_context: object, value: Any) -> Any:
    """The number of ones of an integer, in its own type."""
    if not isinstance(value, types.Integer):
        return None

    def generate(context: object, builder: Any, signature: object, arguments: Any) -> object:
        return builder.ctpop(arguments[0])

    return value(value), generate


ones_of = cast(Callable[[Any], Any], intrinsic(_counted))
"""The ones of an integer, in its own type; LLVM counts many narrow ones at once. For kernels only."""
