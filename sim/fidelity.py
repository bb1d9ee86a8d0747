"""`fidelity = "cycle"`: compute cycles from the PE-level simulator in place of the closed form's."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import DerivedEngine, Engine
from archsim.arch.engines.systolic import SystolicEngine
from archsim.arch.formats import ArithmeticKind
from archsim.core.errors import InputError, Problem
from archsim.sim.conventions import Counting
from archsim.sim.cycle import estimate_gemm_cycles
from archsim.sim.mapping import Mapping
from archsim.sim.records import OpCost
from archsim.workloads.op import Op


def check_cycle_fidelity(accelerator: Accelerator, counting: Counting) -> None:
    """InputError when the cycle simulator cannot stand in for the closed form of this design."""
    problems = []
    array = systolic_array(accelerator.engine)
    if array is None:
        message = f"'cycle' simulates systolic arrays, of kind {_SYSTOLIC} (got {accelerator.kind!r})"
        problems.append(Problem(key="simulation.fidelity", message=message, hint=_instead(accelerator.kind)))
    elif array.unit.lanes != 1 or any(rate != 1 for rate in array.unit.rates.values()):
        message = "'cycle' simulates one MAC per PE and cycle (the design gives lanes or rates)"
        problems.append(Problem(key="simulation.fidelity", message=message, hint="use fidelity = 'analytic'"))
    if counting != Counting():
        message = "'cycle' counts what the array does; the convention's switches ask for other counts"
        problems.append(Problem(key="simulation.fidelity", message=message, hint="use convention = 'archsim'"))
    if problems:
        raise InputError(problems)


_SYSTOLIC = "'systolic', 'bit-composable' or 'overq'"
_PLAYED = {"bit-serial": "bits", "sparse": "zeros"}
"""The commands that step through what other engines do with real operands."""


def _instead(kind: str) -> str:
    """What to do with an engine that is not systolic."""
    command = _PLAYED.get(kind)
    if command is not None:
        return f"'archsim {command} DESIGN' plays its operands step by step; evaluate takes fidelity = 'analytic'"
    return "use fidelity = 'analytic'"


def systolic_array(engine: Engine) -> SystolicEngine | None:
    """The systolic array that an engine is, or is made of; None for other engines."""
    array = engine.array if isinstance(engine, DerivedEngine) else engine
    return array if isinstance(array, SystolicEngine) else None


def _sides(op: Op, accelerator: Accelerator, dataflow: str) -> tuple[int, int]:
    """Rows and columns at the op's formats. Raises InputError for operands that take several turns in a PE."""
    engine, weights, inputs = accelerator.engine, op.weights.format, op.inputs.format
    assert weights is not None
    assert inputs is not None
    if engine.macs_per_unit_cycle(weights.arithmetic, inputs.arithmetic) < 1:
        message = f"'cycle' simulates operands that a PE takes at once; {op.name!r} has wider ones"
        raise InputError(Problem(key="simulation.fidelity", message=message, hint="use fidelity = 'analytic'"))
    plain = next(flow for flow in engine.dataflows if flow.name == dataflow)
    row, column = engine.fitted(plain, weights.arithmetic, inputs.arithmetic).axes
    return row.size, column.size


def cycle_cost(op: Op, accelerator: Accelerator, cost: OpCost) -> OpCost:
    """`cost` with the compute cycles that the simulated array takes for the same mapping; stalls stay.

    Every distinct array tile is simulated with seeded operands of the op's kind (whole, or sampled folds above the
    simulator's limit) and its product checked; tiles follow one another. Energy of time (leakage, idle, what PEs take
    each cycle) goes along.
    """
    engine, mapping = systolic_array(accelerator.engine), cost.mapping
    assert engine is not None
    assert mapping is not None
    rows, columns = _sides(op, accelerator, mapping.dataflow)
    fmt = op.inputs.format
    kind = "floats" if fmt is not None and fmt.arithmetic.kind is ArithmeticKind.FLOAT else "integers"
    compute = sum(
        times
        * _simulated(m, n, k, rows, columns, mapping.dataflow, engine.fold_overlap, engine.weight_double_buffer, kind)
        for (m, n, k), times in sorted(array_tiles(op, mapping).items())
    )
    cycles = compute + cost.stall_cycles
    scale = cycles / cost.cycles
    energy = {name: joules * scale if name in ("leakage", "idle") else joules for name, joules in cost.energy_j.items()}
    energy["mac"] += (cycles - cost.cycles) * engine.unit.overrides.pe_cycle_energy_pj * accelerator.units * 1e-12
    peak = cost.macs / cost.utilization / cost.cycles if cost.utilization else 0.0
    return replace(
        cost,
        cycles=cycles,
        compute_cycles=compute,
        latency_s=cycles / accelerator.clock_hz,
        energy_j=energy,
        utilization=cost.macs / (peak * cycles) if peak else None,
        compute_utilization=cost.macs / (peak * compute) if peak else None,
    )


@cache
def _simulated(
    m: int,
    n: int,
    k: int,
    rows: int,
    cols: int,
    dataflow: str,
    fold_overlap: bool,
    weight_double_buffer: bool,
    kind: str,
) -> int:
    return estimate_gemm_cycles(
        m,
        n,
        k,
        rows=rows,
        cols=cols,
        dataflow=dataflow,  # type: ignore[arg-type]
        fold_overlap=fold_overlap,
        weight_double_buffer=weight_double_buffer,
        operands=kind,  # type: ignore[arg-type]
    ).cycles


def array_tiles(op: Op, mapping: Mapping) -> Counter[tuple[int, int, int]]:
    """How many array tiles of each (m, n, k) one array works through, one after the other."""
    sizes = {dim: _dimension_tiles(dim, size, mapping) for dim, size in op.loops.items()}
    groups = [_flattened(sizes, dims) for dims in (op.rows, op.columns, op.reduction)]
    batches = sum(_flattened(sizes, op.batch).values())
    tiles: Counter[tuple[int, int, int]] = Counter()
    for (m, times_m), (n, times_n), (k, times_k) in product(*(group.items() for group in groups)):
        tiles[m, n, k] += times_m * times_n * times_k * batches
    return tiles


def _dimension_tiles(dim: str, size: int, mapping: Mapping) -> Counter[int]:
    """Tile sizes of one dimension: every loop in time cuts, a spatial loop leaves the largest share."""
    pieces = Counter({size: 1})
    loops = [loop for loop in mapping.loops if loop.dim == dim]
    inside = mapping.array_tile.get(dim, 1) * math.prod(loop.factor for loop in loops)
    for loop in loops:
        inside //= loop.factor
        cut: Counter[int] = Counter()
        for piece, times in pieces.items():
            if loop.axis is not None:
                cut[min(piece, inside)] += times
                continue
            whole, rest = divmod(piece, inside)
            if whole:
                cut[inside] += whole * times
            if rest:
                cut[rest] += times
        pieces = cut
    return pieces


def _flattened(sizes: dict[str, Counter[int]], dims: tuple[str, ...]) -> Counter[int]:
    """Tiles of a group of dimensions taken as one."""
    result = Counter({1: 1})
    for dim in dims:
        combined: Counter[int] = Counter()
        for left, i in result.items():
            for right, j in sizes[dim].items():
                combined[left * right] += i * j
        result = combined
    return result
