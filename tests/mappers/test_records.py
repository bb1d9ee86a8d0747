"""What a search says its best mapping costs is what costing that mapping gives, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.mappers.branch import search_problem
from archsim.mappers.settings import MapperSettings
from archsim.sim.cost import cost_mapping, cost_of, run_kernel
from tests.mappers.small_spaces import case


@pytest.mark.parametrize("kind", ["gemm", "conv", "passes"])
def test_a_found_mapping_costs_what_it_costs_when_given(kind: str) -> None:
    found = 0
    for seed in range(12):
        small = case(seed, kind)
        settings = MapperSettings(perfect_factors=small.perfect, budget_s=0.005)
        outcome = search_problem(small.problem, small.costing, settings, skipped=small.skipped)
        if outcome.mapping is None or outcome.raw is None:
            continue
        found += 1
        raw = outcome.raw()
        given = run_kernel(small.problem, outcome.mapping)
        assert given.fits
        for name in ("traffic", "out", "used", "tiles"):
            assert np.array_equal(getattr(raw, name), getattr(given, name)), (name, small.text)
        record = cost_of(small.problem, outcome.mapping, raw, small.costing)
        assert record == cost_mapping(small.problem, outcome.mapping, small.costing)
        assert record.cycles == outcome.cycles
    assert found
