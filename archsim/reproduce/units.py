"""Recomputations about the arithmetic of a format: what it keeps of data, and what a unit that multiplies it costs."""

from __future__ import annotations

from archsim.arch.components.dot import dot_product_cost
from archsim.arch.formats import Format, format
from archsim.arch.formats.error import rounding_error
from archsim.core.units import length_nm
from archsim.reproduce.options import DotProductOptions, FidelityOptions
from archsim.workloads.samples import sample

SAMPLE_ELEMENTS = 1 << 18


def fidelity_gain(options: FidelityOptions) -> float:
    """By how many dB the format's signal-to-quantization-noise ratio is above the baseline's."""
    x = sample(options.distribution, SAMPLE_ELEMENTS)
    ours, theirs = (rounding_error(format(spec), x).sqnr_db for spec in (options.format, options.baseline))
    return ours - theirs


def unit_ratio(options: DotProductOptions) -> float:
    """The baseline's dot-product unit over the format's: area, energy of a step, or area times stored bits."""
    return _unit(format(options.baseline), options) / _unit(format(options.format), options)


def _unit(chosen: Format, options: DotProductOptions) -> float:
    arithmetic, accumulator = chosen.arithmetic, format(options.accumulator).arithmetic
    cost = dot_product_cost(options.lanes, arithmetic, arithmetic, accumulator, length_nm(options.node))
    assert cost.area_um2 is not None
    match options.quantity:
        case "area":
            return cost.area_um2
        case "energy":
            return cost.energy_pj
        case "area-memory":
            return cost.area_um2 * float(chosen.bits_per_element)
