"""The estimate of a GEMM's cycles is that of its whole simulation, however little of it is simulated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import ArchsimError, InputError
from archsim.sim.cycle import CycleEstimate, estimate_gemm_cycles, simulate_gemm
from archsim.sim.cycle.folds import diagonal_folds
from archsim.sim.cycle.machine import DataflowName, SystolicArray
from archsim.sim.cycle.sampling import Operands, continued, piece_runs, verified_run

HUGE = 10**12
dataflows = st.sampled_from(["os", "ws", "is"])
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    sizes=sizes,
    array=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    dataflow=dataflows,
    options=st.tuples(st.booleans(), st.booleans()),
    limit=st.sampled_from([1, 200, 2000, 20000]),
    kind=st.sampled_from(["integers", "floats"]),
)
def test_sampled_cycles_equal_those_of_the_whole(
    sizes: tuple[int, int, int],
    array: tuple[int, int],
    dataflow: DataflowName,
    options: tuple[bool, bool],
    limit: int,
    kind: str,
) -> None:
    def estimate(max_pe_updates: int) -> CycleEstimate:
        return estimate_gemm_cycles(
            *sizes,
            rows=array[0],
            cols=array[1],
            dataflow=dataflow,
            fold_overlap=options[0],
            weight_double_buffer=options[1],
            max_pe_updates=max_pe_updates,
            operands=kind,  # type: ignore[arg-type]
        )

    whole, limited = estimate(HUGE), estimate(limit)
    assert (whole.sampled, whole.extrapolated) == (False, False)
    assert whole.folds == whole.folds_simulated
    assert limited.sampled == (whole.pe_updates > limit)
    assert (whole.cycles, whole.folds) == (limited.cycles, limited.folds)


def test_the_whole_is_what_simulate_gemm_counts() -> None:
    run = simulate_gemm(np.ones((20, 30)), np.ones((30, 25)), rows=8, cols=8, dataflow="ws", fold_overlap=True)
    estimate = estimate_gemm_cycles(20, 25, 30, rows=8, cols=8, dataflow="ws", fold_overlap=True)
    assert (
        CycleEstimate(
            cycles=run.cycles,
            sampled=False,
            extrapolated=False,
            folds=run.folds,
            folds_simulated=run.folds,
            pe_updates=run.pe_updates,
        )
        == estimate
    )


def test_a_layer_of_millions_of_folds_takes_a_few_simulated_ones() -> None:
    estimate = estimate_gemm_cycles(500_003, 500_007, 100, rows=16, cols=16, dataflow="os", max_pe_updates=10_000_000)
    full_rows, full_cols, stream, edge_rows, edge_cols = 31250, 31250, 100, 3, 7
    per_full, drain = 2 * 16 - 2 + 16 + stream, 16 - 2 + stream
    expected = (
        full_rows * full_cols * per_full
        + full_rows * (16 + edge_cols + drain)
        + full_cols * (edge_rows + 16 + drain)
        + (edge_rows + edge_cols + drain)
    )
    assert expected == estimate.cycles
    assert (estimate.sampled, estimate.extrapolated, estimate.folds) == (True, False, 31251**2)
    assert estimate.folds_simulated < 25


def test_a_stream_beyond_the_limit_is_continued_linearly() -> None:
    estimate = estimate_gemm_cycles(10**9, 8, 8, rows=8, cols=8, dataflow="ws", max_pe_updates=1_000_000)
    assert estimate.extrapolated
    assert estimate.cycles == 8 + 10**9 + 8 + 8 - 2
    assert estimate.pe_updates <= 1_000_000


def test_the_same_seed_draws_the_same_operands_and_floats_are_exact_multiples() -> None:
    array = SystolicArray(rows=4, cols=4, dataflow="os")
    first, again = (Operands(kind="floats", seed=3).draw(array, 5, 6, 7) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[0], Operands(kind="floats", seed=4).draw(array, 5, 6, 7)[0])
    assert np.array_equal(first[0] * 8, np.round(first[0] * 8))


def test_a_wrong_product_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from archsim.sim.cycle import sampling

    array = SystolicArray(rows=2, cols=2, dataflow="ws")
    left, top = Operands(kind="integers", seed=0).draw(array, 2, 2, 3)
    real = sampling.run_folds

    def faulty(array: SystolicArray, left: np.ndarray, *rest: object, **options: object) -> object:
        return real(array, left + 1, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sampling, "run_folds", faulty)
    with pytest.raises(ArchsimError, match="the simulated ws array computed 6 of 6 values wrong"):
        verified_run(array, left, top, diagonal_folds([(2, 2)]), whole=True)


def test_every_problem_is_reported() -> None:
    with pytest.raises(InputError) as error:
        estimate_gemm_cycles(0, 4, -1, rows=2, cols=2, dataflow="os", operands="float")  # type: ignore[arg-type]
    assert str(error.value) == (
        "m: must be a whole number of at least 1 (got 0)\n"
        "k: must be a whole number of at least 1 (got -1)\n"
        "operands: unknown operands 'float'\nhint: did you mean 'floats'?"
    )


@given(size=st.integers(1, 1000), piece=st.integers(1, 50))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_pieces_cover_their_dimension(size: int, piece: int) -> None:
    runs = piece_runs(size, piece)
    assert size == sum(length * count for length, count in runs)
    assert all(1 <= length <= piece for length, _ in runs)


def test_one_observation_stands_for_itself() -> None:
    assert continued((10,), [(1, 2)], 10) == (1, 2)
