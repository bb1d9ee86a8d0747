"""The search meets every optimum that is known, and no mapper found anything better."""

from __future__ import annotations

import pytest

from tests.validation import measure, optima

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")
ROUNDING = 1e-6


def test_energy_optima_of_the_exact_study_are_met_and_never_undercut() -> None:
    rows = optima.accelforge("energy")
    assert len(rows) == len(measure.read("accelforge/cases.csv"))
    for row in rows:
        assert row.proven, row
        assert row.ratio == pytest.approx(1, abs=ROUNDING), row


def test_shortest_times_of_the_exact_study_are_met() -> None:
    """On machine A its times are lower bounds, which are all attained."""
    for row in optima.accelforge("latency"):
        assert row.proven, row
        assert row.ours == row.theirs, row


@pytest.mark.parametrize("objective", ["energy", "latency"])
def test_factors_that_need_not_divide_are_never_worse(objective: str) -> None:
    for row in optima.accelforge(objective, perfect=False):
        assert row.ratio <= 1 + ROUNDING, row
    if objective == "energy":
        assert any(row.ratio < 0.95 for row in optima.accelforge(objective, perfect=False))


def test_no_run_of_timeloops_mapper_has_a_lower_product_of_energy_and_time() -> None:
    rows = optima.timeloop()
    assert len(rows) == len(measure.read("timeloop/mapper_runs.csv"))
    for row in rows:
        assert row.ratio <= 1 + ROUNDING, row


def test_no_mapping_of_zigzag_takes_less_energy_and_enumerations_are_met() -> None:
    rows = optima.zigzag()
    assert sum(row.complete for row in rows) >= 8
    for row in rows:
        assert row.ratio <= 1 + ROUNDING, row
        if row.complete:
            assert row.proven, row
            assert row.ratio == pytest.approx(1, abs=ROUNDING), row


def test_where_zigzags_engine_stops_short_the_optimum_is_strictly_better() -> None:
    better = {row.name for row in optima.zigzag() if row.ratio < 1 - ROUNDING}
    assert better >= {"zigzag-pe1 gemm_16_16_16", "zigzag-os8 conv_r18_2", "zigzag-rf3 gemm_256_256_256"}
