"""Operands for tests of bit-level engines: those that break datapaths, and drawn ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def limits(width: int, *, signed: bool) -> tuple[int, int]:
    """The lowest and the highest operand of `width` bits."""
    return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)


def adversarial(lanes: int, width: int = 8, *, signed: bool = True) -> Integers:
    """Groups [groups, lanes]: zeros, the limits, all ones, alternating bits and signs, a single lane at work."""
    low, high = limits(width, signed=signed)
    checker = 0x5555 & ((1 << width) - 1)
    words = [0, low, high, -1 if signed else high, 1, checker, checker << 1]
    values = [(word - low) % (1 << width) + low for word in words]
    rows = [np.full(lanes, value) for value in values]
    for value in values:
        single = np.zeros(lanes, dtype=np.int64)
        single[lanes // 2] = value
        rows.append(single)
    rows.append(np.where(np.arange(lanes) % 2, low, high))
    rows.append(np.arange(lanes) * 37 % (1 << width) + low)
    return np.array(rows, dtype=np.int64)


def drawn(groups: int, lanes: int, seed: int, width: int = 8, *, signed: bool = True) -> Integers:
    """Uniform groups, and groups of few bits, half and half."""
    low, high = limits(width, signed=signed)
    generator = np.random.default_rng(seed)
    wide = generator.integers(low, high + 1, size=(groups // 2, lanes))
    narrow = generator.integers(max(low, -5), 6, size=(groups - groups // 2, lanes))
    return np.concatenate([wide, narrow]).astype(np.int64)


def weights(rows: int, length: int, seed: int = 0) -> NDArray[np.int8]:
    """int8 weights: normal, with a scale for each row."""
    values = np.random.default_rng(seed).normal(size=(rows, length))
    return np.rint(values * 127 / np.abs(values).max(axis=1, keepdims=True)).astype(np.int8)
