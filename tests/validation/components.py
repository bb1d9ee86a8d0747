"""Rows on component costs: the gate-level model against published units, MX elements and arrays, ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from archsim.arch.components.arithmetic import FP32
from archsim.arch.components.dot import dot_product_cost
from archsim.arch.components.gates import Circuit
from archsim.arch.components.logic import area_um2, energy_pj, logic_constants
from archsim.arch.formats import Arithmetic, ArithmeticKind, Granularity, Scale
from tests.validation.fit_components import ASAP7_CLOCK_HZ
from tests.validation.measure import Row, relative
from tests.validation.mx_areas import mx_arrays, mx_elements, mx_halves
from tests.validation.pe_units import SEED, PublishedUnit, halves, published_units

PLOT = "components-scatter.png"
Pairs = list[tuple[float, float]]


def areas(units: Sequence[PublishedUnit]) -> Pairs:
    constants = logic_constants()
    return [(area_um2(unit.circuit, unit.node_nm, unit.clock_hz, constants), unit.area_um2) for unit in units]


def energies(units: Sequence[PublishedUnit]) -> Pairs:
    constants = logic_constants()
    return [
        (energy_pj(unit.circuit, unit.node_nm, unit.clock_hz, constants), unit.energy_pj)
        for unit in units
        if unit.energy_pj is not None
    ]


def mx_pairs(rows: Sequence[tuple[Circuit, float]]) -> Pairs:
    constants = logic_constants()
    return [(area_um2(circuit, 7.0, ASAP7_CLOCK_HZ, constants), published) for circuit, published in rows]


def within_twice(pairs: Pairs) -> float:
    """Fraction of pairs that differ by at most a factor of two."""
    return sum(0.5 <= ours / theirs <= 2 for ours, theirs in pairs) / len(pairs)


def median_error(pairs: Pairs) -> float:
    return statistics.median(abs(ours / theirs - 1) for ours, theirs in pairs)


# ---- dot-product units of block formats, from their widths and scales alone


def _scale(kind: str, size: int) -> Scale:
    return Scale(granularity=Granularity.GROUP, group_size=size, kind=kind, bits=8)


def _float(significand: int, exponent: int, scale: Scale | None = None) -> Arithmetic:
    return Arithmetic(
        kind=ArithmeticKind.FLOAT, significand_bits=significand, exponent_bits=exponent, scale=scale or Scale()
    )


def _integer(bits: int, scale: Scale, exponent: int = 0) -> Arithmetic:
    return Arithmetic(kind=ArithmeticKind.INTEGER, integer_bits=bits, exponent_bits=exponent, scale=scale)


BLOCKS = {
    "FP8": _float(4, 4),
    "MXFP8": _float(4, 4, _scale("e8m0", 32)),
    "MXINT8": _integer(8, _scale("e8m0", 32)),
    "NVFP4": _float(2, 2, _scale("e4m3", 16)),
    "NVINT4": _integer(4, _scale("e4m3", 16)),
    "MX9": _integer(8, _scale("e8m0", 16), exponent=1),
    "MX6": _integer(5, _scale("e8m0", 16), exponent=1),
    "MX4": _integer(3, _scale("e8m0", 16), exponent=1),
}
"""MX9, MX6 and MX4: an integer with a private exponent of one bit, shared by two elements."""
INT_FP = "Chen et al., arXiv 2510.25602, Table 5"
PUBLISHED_AREA = {"MXFP8": 1.0, "MXINT8": 0.79, "NVFP4": 0.54, "NVINT4": 0.38}
PUBLISHED_ENERGY = {"MXFP8": 1.0, "MXINT8": 0.63, "NVFP4": 0.55, "NVINT4": 0.34}
PUBLISHED_MX = {"MX9": 1.0, "MX6": 0.5, "MX4": 0.25}


def block_ratios(names: Sequence[str], reference: str, lanes: int) -> dict[str, tuple[float, float]]:
    """(area, energy) of each block format's dot-product unit over the reference's, FP32 accumulator, 7 nm."""
    costs = {name: dot_product_cost(lanes, BLOCKS[name], BLOCKS[name], FP32, 7.0) for name in (*names, reference)}
    base = costs[reference]
    return {
        name: ((costs[name].area_um2 or 0.0) / (base.area_um2 or 1.0), costs[name].energy_pj / base.energy_pj)
        for name in names
    }


# ---- the page


def component_rows() -> list[Row]:
    fitted, predicted = halves()
    source = f"`pe_costs.csv` rows read, run or derived below 8,000 µm², the half not fitted on (seed {SEED})"
    int_fp = block_ratios(list(PUBLISHED_AREA), "MXFP8", 32)
    mx = block_ratios(list(PUBLISHED_MX), "FP8", 64)
    return [
        _counted("area of PEs, MACs, multipliers and adders", source, areas(predicted)),
        _counted("energy of the same", source, energies(predicted)),
        _counted("area, the half fitted on", f"the other {len(fitted)} rows", areas(fitted)),
        _counted("energy, the half fitted on", f"the other {len(fitted)} rows", energies(fitted)),
        relative("area of MX processing elements, ASAP7", "PLENA, one constant", mx_pairs(mx_elements())),
        relative("area of MX matrix machines, ASAP7", "PLENA, the same constant", mx_pairs(mx_arrays())),
        relative("both, the half the constant was not taken from", "PLENA", mx_pairs(mx_halves()[1])),
        relative(
            "area of MXFP8, MXINT8, NVFP4, NVINT4 dot products over MXFP8's (nothing fitted)",
            INT_FP,
            [(int_fp[name][0], published) for name, published in PUBLISHED_AREA.items()],
        ),
        relative(
            "energy of the same",
            INT_FP,
            [(int_fp[name][1], published) for name, published in PUBLISHED_ENERGY.items()],
        ),
        relative(
            "area of MX9, MX6, MX4 dot products of 64 over FP8's (nothing fitted)",
            "Rouhani et al., ISCA 2023 (area and memory together)",
            [(mx[name][0], published) for name, published in PUBLISHED_MX.items()],
        ),
    ]


def _counted(what: str, source: str, pairs: Pairs) -> Row:
    row = relative(what, source, pairs)
    error = f"{row.error}; {100 * within_twice(pairs):.0f} % within 2x"
    return Row(what=what, source=source, rows=row.rows, error=error)


def split_section() -> str:
    """The halves by name, and the plot."""
    fitted, predicted = ({unit.name for unit in half} for half in halves())
    lines = "".join(
        f"| {unit.name.replace('|', '/')} | {'fitted' if unit.name in fitted else 'predicted'} | "
        f"{ours:.0f} | {theirs:.0f} | {_energies(unit)} |\n"
        for unit, (ours, theirs) in zip(published_units(), areas(published_units()), strict=True)
    )
    assert fitted.isdisjoint(predicted)
    return f"""
## The gate-level model, unit by unit

The rows in file order, shuffled with Python's `random.Random({SEED})`, cut in the middle: the constants of
`arch/components/data/logic.toml` are fitted on the first half (`python -m tests.validation.fit_components`). What each
unit is made of: `tests/validation/pe_units.toml`.

![Predicted against published area and energy]({PLOT})

| unit | half | µm² here | µm² published | pJ here / published |
|---|---|---:|---:|---:|
{lines}"""


def _energies(unit: PublishedUnit) -> str:
    if unit.energy_pj is None:
        return "-"
    ((ours, theirs),) = energies([unit])
    return f"{ours:.3f} / {theirs:.3f}"


def write_plot(folder: Path) -> None:
    """The scatter of both halves, without anything that changes from run to run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, measure, unit in zip(panels, (areas, energies), ("area, µm²", "energy, pJ"), strict=True):
        everything = [value for half in halves() for pair in measure(half) for value in pair]
        low, high = min(everything) / 1.5, max(everything) * 1.5
        for half, label, marker in zip(halves(), ("fitted", "predicted"), ("o", "^"), strict=True):
            pairs = measure(half)
            panel.scatter([theirs for _, theirs in pairs], [ours for ours, _ in pairs], marker=marker, label=label)
        panel.plot([low, high], [low, high], color="0.4", linewidth=1)
        for factor in (0.5, 2.0):
            panel.plot([low, high], [low * factor, high * factor], color="0.7", linewidth=1, linestyle="--")
        panel.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        panel.set(xlabel=f"published {unit}", ylabel=f"gate-level model, {unit}")
        panel.legend(frameon=False)
    figure.savefig(folder / PLOT, metadata={"Software": None})
