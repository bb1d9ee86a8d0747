"""Sizes of formats whose code depends on the values: a sample is encoded and its bits are counted."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats import Format
from archsim.arch.formats.base import Quantized
from archsim.core.errors import InputError, Problem, unknown_name
from archsim.reproduce.options import ValuesOptions
from archsim.workloads.samples import DISTRIBUTIONS

SAMPLE_ELEMENTS = 1 << 20
"""Elements of the sample that stands for a larger tensor: whole rows of the tensor's length."""
TERNARY = "ternary"
SEED = 0

Array = NDArray[np.float64]


@runtime_checkable
class Encoded(Protocol):
    """A format that knows the size of an encoded array."""

    def stored_bits(self, q: Quantized) -> int: ...


def encoded_bits(chosen: Format, values: ValuesOptions, shape: tuple[int, ...]) -> Fraction:
    """Bits of an array of `shape` with such values, from encoding as many of its rows as a sample takes.

    Raises InputError for a format that stores the same bits whatever the values, and for unknown distributions.
    """
    length, rows = shape[-1], math.prod(shape[:-1])
    sampled = min(rows, -(-SAMPLE_ELEMENTS // length))
    bits = _sample_bits(chosen, values.distribution, values.zeros, values.spread, sampled, length)
    return bits * rows / sampled


@lru_cache(maxsize=256)
def _sample_bits(
    chosen: Format, distribution: str, zeros: float | None, spread: float, rows: int, length: int
) -> Fraction:
    if not isinstance(chosen, Encoded):
        raise InputError(Problem(key="values", message=f"the size of {chosen.name} does not depend on values"))
    generator = np.random.Generator(np.random.PCG64(SEED))
    if distribution == TERNARY and zeros is not None:
        x = _ternary(generator, zeros, spread, rows, length)
    elif distribution in DISTRIBUTIONS:
        x = DISTRIBUTIONS[distribution].draw(generator, (rows, length))
    else:
        raise InputError(unknown_name("distribution", distribution, {*DISTRIBUTIONS, TERNARY}))
    return Fraction(chosen.stored_bits(chosen.quantize(x)))


def _ternary(generator: np.random.Generator, mean_zeros: float, spread: float, rows: int, length: int) -> Array:
    """Rows of -1, 0 and 1 drawn independently; the rows' shares of zeros are the quantiles of a normal distribution."""
    zeros = np.full(rows, mean_zeros)
    if spread:
        normal = NormalDist(0.0, spread)
        zeros += np.array([normal.inv_cdf((row + 0.5) / rows) for row in range(rows)])
    drawn = generator.random((rows, length))
    signs = np.where(generator.random((rows, length)) < 0.5, -1.0, 1.0)
    return np.where(drawn < np.clip(zeros, 0.0, 1.0)[:, None], 0.0, signs)
