"""Fits the constants of the gate-level model into data/logic.toml: python -m tests.validation.fit_components.

Logic: on one half of the published processing elements (pe_units.py). The 7 nm area: one constant on one half of
PLENA's MX processing elements and arrays. Errors are smooth absolute logarithms, so that single units do not decide.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import archsim.arch.components.logic as logic
from archsim.arch.components.logic import LogicConstants, area_um2, energy_pj, logic_constants
from tests.validation.mx_areas import mx_halves
from tests.validation.pe_units import PublishedUnit, halves

TABLE = Path(logic.__file__).parent / "data" / "logic.toml"
TOLERANCE = 0.15
"""Errors well above it count by their logarithm, below it by its square."""
ASAP7_CLOCK_HZ = 1e9

Loss = Callable[[Sequence[float]], float]


def fit(units: Sequence[PublishedUnit], start: LogicConstants | None = None) -> LogicConstants:
    """Area of a GE at 28 and 45 nm with the upsizing, then energy of a GE at both."""
    constants = start or logic_constants()
    small_um2 = constants.um2_per_ge[0]

    def with_area(x: Sequence[float]) -> LogicConstants:
        return replace(constants, um2_per_ge=(small_um2, x[0], x[1]), upsizing=x[2])

    area = _minimise(
        lambda x: _loss((area_um2(u.circuit, u.node_nm, u.clock_hz, with_area(x)), u.area_um2) for u in units),
        (0.5, 0.8, 0.7),
    )
    fitted = with_area(area)

    def with_energy(x: Sequence[float]) -> LogicConstants:
        return replace(fitted, fj_per_ge=(x[0], x[1]))

    known = [(u, u.energy_pj) for u in units if u.energy_pj is not None]
    energy = _minimise(
        lambda x: _loss((energy_pj(u.circuit, u.node_nm, u.clock_hz, with_energy(x)), pj) for u, pj in known),
        (0.15, 0.18),
    )
    return with_energy(energy)


def fit_asap7(constants: LogicConstants) -> LogicConstants:
    """The area of a GE at 7 nm: the median ratio over one half of the MX processing elements and arrays."""
    unit = replace(constants, um2_per_ge=(1.0, *constants.um2_per_ge[1:]))
    ratios = [published / area_um2(circuit, 7.0, ASAP7_CLOCK_HZ, unit) for circuit, published in mx_halves()[0]]
    return replace(constants, um2_per_ge=(statistics.median(ratios), *constants.um2_per_ge[1:]))


def _loss(pairs: Iterable[tuple[float, float]]) -> float:
    return sum(math.sqrt(1 + (math.log(ours / theirs) / TOLERANCE) ** 2) - 1 for ours, theirs in pairs)


def _minimise(loss: Loss, start: Sequence[float]) -> list[float]:
    """Nelder-Mead in the logarithms of positive parameters: deterministic."""
    from scipy.optimize import minimize

    found = minimize(
        lambda x: loss([math.exp(value) for value in x]),
        [math.log(value) for value in start],
        method="Nelder-Mead",
        options={"maxiter": 5000, "xatol": 1e-6, "fatol": 1e-9},
    )
    return [math.exp(value) for value in found.x]


def written(constants: LogicConstants, text: str) -> str:
    """The table with these constants, four digits each."""
    values = {
        "um2_per_ge": _list(constants.um2_per_ge),
        "fj_per_ge": _list(constants.fj_per_ge),
        "upsizing": f"{constants.upsizing:.4g}",
    }
    for key, value in values.items():
        text = re.sub(rf"^{key} = (\[[^\]]*\]|[0-9.eE+-]+)", f"{key} = {value}", text, count=1, flags=re.MULTILINE)
    return text


def _list(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


def main() -> None:
    """Fit and rewrite the table."""
    constants = fit_asap7(fit(halves()[0]))
    TABLE.write_text(written(constants, TABLE.read_text(encoding="utf-8")), encoding="utf-8")
    print(constants)


if __name__ == "__main__":
    main()
