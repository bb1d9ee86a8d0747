"""Other mappers' mappings, costed under their conventions, give their numbers."""

from __future__ import annotations

import pytest

from archsim.sim.mapping import Mapping
from tests.validation import measure, timeloop_runs, zigzag_runs
from tests.validation.odometer import distinct_tiles, tile_fetches
from tests.validation.timeloop_runs import LEVELS, Count

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")


def test_every_count_of_timeloop_is_met_but_inputs_of_windows_with_gaps() -> None:
    counts = list(timeloop_runs.counts())
    assert len(counts) >= 1000
    differ = [count for count in counts if count.ours != count.theirs]
    assert all(count.halo and count.run.gaps for count in differ)
    assert sum(count.halo and count.run.gaps for count in counts) > len(differ)


def test_inputs_of_windows_with_gaps_are_what_a_walk_of_the_nest_fetches() -> None:
    differ = [count for count in timeloop_runs.counts() if count.ours != count.theirs]
    assert differ
    for count in differ:
        assert count.ours == walked(count), (count.run.name, count.level, count.plane)


def walked(count: Count) -> float:
    """Fills of one tile, or reads of the level above it: a fetch for each unit whose tile differs."""
    mapping, op = count.run.mapping, count.run.op
    level = count.level if count.plane == "fills" else child(count.level, mapping)
    position = mapping.tiles[level]["inputs"]
    fetched = tile_fetches(op, mapping.loops, position)
    if count.plane == "fills":
        return fetched
    return fetched * distinct_tiles(op, mapping.loops, mapping.tiles[count.level]["inputs"], position)


def child(level: str, mapping: Mapping) -> str:
    inner = LEVELS[LEVELS.index(level) + 1 :]
    return next(name for name in inner if "inputs" in mapping.tiles.get(name, {}))


def test_cycles_and_energies_of_timeloop_are_met_wherever_the_counts_are() -> None:
    differ = {count.run.name for count in timeloop_runs.counts() if count.ours != count.theirs}
    same = [run for run in timeloop_runs.runs() if run.name not in differ]
    assert len(same) >= 30
    assert [run.cost.cycles for run in same] == [int(run.summary["cycles"]) for run in same]
    for run in same:
        assert run.cost.total_energy_j * 1e12 == pytest.approx(float(run.summary["energy_pJ_sum"]), rel=1e-12)
    for run, _, operand, ours, theirs in timeloop_runs.energies():
        if operand != "inputs" or run.name not in differ:
            assert ours == pytest.approx(theirs, rel=1e-12)


def test_mappings_that_timeloop_accepts_fit() -> None:
    assert all(run.raw.fits for run in timeloop_runs.runs())


def test_energies_of_zigzag_are_met_wherever_loops_divide() -> None:
    runs = zigzag_runs.runs()
    assert sum(run.divides for run in runs) >= 70
    for run in runs:
        if run.divides:
            assert run.energy_pj == pytest.approx(run.zigzag_pj, rel=1e-9), (run.case, run.name)


def test_fractions_of_units_set_zigzag_apart_where_loops_do_not_divide() -> None:
    """It unrolls 28 columns on 8 PEs as 7 times 4 steps of 7; whole PEs give 4 steps of 8, 8, 8 and 4."""
    uneven = [run for run in zigzag_runs.runs() if not run.divides]
    assert uneven
    for run in uneven:
        assert run.energy_pj == pytest.approx(run.zigzag_pj, rel=0.02), (run.case, run.name)
