"""Functions that only kernels call: in no need of machine code of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import types

from archsim.core.kernels import inlined_kernel, inner_kernel, kernel
from archsim.sim.kernels import Floats

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("archsim", "arch", "sim", "mappers", "reports", "workloads")


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


def test_only_files_of_kernels_import_them() -> None:
    texts = {path: path.read_text(encoding="utf-8") for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    parts = {name for text in texts.values() for name in re.findall(r"@(?:inner|inlined)_kernel\ndef (\w+)", text)}
    for path, text in texts.items():
        if "from archsim.core.kernels import" in text:
            continue
        lists = re.findall(r"from archsim\.[\w.]*kernels import (\([^)]*\)|[^\n]*)", text)
        taken = parts & {name for names in lists for name in re.findall(r"\w+", names)}
        assert not taken, f"{path.relative_to(ROOT)}: {taken}"
