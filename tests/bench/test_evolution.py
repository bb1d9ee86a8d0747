"""Evolutionary search on a real design space of 10,000 points: 99 % of the grid's front for a tenth of its evaluations.

The grid is evaluated once (some minutes on one core); every search then looks its points up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from archsim.explore.archive import Outcomes
from archsim.explore.evaluate_points import PointEvaluator
from archsim.explore.evolve import evolve
from archsim.explore.pareto import hypervolume, non_dominated, ranks
from archsim.explore.read import read_sweep
from archsim.explore.run_table import RunTable, search_space, table_of
from archsim.explore.study import Objective
from tests.explore import sweeps

TRACE = "name,kind,m,n,k,count\nproj,gemm,48,384,160,2\nmlp,gemm,48,640,160,1\nhead,gemm,1,1000,160,1\n"
SIDES = "[4, 6, 8, 12, 16, 24, 32, 48, 64, 96]"
SWEEP = f"""\
design = "design.toml"

[axes]
"hardware.array.rows" = {SIDES}
"hardware.array.cols" = {SIDES}
"hardware.memory.glb.capacity" = ["4 KiB", "16 KiB", "48 KiB", "128 KiB", "256 KiB"]
"hardware.memory.dram.bandwidth" = {{ from = "4 GB/s", to = "32 GB/s", factor = 2 }}
"quantization.weights" = ["int2", "int3", "int4", "int6", "int8"]

[objectives]
latency_s = "min"
"""
BATCH = 500
SEEDS = range(5)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    """All points of the space."""
    path: Path = sweeps.write(tmp_path_factory.mktemp("sweep"), SWEEP, trace=TRACE)
    read = read_sweep(path)
    evaluator = PointEvaluator(read.spec)
    results: list[Any] = []
    for first in range(0, read.space.size, BATCH):
        last = min(first + BATCH, read.space.size)
        results += evaluator.evaluate([read.space.grid(index) for index in range(first, last)])
    return table_of("grid", read.space, results)


@pytest.mark.parametrize("algorithm", ["nsga2", "nsga3"])
@pytest.mark.parametrize(
    "names", [("latency_s", "area_mm2"), ("latency_s", "energy_j"), ("latency_s", "energy_j", "area_mm2")]
)
def test_a_tenth_of_the_evaluations_covers_99_percent_of_the_grids_volume(
    grid: RunTable, names: tuple[str, ...], algorithm: Any
) -> None:
    objectives = [Objective(name=name, sense="min") for name in names]
    outcomes = grid.outcomes(objectives, [])
    everything = outcomes.objectives
    worst = np.nanmax(everything, axis=0)
    tight = everything[outcomes.front].max(axis=0) * 1.1

    def evaluate(genes: NDArray[np.int64]) -> Outcomes:
        rows = [grid.row(tuple(gene)) for gene in genes.tolist()]
        return outcomes.rows(np.array(rows, np.int64))

    for seed in SEEDS:
        found = evolve(
            search_space(grid.space),
            evaluate,
            objectives=len(names),
            budget=len(grid) // 10,
            seed=seed,
            algorithm=algorithm,
        )
        assert found.evaluated == len(grid) // 10
        for reference in (worst, tight):
            share = hypervolume(found.outcomes.objectives, reference) / hypervolume(everything, reference)
            print(f"{algorithm} {names} seed {seed}: {share:.5f}")
            assert share >= 0.99


@pytest.mark.parametrize("width", [2, 3, 5])
def test_fronts_of_a_hundred_thousand_points(benchmark: Any, width: int) -> None:
    values = np.random.default_rng(0).random((100_000, width))
    benchmark(lambda: non_dominated(values))


def test_all_ranks_of_a_hundred_thousand_points(benchmark: Any) -> None:
    values = np.random.default_rng(0).random((100_000, 3))
    benchmark(lambda: ranks(values))
