"""The claims of docs/validation.md, checked on the reference data, and that the page is the one they make."""

from __future__ import annotations

import pytest

from archsim.arch.components.logic import logic_constants
from tests.validation import components, measure
from tests.validation.fit_components import fit, fit_asap7
from tests.validation.mx_areas import mx_arrays, mx_elements, mx_halves
from tests.validation.pe_units import halves
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


def test_the_gate_level_model_predicts_the_half_it_was_not_fitted_on() -> None:
    predicted = halves()[1]
    for pairs in (components.areas(predicted), components.energies(predicted)):
        assert components.median_error(pairs) <= 0.2
        assert components.within_twice(pairs) >= 0.9


def test_the_constants_that_ship_are_those_of_the_fit() -> None:
    """After a change of the model: python -m tests.validation.fit_components."""
    shipped, fitted = logic_constants(), fit_asap7(fit(halves()[0]))
    assert shipped.um2_per_ge == pytest.approx(fitted.um2_per_ge, rel=2e-3)
    assert shipped.fj_per_ge == pytest.approx(fitted.fj_per_ge, rel=2e-3)
    assert shipped.upsizing == pytest.approx(fitted.upsizing, rel=5e-3)


def test_mx_areas_are_met_with_one_constant_and_in_order() -> None:
    for rows in (mx_elements(), mx_arrays(), mx_halves()[1]):
        assert components.median_error(components.mx_pairs(rows)) <= 0.25
    pairs = components.mx_pairs(mx_elements())
    clearly = [(a, b) for a in pairs for b in pairs if a[1] > 1.1 * b[1]]
    assert clearly
    assert all(a[0] > b[0] for a, b in clearly)


def test_the_page_is_what_the_measurements_say() -> None:
    """After a change of the numbers: make validation."""
    assert REPORT.read_text(encoding="utf-8").startswith(accuracy())
