"""CPU time of a proven optimum beside what AccelForge and ZigZag take for their best mapping of the same GEMMs.

Each runs in an environment of its own, named by ARCHSIM_ACCELFORGE_PYTHON (Python >= 3.12 with accelforge, and
graphviz installed) and ARCHSIM_ZIGZAG_PYTHON (with zigzag-dse and six); without them the comparison is skipped. One
core, warm, imports excluded on both sides. What is asserted is that our energy is at most theirs.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pytest_benchmark")

from archsim.api.evaluate import mapper_settings
from archsim.arch.accelerator import Accelerator
from archsim.arch.formats import Format
from archsim.mappers.found import Found
from archsim.mappers.search import MapperSettings, find_mapping
from archsim.sim.conventions import Counting
from archsim.sim.cost import Costing
from archsim.sim.problem import build_problem
from archsim.sim.recost import machines_of, prices_of, recost
from archsim.workloads.op import Op
from tests.validation.machines import machine, with_bits

HERE = Path(__file__).resolve().parent
WARM_UP = (64, 64, 64)
SHAPES = (
    *((size, size, size) for size in (64, 128, 256, 512, 1024, 2048, 4096)),
    (1, 4096, 4096),
    (8, 14336, 4096),
    (200, 768, 768),
    (2048, 4096, 128),
    (2048, 11008, 4096),
)
ROUNDS = 5
LEAST_S = 0.01
TOOLS = {
    "accelforge-a": ("ARCHSIM_ACCELFORGE_PYTHON", "accelforge_inputs.py", "a"),
    "accelforge-b": ("ARCHSIM_ACCELFORGE_PYTHON", "accelforge_inputs.py", "b"),
    "zigzag-os8": ("ARCHSIM_ZIGZAG_PYTHON", "zigzag_inputs.py", "os8"),
    "zigzag-ws8": ("ARCHSIM_ZIGZAG_PYTHON", "zigzag_inputs.py", "ws8"),
}
LAYERS = 23
"""Distinct convolutions of ResNet-50."""


@cache
def settings_of(name: str, budget_s: float) -> MapperSettings:
    return replace(mapper_settings(machine(name)), objective="energy", perfect_factors=True, budget_s=budget_s)


@cache
def machine_of(name: str) -> tuple[Accelerator, Counting, Format]:
    design = machine(name)
    return design.accelerator, design.simulation.switches, design.accumulator


def found(name: str, op: Op, budget_s: float = 2.0) -> Found:
    accelerator, counting, accumulator = machine_of(name)
    best = find_mapping(op, accelerator, settings_of(name, budget_s), counting, accumulator)
    assert best is not None
    return best


def gemm(shape: tuple[int, int, int]) -> Op:
    m, n, k = shape
    return with_bits(Op.gemm("gemm", m=m, n=n, k=k))


def cpu_s(name: str, op: Op) -> float:
    """Median CPU seconds of one search, warm; short ones are repeated for `LEAST_S`."""
    times = []
    begin = time.process_time()
    found(name, op)
    calls = math.ceil(LEAST_S / max(1e-9, time.process_time() - begin))
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(calls):
            found(name, op)
        times.append((time.process_time() - begin) / calls)
    return statistics.median(times)


def theirs(name: str) -> dict[tuple[int, int, int], tuple[float, float]]:
    """(CPU seconds, pJ) of each shape in the other tool; skips where it is not there."""
    variable, script, letter = TOOLS[name]
    python = os.environ.get(variable)
    if python is None:
        pytest.skip(f"{variable} names no interpreter")
    glb = "65536," if script.startswith("accelforge") else ""
    cases = [glb + ",".join(map(str, shape)) for shape in (WARM_UP, *SHAPES[1:], WARM_UP)]
    # The first case pays for what is loaded late; the same one again at the end is measured.
    command = [python, str(HERE / script), letter, *cases]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    results = json.loads(outcome.stdout.splitlines()[-1])
    shapes: list[tuple[int, int, int]] = [*SHAPES[1:], WARM_UP]
    values = [(value[0], value[1]) for value in _measured(results)]
    return dict(zip(shapes, values, strict=True))


def _measured(results: dict[str, list[float]]) -> list[list[float]]:
    """Values in the order of the cases, the repeated first one last: a later run of a case replaces the earlier one."""
    first, *rest = results.values()
    return [*rest, first]


@pytest.mark.parametrize("name", TOOLS)
def test_a_proven_optimum_beside_the_other_tool(
    benchmark: Any, finding: Callable[[Any], None], Row: Any, name: str
) -> None:
    reference = theirs(name)
    ratios = {}
    for shape, (seconds, energy_pj) in reference.items():
        best = found(name, gemm(shape))
        assert best.optimal
        assert best.cost.total_energy_j * 1e12 <= energy_pj * (1 + 1e-6)
        ratios[shape] = seconds / cpu_s(name, gemm(shape))
    benchmark.pedantic(found, args=(name, gemm((512, 512, 512))), rounds=ROUNDS)
    median = statistics.median(ratios.values())
    detail = ", ".join(f"{'x'.join(map(str, shape))} {ratio:.0f}" for shape, ratio in ratios.items())
    finding(
        Row(what=f"{name}: CPU time of the other over ours", value=f"{median:.0f}x", against=">= 200x", detail=detail)
    )


@pytest.mark.parametrize("name", TOOLS)
def test_gemms_of_one_row(benchmark: Any, finding: Callable[[Any], None], Row: Any, name: str) -> None:
    found(name, gemm((1, 4096, 4096)))
    median = statistics.median(cpu_s(name, gemm(shape)) for shape in SHAPES)
    benchmark.pedantic(found, args=(name, gemm((1, 4096, 4096))), rounds=ROUNDS)
    share = cpu_s(name, gemm((1, 4096, 4096))) / median
    detail = f"median {1e3 * median:.2f} ms"
    finding(Row(what=f"{name}: m = 1 over the median", value=f"{share:.2f}x", against="<= 0.1x", detail=detail))


def test_resnet_50_on_os8_is_proven_layer_by_layer(benchmark: Any, finding: Callable[[Any], None], Row: Any) -> None:
    from archsim.api.design import load_design
    from archsim.api.map import chosen_work

    path = HERE.parents[1] / "designs" / "validation" / "zigzag-os8.toml"
    design = load_design(path, ["workload.model=resnet-50"])
    ops = {
        (*sorted(work.op.loops.items()), work.op.dims.get("stride_h", 1)): work.op
        for work in chosen_work(design, None, None)
    }
    found("zigzag-os8", next(iter(ops.values())), 0.001)

    def every() -> list[Found]:
        return [found("zigzag-os8", op, 4.0) for op in ops.values()]

    begin = time.process_time()
    results = benchmark.pedantic(every, rounds=1)
    seconds = time.process_time() - begin
    proven = sum(best.optimal for best in results)
    assert proven >= LAYERS
    detail = f"{proven} of {len(ops)} layers proven"
    finding(Row(what="zigzag-os8: all layers of ResNet-50", value=f"{seconds:.1f} s", detail=detail))


def test_one_mapping_on_many_machines(benchmark: Any, finding: Callable[[Any], None], Row: Any) -> None:
    """Costing a given mapping on machines whose bandwidths differ, beside searching for it on each."""
    design, op, count = machine("accelforge-b"), gemm((512, 512, 512)), 1000
    counting, chip = design.simulation.switches, design.accelerator
    mapping = found("accelforge-b", op).cost.mapping
    assert mapping is not None
    chips = [
        replace(chip, memories=tuple(replace(level, read_bits_per_cycle=64.0 + i) for level in chip.memories))
        for i in range(count)
    ]
    problems = [build_problem(op, each, each.engine.dataflows[0], counting, design.accumulator) for each in chips]
    costings = [
        Costing.of(each, problem, design.accumulator, counting) for each, problem in zip(chips, problems, strict=True)
    ]
    machines, prices = machines_of(problems), prices_of(problems, costings)
    costs = benchmark.pedantic(recost, args=(problems[0], mapping, machines, prices), rounds=ROUNDS)
    assert len(costs.cycles) == count
    begin = time.process_time()
    recost(problems[0], mapping, machines, prices)
    each_s = (time.process_time() - begin) / count
    detail = f"{1e6 * each_s:.1f} us each"
    ratio = cpu_s("accelforge-b", op) / each_s
    finding(Row(what="searching over costing a given mapping", value=f"{ratio:.0f}x", detail=detail))
