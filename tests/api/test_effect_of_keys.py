"""Every key that is accepted changes the result, or the result says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import archsim
from archsim.reports.evaluation import Evaluation

Write = Callable[..., Path]
TRACE = "name,kind,m,n,k\na,gemm,40,50,60\n"


@pytest.fixture
def gemm(design_text: str, write: Write) -> Callable[..., Evaluation]:
    """Evaluates the small design on one GEMM, with keys over it."""
    write(TRACE, "gemm.csv")
    path = write(design_text.replace('model = "resnet-50"', 'trace = "gemm.csv"'))
    return lambda *overrides: archsim.evaluate(path, overrides=overrides)


@pytest.mark.parametrize("fidelity", ["analytic", "cycle"])
def test_pe_energy_is_paid_by_every_pe_in_every_cycle(gemm: Callable[..., Evaluation], fidelity: str) -> None:
    plain = gemm(f"simulation.fidelity={fidelity}")
    clocked = gemm(f"simulation.fidelity={fidelity}", "hardware.array.pe_energy=3 pJ/cycle")
    more = clocked.to_dict()["energy_j"]["mac"] - plain.to_dict()["energy_j"]["mac"]
    assert clocked.totals["cycles"] == plain.totals["cycles"]
    assert more == pytest.approx(3e-12 * 256 * plain.totals["cycles"], rel=1e-9)
