"""RaZeR: `razer-fp4`, FP4 of NVFP4's layout whose minus zero stands for a special value chosen per block.

Grammar: ``razer-fp4[:g<size>][:e4m3]``, blocks of 16 by default. The block scale keeps 8 bits: a scale is never
negative and weights need three exponent bits only, so two of them name the special value (±5, ±8); with ``e4m3`` the
scale stays E4M3, as activations need, and its sign bit chooses between ±5.
Source: Chen et al., RaZeR: Pushing the Limits of NVFP4 Quantization with Redundant Zero Remapping, 2025.
"""

from __future__ import annotations

import re
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats.base import Arithmetic, ArithmeticKind, Scale
from archsim.arch.formats.candidates import Candidate, signed
from archsim.arch.formats.minifloat import FloatFormat
from archsim.arch.formats.search import Scales, SearchFormat
from archsim.arch.formats.sharing import Array, Sharing, fp32, group, refuse_rest, take_flag, take_sharing

GROUP_SIZE = 16
BITS = 4
BLOCK_BITS = 8
"""Scale and selector of a block together."""
BASE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Magnitudes of FP4 E2M1 by code."""
MINUS_ZERO = 1 << (BITS - 1)
SPECIALS = {"e3m3": (5.0, -5.0, 8.0, -8.0), "e4m3": (5.0, -5.0)}
FIXED_POINT_BITS = 6
"""A sign, 4 bits above and 1 below the point hold every value."""
TERMS = 2

SUMMARY = "FP4 blocks whose minus zero stands for a special value of the block"
SOURCE = "Chen et al., RaZeR, 2025"
GRAMMAR = "razer-fp4[:g<size>][:e4m3]"
EXAMPLES = ("razer-fp4:g16", "razer-fp4:g16:e4m3")

_SPEC = re.compile(r"razer-fp4((?::[a-z0-9.]+)*)")


class RazerFormat(SearchFormat):
    """FP4 with a special value per block, a block scale in UE3M3 or UE4M3, and an FP32 scale of the whole array.

    The array's scale makes the largest block scale the largest of its type. A block whose scale would vanish keeps the
    smallest one. `extra`: ``choice``, ``scale_codes`` and ``tensor_scale``.
    """

    def __init__(self, *, sharing: Sharing, scale_type: str) -> None:
        base = signed(BASE, BITS - 1)
        self.scale_type = _scale_type(scale_type)
        grid = self.scale_type.grid
        self._scale_values = grid[grid >= 0]
        self._boundaries = _boundaries(self._scale_values)
        suffix = ":e4m3" if scale_type == "e4m3" else ""
        super().__init__(
            f"razer-fp4:{sharing}{suffix}",
            bits=BITS,
            sharing=sharing,
            candidates=tuple(Candidate(f"{value:+g}", base | {MINUS_ZERO: value}) for value in SPECIALS[scale_type]),
            set_bits=BLOCK_BITS,
            arithmetic=Arithmetic(
                kind=ArithmeticKind.LOOKUP,
                integer_bits=FIXED_POINT_BITS,
                lookup_entries=1 << BITS,
                serial_terms=TERMS,
                scale=Scale(
                    granularity=sharing.granularity, group_size=sharing.group_size, kind=scale_type, bits=BLOCK_BITS
                ),
            ),
        )

    def scales_for(self, largest: Array, shape: tuple[int, ...]) -> Scales:
        tops, of_candidate = np.unique(self.tables.largest, return_inverse=True)
        wanted = largest[:, None] / tops
        tensor_scale = fp32(np.asarray(wanted.max(initial=0.0) / self.scale_type.largest))
        relative = np.divide(wanted, tensor_scale, out=np.zeros_like(wanted), where=tensor_scale > 0)
        codes = np.searchsorted(self._boundaries, np.minimum(relative, self.scale_type.largest))
        codes = np.where((codes == 0) & (wanted > 0), 1, codes)
        stored: dict[str, NDArray[np.generic]] = {
            "scale_codes": codes.astype(np.uint8)[:, of_candidate],
            "tensor_scale": tensor_scale.astype(np.float32),
        }
        values = self._scale_values[codes][:, of_candidate] * tensor_scale
        return Scales(values=values, stored=MappingProxyType(stored))


def _boundaries(values: Array) -> Array:
    """What lies above entry i rounds to value i + 1 or a later one: midpoints, ties to the even code."""
    middles = (values[1:] + values[:-1]) / 2
    ties_go_up = np.arange(len(middles)) % 2 == 1
    return np.where(ties_go_up, np.nextafter(middles, 0.0), middles)


def _scale_type(name: str) -> FloatFormat:
    return FloatFormat("fp8_e4m3", 4, 3) if name == "e4m3" else FloatFormat("fp7_e3m3", 3, 3)


def parse(spec: str) -> RazerFormat | None:
    """The RaZeR format that `spec` (lower case) names, None when it names none; InputError for a bad option."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        return None
    options = match[1].split(":")[1:]
    sharing = group(GROUP_SIZE)
    if options and options[0].startswith("g"):
        sharing = take_sharing(spec, options, sharing)
    scale_type = "e4m3" if take_flag(options, "e4m3") else "e3m3"
    refuse_rest(spec, options, GRAMMAR)
    return RazerFormat(sharing=sharing, scale_type=scale_type)
