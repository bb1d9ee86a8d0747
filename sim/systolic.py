"""Closed-form cycles of one GEMM on one systolic array, without memories: what the cycle simulator must agree with."""

from __future__ import annotations

import math

import numpy as np

from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.engines.units import UnitModel
from archsim.core.errors import InputError, Problem
from archsim.sim.conventions import counting
from archsim.sim.frame import GROUPS
from archsim.sim.kernels import Nest, Shape
from archsim.sim.machine import timing_array
from archsim.sim.systolic_kernels import passes_of_gemm


def gemm_cycles(
    m: int,
    n: int,
    k: int,
    *,
    rows: int,
    cols: int,
    dataflow: str,
    fold_overlap: bool = False,
    weight_double_buffer: bool = False,
) -> int:
    """Cycles from the first operand entering to the last result leaving, for C[m,n] = A[m,k] B[k,n].

    The same kernel that costs whole layers; no memory stalls. See docs/cost-model.md, "passes".
    """
    for name, value in (("m", m), ("n", n), ("k", k)):
        if value < 1:
            raise InputError(Problem(key=name, message=f"must be at least 1 (got {value})"))
    engine = SystolicEngine(
        rows=rows,
        columns=cols,
        permitted=(dataflow,),
        fold_overlap=fold_overlap,
        weight_double_buffer=weight_double_buffer,
        unit=UnitModel(node_nm=45),
    )
    flow = engine.dataflows[0]
    sizes = np.array([m, n, k], np.int64)
    groups = [GROUPS.index(axis.gemm_dims[0]) for axis in flow.axes] + [GROUPS.index(flow.stream)]
    folds = np.zeros((3, 7), np.int64)
    nothing = np.zeros(1, np.int64)
    shape = Shape(sizes, np.ones((3, 3), np.bool_), np.full((2, 4), -1, np.int64), np.full((4, 3), -1, np.int64))
    nest = Nest(nothing, nothing, nothing, sizes)
    members = np.array([[group, -1, -1] for group in groups], np.int64)
    timing = timing_array(flow.timing, counting(), 1.0, output_stationary=flow.stationary == "outputs")
    array, together = np.array([rows, cols], np.int64), np.ones(1, np.bool_)
    total = passes_of_gemm(members, array, shape, nest, together, folds, timing, np.zeros(2))
    return math.ceil(total - 1e-9)
