"""How far a format's values are from the data: signal-to-quantization-noise ratio, cosine similarity, largest error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Format

CHUNK = 1 << 16
"""Elements that are summed at once: half a mebibyte of each array, which stays in the cache."""
ORDINARY_EXPONENT = 400
"""Up to 2^400 and down to 2^-400 the squares of float64 numbers, and sums of them, are in its range."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundingError:
    """What rounding an array did to it. A ratio that does not exist is NaN."""

    elements: int
    sqnr_db: float
    """10 log10(sum of x^2 / sum of (x - y)^2), y the rounded x; infinite when nothing changed.

    One ratio over all elements, not the mean of one per vector: large vectors count for more.
    Source: Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way", ISCA 2023 (QSNR).
    """
    cosine: float
    """Sum of x y over the square root of (sum of x^2) (sum of y^2)."""
    max_abs_error: float
    not_finite: int
    """Elements that became NaN or infinite; the ratios are then NaN and the largest error infinite."""


def rounding_error(fmt: Format, x: ArrayLike) -> RoundingError:
    """The error of `fmt` on finite `x`, whose last axis is the one that scales are shared along."""
    values = np.asarray(x, dtype=np.float64)
    return error_between(values, np.asarray(fmt.round(values), dtype=np.float64))


def error_between(x: Array, rounded: Array) -> RoundingError:
    """The error of `rounded`, an array of the shape of the finite `x`. Sums are the same on every run."""
    not_finite = rounded.size - int(np.count_nonzero(np.isfinite(rounded)))
    if not_finite:
        return _undefined(x.size, not_finite)
    sums: list[tuple[float, float, float, float]] = []
    largest, down = 0.0, _scale_down(x)
    for exact, near in _chunks(x, rounded):
        if down:
            exact, near = np.ldexp(exact, -down), np.ldexp(near, -down)
        error = exact - near
        sums.append((_sum(exact, exact), _sum(error, error), _sum(near, near), _sum(exact, near)))
        largest = max(largest, float(np.abs(error, out=error).max()))
    signal, noise, power, product = (math.fsum(column) for column in zip(*sums, strict=True)) if sums else (0.0,) * 4
    return RoundingError(
        elements=x.size,
        sqnr_db=_decibel(signal, noise),
        cosine=min(product / (math.sqrt(signal) * math.sqrt(power)), 1.0) if signal and power else math.nan,
        max_abs_error=math.ldexp(largest, down),
        not_finite=0,
    )


def _scale_down(x: Array) -> int:
    """The power of two to divide by so that squares neither overflow nor vanish; 0 for ordinary values."""
    largest = max(float(x.max(initial=0.0)), -float(x.min(initial=0.0)))
    exponent = math.frexp(largest)[1]
    return exponent if abs(exponent) > ORDINARY_EXPONENT else 0


def _chunks(x: Array, rounded: Array) -> Iterator[tuple[Array, Array]]:
    exact, near = x.reshape(-1), rounded.reshape(-1)
    for start in range(0, exact.size, CHUNK):
        yield exact[start : start + CHUNK], near[start : start + CHUNK]


def _sum(a: Array, b: Array) -> float:
    return float(np.multiply(a, b).sum())


def _decibel(signal: float, noise: float) -> float:
    if noise == 0:
        return math.inf
    return 10 * (math.log10(signal) - math.log10(noise)) if signal else math.nan


def _undefined(elements: int, not_finite: int) -> RoundingError:
    return RoundingError(
        elements=elements, sqnr_db=math.nan, cosine=math.nan, max_abs_error=math.inf, not_finite=not_finite
    )
