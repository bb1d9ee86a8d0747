"""The claims of docs/validation.md, checked on the reference data, and that the page is the one they make."""

from __future__ import annotations

import pytest

from tests.validation import measure
from tests.validation.write_report import REPORT, accuracy

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")


def test_scalesim_cycles_are_equal_in_every_dense_run() -> None:
    pairs = measure.scalesim_cycles()
    assert len(pairs) == 284
    assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]


def test_scalesim_sram_accesses_are_equal_without_stalls() -> None:
    pairs = measure.scalesim_accesses()
    assert len(pairs) >= 300
    assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]


def test_scalesim_utilizations_are_equal_without_stalls() -> None:
    pairs = measure.scalesim_utilizations()
    assert len(pairs) >= 300
    assert [ours for ours, _ in pairs] == [theirs for _, theirs in pairs]


def test_onnxim_compute_bound_gemms_are_met_within_two_percent_on_average() -> None:
    pairs = measure.onnxim("B_8x8_c1_hbm2_int8")
    errors = [abs(ours / theirs - 1) for ours, theirs in pairs]
    assert len(errors) >= 12
    assert sum(errors) / len(errors) < 0.02


def test_the_page_is_what_the_measurements_say() -> None:
    """After a change of the numbers: make validation."""
    assert REPORT.read_text(encoding="utf-8").startswith(accuracy())
