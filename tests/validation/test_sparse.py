"""Sparse engines take the cycles of Sparseloop's runs and of what was measured, within what is stated here."""

from __future__ import annotations

import statistics

import pytest

from tests.validation import measure, sparse_rows

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")


def errors(pairs: sparse_rows.Pairs) -> list[float]:
    return [abs(ours / theirs - 1) for ours, theirs in pairs]


def test_2_4_tensor_cores_are_twice_as_fast() -> None:
    pairs = sparse_rows.speedup_of_2_4()
    assert len(pairs) >= 2
    assert {ours for ours, _ in pairs} == {2.0}


def test_dense_and_2_4_tensor_cores_take_the_same_cycles() -> None:
    pairs = sparse_rows.of_designs("TC", "STC-")
    assert len(pairs) >= 15
    assert max(errors(pairs)) == 0.0


def test_flexible_tensor_cores_stall_where_their_bandwidth_ends() -> None:
    pairs = sparse_rows.of_designs("STC_flexible")
    assert len(pairs) >= 20
    assert max(errors(pairs)) < 0.03


def test_the_dual_side_tensor_core_is_met() -> None:
    found = errors(sparse_rows.of_designs("DSTC"))
    assert statistics.fmean(found) < 0.05
    assert max(found) < 0.15
    measured = errors(sparse_rows.dual_side())
    assert statistics.fmean(measured) < 0.08


def test_lists_win_where_matrices_are_sparse_and_masks_where_they_are_not() -> None:
    kept = sparse_rows.lists_and_masks()
    assert max(errors(kept["coordinate"])) < 0.01
    assert max(errors(kept["bitmask"])) < 0.01
    faster = {
        density: sparse_rows.one_mac_cost(density, "coordinate").cycles
        < sparse_rows.one_mac_cost(density, "bitmask").cycles
        for density in (0.01, 0.1, 0.4, 0.8)
    }
    assert faster == {0.01: True, 0.1: True, 0.4: True, 0.8: False}


def test_eyeriss_reads_what_it_skips() -> None:
    assert max(errors(sparse_rows.gated_spad())) < 0.01


def test_eyeriss_v2_takes_its_useful_macs() -> None:
    assert statistics.fmean(errors(sparse_rows.eyeriss_v2())) < 0.05
