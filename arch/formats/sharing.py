"""Which elements share metadata (a scale, a type tag, a codebook), and how their arrays are cut into such sets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Granularity
from archsim.core.errors import InputError, Problem

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MAX_GROUP = 10**9

_GROUP = re.compile(r"g(\d{1,9})")
_SHARE = re.compile(r"s(\d{1,3}(?:\.\d{1,6})?)")
_ROWS = {str(name): name for name in (Granularity.CHANNEL, Granularity.TOKEN, Granularity.HEAD)}


@dataclass(frozen=True, slots=True)
class Sharing:
    """A set is the whole array (tensor), a row along the last axis (channel, token, head) or a run of a row (group)."""

    granularity: Granularity
    group_size: int = 0
    """Elements of a group; 0 for the other granularities."""

    def __str__(self) -> str:
        return f"g{self.group_size}" if self.granularity is Granularity.GROUP else str(self.granularity)

    def sets_per_row(self, shape: tuple[int, ...]) -> int:
        """Sets in one row of `shape` (1 for a tensor), 0 for an empty row."""
        length = shape[-1] if shape else 1
        if self.granularity is not Granularity.GROUP:
            return min(length, 1)
        return math.ceil(length / self.group_size)

    def sets(self, shape: tuple[int, ...]) -> int:
        """Sets in an array of `shape`; a short last group of a row counts as one."""
        if self.granularity is Granularity.TENSOR:
            return 1
        return math.prod(shape[:-1]) * self.sets_per_row(shape)

    def share(self, bits: int) -> Fraction:
        """`bits` of each set as bits per element, where the shape does not matter (groups); 0 elsewhere."""
        return Fraction(bits, self.group_size) if self.granularity is Granularity.GROUP else Fraction(0)

    def counted(self, shape: tuple[int, ...], bits: int) -> int:
        """Bits of all sets' metadata of an array of `shape`; metadata per tensor are not counted."""
        return 0 if self.granularity is Granularity.TENSOR else self.sets(shape) * bits

    def split(self, values: NDArray[Any]) -> NDArray[Any]:
        """`values` as [sets, elements], short groups filled up with zeros."""
        if self.granularity is Granularity.TENSOR:
            return np.ascontiguousarray(values.reshape(1, -1))
        rows = values.reshape((1,)) if values.ndim == 0 else values
        length = rows.shape[-1]
        size = self.group_size if self.granularity is Granularity.GROUP else length
        sets = self.sets(values.shape)
        missing = self.sets_per_row(values.shape) * size - length
        if missing > 0:
            rows = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, missing)])
        return np.ascontiguousarray(rows.reshape(sets, max(size, 1) if sets else 0))

    def join(self, sets: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """The inverse of `split` for an array of `shape`."""
        if sets.size == math.prod(shape):
            return sets.reshape(shape)
        length = shape[-1] if shape else 1
        return sets.reshape((*shape[:-1], -1))[..., :length].reshape(shape)


TENSOR = Sharing(Granularity.TENSOR)
CHANNEL = Sharing(Granularity.CHANNEL)


def group(size: int) -> Sharing:
    """Runs of `size` elements along the last axis."""
    return Sharing(Granularity.GROUP, size)


def take_sharing(spec: str, options: list[str], default: Sharing) -> Sharing:
    """The sharing that the first option names, taken off `options`; `default` when it names none. Raises InputError."""
    if not options:
        return default
    option = options[0]
    match = _GROUP.fullmatch(option)
    if match is not None and int(match[1]) < 1:
        raise InputError(Problem(message=f"format {spec!r}: a group has at least 1 element (got {option!r})"))
    if match is None and option not in _ROWS and option != str(Granularity.TENSOR):
        return default
    del options[0]
    if match is not None:
        return group(int(match[1]))
    return Sharing(_ROWS[option]) if option in _ROWS else TENSOR


def take_percent(spec: str, options: list[str], default: Fraction) -> Fraction:
    """The fraction that an option ``s<percent>`` gives, taken off `options`; else `default`. Raises InputError."""
    match = _SHARE.fullmatch(options[0]) if options else None
    if match is None:
        return default
    fraction = Fraction(match[1]) / 100
    if fraction >= 1:
        raise InputError(Problem(message=f"format {spec!r}: a share of outliers is below 100 percent (got {match[1]})"))
    del options[0]
    return fraction


def take_flag(options: list[str], name: str) -> bool:
    """Whether the first option is `name`; it is taken off `options` then."""
    if options and options[0] == name:
        del options[0]
        return True
    return False


def refuse_rest(spec: str, options: Sequence[str], grammar: str) -> None:
    """InputError when an option is left over."""
    if options:
        message = f"format {spec!r}: option {options[0]!r} is unknown or out of place"
        raise InputError(Problem(message=message, hint=grammar))


def check_bits(spec: str, what: str, bits: int, low: int, high: int) -> None:
    """InputError unless `bits` lies within [low, high]."""
    if not low <= bits <= high:
        raise InputError(Problem(message=f"format {spec!r}: {what} {low} to {high} (got {bits})"))


def percent(fraction: Fraction) -> str:
    """A fraction as the option that spells it: 9/2000 is ``s0.45``."""
    return f"s{float(fraction * 100):.6f}".rstrip("0").rstrip(".")


def finite(x: ArrayLike, name: str) -> Array:
    """`x` as float64. Raises InputError when a value is NaN or infinite: it has no code in `name`."""
    values = np.asarray(x, dtype=np.float64)
    low, high = values.min(initial=0.0), values.max(initial=0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(Problem(message=f"NaN and infinities have no code in {name}: got a value not finite"))
    return values


def fp16(scales: Array) -> Array:
    """Non-negative `scales` as stored in FP16: saturating, and not vanishing unless they are 0."""
    info = np.finfo(np.float16)
    rounded = np.minimum(scales, float(info.max)).astype(np.float16).astype(np.float64)
    return np.where((rounded == 0) & (scales > 0), float(info.smallest_subnormal), rounded)


def fp32(scales: Array) -> Array:
    """Non-negative `scales` as stored in FP32: saturating, and not vanishing unless they are 0."""
    info = np.finfo(np.float32)
    rounded = np.minimum(scales, float(info.max)).astype(np.float32).astype(np.float64)
    return np.where((rounded == 0) & (scales > 0), float(info.smallest_subnormal), rounded)
