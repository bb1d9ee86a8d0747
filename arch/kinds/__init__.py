"""The registry of engine kinds: `kind` of `[hardware]` to its keys and its engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from archsim.arch.kinds.base import Kind
from archsim.arch.kinds.bit_composable import BIT_COMPOSABLE
from archsim.arch.kinds.bit_serial import BIT_SERIAL
from archsim.arch.kinds.dot import DOT_PRODUCT
from archsim.arch.kinds.lookup import LOOKUP
from archsim.arch.kinds.outlier import CENTROID, OUTLIER
from archsim.arch.kinds.overq import OVERQ
from archsim.arch.kinds.shift_add import SHIFT_ADD
from archsim.arch.kinds.sparse import SPARSE
from archsim.arch.kinds.spatial import SPATIAL
from archsim.arch.kinds.systolic import SYSTOLIC

__all__ = ["INSTEAD", "KINDS", "KIND_NAMES", "Kind"]

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            SPATIAL,
            SYSTOLIC,
            BIT_SERIAL,
            BIT_COMPOSABLE,
            LOOKUP,
            SPARSE,
            SHIFT_ADD,
            OUTLIER,
            CENTROID,
            OVERQ,
            DOT_PRODUCT,
        )
    }
)
KIND_NAMES = (*KINDS, "dsp-chain", "tensor-core", "simd")
"""Every kind, those too that are not available yet."""
INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "tensor-core": "kind 'dot-product' has units of several lanes and their formats, kind 'sparse' those with "
        "zeros (2:4, both operands); ready ones: base = 'tensor-core', 'sparse-tensor-core', "
        "'flexible-sparse-tensor-core', 'dual-side-tensor-core', 'lut-tensor-core-28nm' or 'block-dot-28nm'",
    }
)
"""What does the work of a kind that is not available."""
