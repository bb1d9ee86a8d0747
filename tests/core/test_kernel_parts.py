"""Functions that only kernels call: in no need of machine code of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import types

from archsim.core.kernels import inlined_kernel, inner_kernel, kernel
from archsim.sim.kernels import Floats


@inlined_kernel
def _doubled(value: float) -> float:
    return 2.0 * value


@inner_kernel
def _weighed(weight: int, values: Floats) -> float:
    total = 0.0
    for i in range(values.shape[0]):
        total += weight * _doubled(values[i])
    return total


@kernel
def _with_constants(values: Floats) -> float:
    return _weighed(3, values) + _weighed(5, values)


def test_they_become_part_of_their_callers() -> None:
    assert _with_constants(np.array([1.0, 2.0])) == 48.0


def test_python_cannot_call_them() -> None:
    with pytest.raises(TypeError):
        _weighed(3, np.array([1.0]))


def test_callers_with_other_constants_share_them() -> None:
    part: Any = _weighed
    literal: Any = types.literal
    array: Any = types.Array(types.float64, 1, "C")
    for constant in (3, 5):
        part.get_call_template((literal(constant), array), {})
    assert len({str(kinds) for kinds in part.signatures}) == 1
