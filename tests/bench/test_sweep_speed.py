"""Points of a sweep per second and core: Llama-2-7B decode, five axes, best mappings and fixed ones.

Rates are over CPU seconds and beside a loop of `archsim.evaluate` in the same run. AccelForge's share needs an
environment of its own, named by ARCHSIM_ACCELFORGE_PYTHON; without it that comparison is skipped.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("pytest_benchmark")

from archsim.explore.chunks import Chunk
from archsim.explore.evaluate_points import PointEvaluator
from archsim.explore.read import read_sweep
from archsim.explore.space import Point
from archsim.explore.study import EvaluatorSpec, Sweep
from archsim.explore.workers import Recipe, evaluate_chunk
from archsim.workloads.op import Op

HERE = Path(__file__).resolve().parent
ACCELFORGE = "ARCHSIM_ACCELFORGE_PYTHON"
FORMATS = [f"int{bits}:g{group}" for bits in range(3, 8) for group in (64, 128)]
"""Ten that the machine's registers hold: no point fails."""
AXES = {
    "hardware.memory.glb.capacity": [f"{64 + 16 * i} KiB" for i in range(10)],
    "hardware.memory.dram.bandwidth": [f"{4 + 4 * i} B/cycle" for i in range(10)],
    "hardware.memory.glb.bandwidth": [f"{32 + 16 * i} B/cycle" for i in range(10)],
    "quantization.weights": FORMATS,
    "workload.context": [256 * (i + 1) for i in range(10)],
}
"""1e5 points."""
HARDWARE = {
    "hardware.array.rows": [32 * i for i in range(1, 9)],
    "hardware.array.cols": [32 * i for i in range(1, 9)],
    "hardware.memory.buffer.capacity": [f"{2**i} MiB" for i in range(7)],
    "hardware.memory.hbm.bandwidth": [f"{100 * i} GB/s" for i in range(1, 11)],
    "quantization.weights": ["fp16", "int8:g128", "int4:g128", "int3:g128"],
}
"""18,000 points, each of them another machine or other weights: nothing but attention is shared between points."""
CHUNK = 250
SAMPLE = 10
"""Points of the loop that is compared with."""


@pytest.fixture(scope="module")
def study() -> Sweep:
    """All 1e5 points on the machine of AccelForge's study whose rows and columns reuse operands."""
    design = HERE.parents[1] / "designs" / "validation" / "accelforge-b.toml"
    stated = ["workload.model=llama-2-7b", "workload.phase=decode"]
    return read_sweep({"design": str(design), "axes": AXES}, stated)


def spec_of(study: Sweep, mappings: Literal["best", "fixed"]) -> EvaluatorSpec:
    return replace(study.spec, mappings=mappings)


def spread(study: Sweep, count: int, start: int = 0) -> list[Point]:
    """Points in the order of the grid, from a place on."""
    return [study.space.grid(start + i) for i in range(count)]


def cpu_s(work: Callable[[], Any]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def rates(evaluator: PointEvaluator, study: Sweep, chunks: int) -> list[float]:
    """Points per CPU second of each chunk."""
    return [
        CHUNK / cpu_s(partial(evaluator.evaluate, spread(study, CHUNK, start)))
        for start in range(5000, 5000 + chunks * CHUNK, CHUNK)
    ]


@pytest.mark.parametrize(("mappings", "wanted"), [("best", 500), ("fixed", 5000)])
def test_points_per_second_and_core(
    benchmark: Any,
    finding: Callable[[Any], None],
    Row: Any,
    study: Sweep,
    mappings: Literal["best", "fixed"],
    wanted: int,
) -> None:
    evaluator = PointEvaluator(spec_of(study, mappings))
    sample = spread(study, SAMPLE)
    together = evaluator.evaluate(spread(study, 1000))[:SAMPLE]
    alone_s = cpu_s(lambda: evaluator.evaluate_plainly(sample)) / SAMPLE
    assert evaluator.evaluate_plainly(sample) == together
    rate = statistics.median(rates(evaluator, study, 8))
    benchmark.pedantic(evaluator.evaluate, args=(spread(study, CHUNK, 20000),), rounds=3)
    detail = f"{1e3 / rate:.2f} ms a point; alone {1e3 * alone_s:.1f} ms, {alone_s * rate:.0f}x"
    finding(
        Row(
            what=f"{mappings} mappings: points per CPU second",
            value=f"{rate:.0f}",
            against=f"order of {wanted}",
            detail=detail,
        )
    )
    assert alone_s * rate > 3


@pytest.mark.parametrize("order", ["grid", "random"])
def test_points_of_machines_that_were_not_seen_before(
    benchmark: Any, finding: Callable[[Any], None], Row: Any, order: str
) -> None:
    design = HERE.parents[1] / "designs" / "llama-2-7b-decode.toml"
    study = read_sweep({"design": str(design), "axes": HARDWARE}, [])
    evaluator = PointEvaluator(spec_of(study, "best"))
    numbers = random.Random(7).sample(range(study.space.size), 300) if order == "random" else range(9000, 9300)
    points = [study.space.grid(number) for number in numbers]
    evaluator.evaluate(points[:100])
    before = evaluator.searches
    seconds = cpu_s(lambda: evaluator.evaluate(points[100:]))
    searches = (evaluator.searches - before) / 200
    benchmark.pedantic(evaluator.evaluate, args=(points[:100],), rounds=1)
    assert evaluator.evaluate_plainly(points[-3:]) == evaluator.evaluate(points[-3:])
    detail = f"{searches:.1f} searches a point, {5 * seconds / searches:.2f} ms each"
    what = f"five axes of hardware, {order} order: points per CPU second"
    finding(Row(what=what, value=f"{200 / seconds:.0f}", against="order of 500", detail=detail))


def test_a_point_beside_accelforge_on_the_same_gemms(
    benchmark: Any,
    finding: Callable[[Any], None],
    Row: Any,
    study: Sweep,
) -> None:
    if ACCELFORGE not in os.environ:
        pytest.skip(f"{ACCELFORGE} names no interpreter")
    evaluator = PointEvaluator(spec_of(study, "best"))
    point = study.space.grid(0)
    design = evaluator.design(point, study.spec.workloads[0])
    shapes = {(op.loops["m"], op.loops["n"], op.loops["k"]) for op in design.trace.ops if isinstance(op, Op)}
    seconds = accelforge_s(sorted(shapes))
    evaluator.evaluate(spread(study, 1000))
    rate = statistics.median(rates(evaluator, study, 4))
    benchmark.pedantic(evaluator.evaluate, args=(spread(study, CHUNK, 30000),), rounds=1)
    total = sum(seconds.values())
    detail = f"{len(shapes)} GEMMs in {total:.1f} s"
    finding(
        Row(
            what="CPU time of a point, AccelForge over ours",
            value=f"{total * rate:.0f}x",
            against=">= 1000x",
            detail=detail,
        )
    )


def accelforge_s(shapes: Sequence[tuple[int, int, int]]) -> dict[str, float]:
    """CPU seconds of AccelForge for each GEMM, warm, imports left out."""
    cases = ["65536," + ",".join(map(str, shape)) for shape in ((64, 64, 64), *shapes)]
    command = [os.environ[ACCELFORGE], str(HERE / "accelforge_inputs.py"), "b", *cases]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    found = json.loads(outcome.stdout.splitlines()[-1])
    return {case: seconds for case, (seconds, _) in list(found.items())[1:]}


def test_memory_does_not_grow(benchmark: Any, finding: Callable[[Any], None], Row: Any, study: Sweep) -> None:
    evaluator = PointEvaluator(spec_of(study, "fixed"))
    evaluator.evaluate(spread(study, 2000))
    before = resident_bytes()
    for start in range(2000, 7000, CHUNK):
        evaluator.evaluate(spread(study, CHUNK, start))
    grown = resident_bytes() - before
    benchmark.pedantic(evaluator.evaluate, args=(spread(study, CHUNK, 30000),), rounds=1)
    finding(Row(what="memory grown over 5,000 points", value=f"{grown / 2**20:.0f} MiB", against="flat"))


def resident_bytes() -> int:
    """Memory of this process now (Linux), or its largest so far."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("mappings", ["best", "fixed"])
def test_two_workers_beside_one(
    benchmark: Any,
    finding: Callable[[Any], None],
    Row: Any,
    study: Sweep,
    mappings: Literal["best", "fixed"],
) -> None:
    count = 4000 if mappings == "best" else 8000
    one = worked_s(spec_of(study, mappings), study, 1, count)
    two = benchmark.pedantic(worked_s, args=(spec_of(study, mappings), study, 2, count), rounds=1)
    detail = f"{count} points in {one:.1f} s and {two:.1f} s on the wall, starting and warming up left out"
    value = f"{one / two / 2:.2f}"
    finding(Row(what=f"{mappings} mappings: efficiency of two workers", value=value, against=">= 0.85", detail=detail))


def worked_s(spec: EvaluatorSpec, study: Sweep, workers: int, count: int) -> float:
    """Seconds on the wall for `count` points after each worker has had its first ones."""
    recipe = Recipe(run_hash=f"{spec.mappings} {workers}", spec=spec, space=study.space)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        wait([pool.submit(warm_up, recipe) for _ in range(workers)])
        begin = time.perf_counter()
        wait([pool.submit(evaluate_chunk, recipe, Chunk(start, CHUNK)) for start in range(50000, 50000 + count, CHUNK)])
        return time.perf_counter() - begin


def warm_up(recipe: Recipe) -> None:
    """A worker's first points, and time for the others to take theirs meanwhile."""
    for start in range(0, 4 * CHUNK, CHUNK):
        evaluate_chunk(recipe, Chunk(start, CHUNK))
    time.sleep(10.0)


def wait(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        future.result()
