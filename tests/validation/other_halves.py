"""How much the choice of halves matters: fits on other seeds, errors on their other halves.

python -m tests.validation.other_halves [COUNT]
"""

from __future__ import annotations

import statistics
import sys

from archsim.arch.components.logic import area_um2, energy_pj
from tests.validation.fit_components import fit
from tests.validation.pe_units import halves


def median_errors(seed: int) -> tuple[float, float]:
    """(area, energy) on the half of `seed` that the fit did not see."""
    fitted, predicted = halves(seed)
    constants = fit(fitted)
    areas = [abs(area_um2(u.circuit, u.node_nm, u.clock_hz, constants) / u.area_um2 - 1) for u in predicted]
    energies = [
        abs(energy_pj(u.circuit, u.node_nm, u.clock_hz, constants) / u.energy_pj - 1)
        for u in predicted
        if u.energy_pj is not None
    ]
    return statistics.median(areas), statistics.median(energies)


def main(count: int) -> None:
    """Print the median over seeds and how many keep within a fifth."""
    for name, errors in zip(("area", "energy"), zip(*map(median_errors, range(count)), strict=True), strict=True):
        within = sum(error <= 0.2 for error in errors) / count
        print(f"{name}: median of medians {statistics.median(errors):.3f}, {within:.0%} of {count} halves within 20 %")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
