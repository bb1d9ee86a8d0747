"""The statistics of one tensor: of its values, and of its operands in each format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.arch.formats import Format, Granularity
from archsim.arch.formats.integer import IntegerFormat
from archsim.arch.formats.scales import SCALE_TYPES
from archsim.arch.formats.stored import StoredFormat
from archsim.core.errors import InputError, Problem
from archsim.workloads.statistics.measures import byte_values, byte_words
from archsim.workloads.statistics.operands import Operands, operands
from archsim.workloads.statistics.records import (
    Counts,
    FormatStatistics,
    Histograms,
    TensorStatistics,
    ValueStatistics,
)
from archsim.workloads.statistics.tally import (
    BYTE_BITS,
    Tally,
    byte_histograms,
    over_rows,
    summed,
    tally_bytes,
    wide_histograms,
)

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

DEFAULT_LANES = (16, 32, 64)
"""Sizes of groups. Sources: bricks of Bit-Pragmatic are 16 lanes (Albericio et al., MICRO 2017, recalled), groups of
BitVert and BitWave up to 32 (recalled), Bitlet interleaves 64 weights (Lu et al., MICRO 2021, recalled)."""
LARGEST_LANES = 128
SIGMA_BINS = 64
"""Whole standard deviations that are told apart; the last bin is open."""
LARGEST_VALUE = 2.0**400
"""Sums of squares of larger values are beyond float64."""
LARGEST_STORED_WIDTH = 32
"""Integers of 64 bits are taken for as many, which their values must fit."""
LISTED_WIDTH = 12
"""Widest operands that are counted by value."""


_NARROW = re.compile(r"u?int([1-8])")
"""Types that numpy takes for opaque bytes: ml_dtypes' int2, int4, uint4, ..."""


def check_lanes(lanes: Iterable[int]) -> tuple[int, ...]:
    """Sizes of groups, ascending, each once. Raises InputError unless all are powers of two from 2 to 128."""
    sizes = sorted(set(lanes))
    wrong = [size for size in sizes if not (2 <= size <= LARGEST_LANES and size & (size - 1) == 0)]
    if wrong or not sizes:
        got = ", ".join(str(size) for size in wrong) or "none"
        raise InputError(Problem(key="groups", message=f"must be powers of two from 2 to {LARGEST_LANES} (got {got})"))
    return tuple(sizes)


def tensor_statistics(
    tensor: NDArray[Any],
    formats: Sequence[Format],
    *,
    layer: str,
    operand: str = "weights",
    source: str,
    lanes: Sequence[int] = DEFAULT_LANES,
) -> TensorStatistics:
    """The statistics of a tensor whose last axis is the reduction, in each of `formats`.

    A tensor of integers is already quantized: it is counted as it is, as one format named after its type. Raises
    InputError for a tensor without elements, of other types, or with values that are not finite.
    """
    sizes = check_lanes(lanes)
    if tensor.size == 0:
        raise InputError(Problem(key=layer, message=f"{operand} hold no elements"))
    rows = np.ascontiguousarray(tensor.reshape(-1, tensor.shape[-1] if tensor.ndim else 1))
    shape = (rows.shape[0], rows.shape[1])
    if (width := integer_width(rows.dtype)) is not None:
        found = (_stored_integers(rows, width, layer, sizes),)
        return TensorStatistics(layer=layer, operand=operand, source=source, shape=shape, values=None, formats=found)
    numbers = _floats(rows, layer)
    values = value_statistics(numbers, layer)
    return TensorStatistics(
        layer=layer,
        operand=operand,
        source=source,
        shape=shape,
        values=values,
        formats=tuple(format_statistics(numbers, fmt, sizes, values.largest) for fmt in formats),
    )


def value_statistics(x: Floats, layer: str = "") -> ValueStatistics:
    """The statistics of values [rows, length]. Raises InputError where one is not finite."""
    from archsim.workloads.statistics.value_kernels import moments

    flat, shift = x.reshape(-1), float(x.flat[0])
    shift = shift if math.isfinite(shift) else 0.0

    def sums(start: int, stop: int) -> NDArray[np.float64]:
        out = np.zeros(4)
        moments(flat[start * x.shape[1] : stop * x.shape[1]], shift, out)
        return out

    parts = np.array(list(over_rows((x.shape[0], x.shape[1]), sums)))
    largest = float(parts[:, 2].max())
    if not math.isfinite(largest):
        raise InputError(Problem(key=layer, message="holds elements that are NaN or infinite"))
    if largest > LARGEST_VALUE:
        raise InputError(Problem(key=layer, message=f"holds magnitudes above {LARGEST_VALUE:g} (got {largest:g})"))
    offset = math.fsum(parts[:, 0]) / x.size
    deviation = math.sqrt(max(math.fsum(parts[:, 1]) / x.size - offset * offset, 0.0))
    mean, inverse = shift + offset, 1 / deviation if deviation else 0.0

    pairs, alone = _deviations(x, mean, inverse)
    larger = np.maximum.outer(np.arange(SIGMA_BINS), np.arange(SIGMA_BINS))
    smaller = np.minimum.outer(np.arange(SIGMA_BINS), np.arange(SIGMA_BINS))
    return ValueStatistics(
        elements=x.size,
        zeros=int(parts[:, 3].sum()),
        mean=mean,
        deviation=deviation,
        largest=largest,
        sigmas=pairs.sum(axis=0) + pairs.sum(axis=1) + alone,
        larger=_binned(larger, pairs),
        smaller=_binned(smaller, pairs),
    )


def _deviations(x: Floats, mean: float, inverse: float) -> tuple[Counts, Counts]:
    """Pairs by whole deviations of both elements [bins, bins], and elements without a pair [bins]."""
    from archsim.workloads.statistics.value_kernels import TURNS, count_deviations

    def count(start: int, stop: int) -> tuple[Counts, Counts]:
        pairs = np.zeros((TURNS, SIGMA_BINS, SIGMA_BINS), dtype=np.int64)
        alone = np.zeros(SIGMA_BINS, dtype=np.int64)
        count_deviations(x[start:stop], mean, inverse, pairs.reshape(-1), alone)
        return pairs.sum(axis=0), alone

    pairs, alone = zip(*over_rows((x.shape[0], x.shape[1]), count), strict=True)
    return np.sum(pairs, axis=0), np.sum(alone, axis=0)


def _binned(bins: Integers, counts: Counts) -> Counts:
    """The counts that belong to each bin."""
    binned = np.zeros(SIGMA_BINS, dtype=np.int64)
    np.add.at(binned, bins, counts)
    return binned


def format_statistics(x: Floats, fmt: Format, lanes: tuple[int, ...], largest: float) -> FormatStatistics:
    """The statistics of finite values [rows, length] in a format; `largest` is their largest magnitude."""
    base = fmt.base if isinstance(fmt, StoredFormat) else fmt
    if isinstance(base, IntegerFormat) and _is_fused(base):
        tally = _tally_integers(x, base, lanes, largest)
        return _of_bytes(fmt.name, tally, base.bits_stored, base.arithmetic.signed)
    found = operands(fmt, x)
    lowest, codes, groups = _tallied(found, lanes)
    exponents = None if found.exponents is None else np.bincount(found.exponents.reshape(-1)).astype(np.int64)
    return FormatStatistics(
        format=fmt.name,
        view=found.view,
        width=found.width,
        signed=found.signed,
        zero_values=found.zero_values,
        entropy_bits=entropy(np.unique(found.codes, return_counts=True)[1]),
        lowest=lowest,
        codes=codes,
        exponents=exponents,
        groups=groups,
    )


def _tallied(found: Operands, lanes: tuple[int, ...]) -> tuple[int, Counts | None, Mapping[int, Histograms]]:
    """The lowest operand, counts by operand from there up, and the histograms of groups."""
    width, signed = found.width, found.signed
    if width > BYTE_BITS:
        return *_listed(found), wide_histograms(found.integers, width, signed, lanes)
    bytes_ = found.integers.astype(np.int8 if signed else np.uint8).view(np.uint8)
    codes, groups = byte_histograms(tally_bytes(bytes_, width, signed, lanes), width, signed)
    return *_by_value(codes, width, signed), groups


def entropy(counts: NDArray[np.integer[Any]]) -> float:
    """Shannon entropy in bits of what occurs `counts` times."""
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def _is_fused(fmt: IntegerFormat) -> bool:
    """Whether the format is encoded and counted in one pass."""
    return fmt.bits_stored <= BYTE_BITS and not fmt.asymmetric and not (fmt.bits_stored == 1 and fmt.lowest < 0)


def _tally_integers(x: Floats, fmt: IntegerFormat, lanes: tuple[int, ...], largest: float) -> Tally:
    from archsim.arch.formats.kernels import integer_scale
    from archsim.workloads.statistics.integer_kernels import tally_integers

    words = byte_words(fmt.bits_stored, fmt.arithmetic.signed)
    scale_type = SCALE_TYPES[fmt.scale.kind].parameters
    size, scale = fmt.scale.group_size or x.shape[1], 0.0
    if fmt.scale.granularity is Granularity.TENSOR:
        top = largest if fmt.lowest < 0 else max(float(x.max()), 0.0)
        size, scale = 0, float(integer_scale(top, float(fmt.highest), *scale_type))

    def count(start: int, stop: int) -> Tally:
        part = Tally.of(lanes)
        low, high = float(fmt.lowest), float(fmt.highest)
        fraction_bits, smallest, most = scale_type
        shape = size, scale, low, high, fraction_bits, smallest, most
        tally_integers(x[start:stop], *shape, words, part.sizes, part.codes, part.counts)
        return part

    return summed(over_rows((x.shape[0], x.shape[1]), count), lanes)


def _of_bytes(name: str, tally: Tally, width: int, signed: bool) -> FormatStatistics:
    codes, groups = byte_histograms(tally, width, signed)
    lowest, listed = _by_value(codes, width, signed)
    return FormatStatistics(
        format=name,
        view="integer",
        width=width,
        signed=signed,
        zero_values=int(codes[0]),
        entropy_bits=entropy(codes),
        lowest=lowest,
        codes=listed,
        exponents=None,
        groups=groups,
    )


def _by_value(codes: Counts, width: int, signed: bool) -> tuple[int, Counts]:
    """Counts by byte in the order of the operands, from the lowest one up."""
    values = byte_values(signed)
    lowest = -(1 << (width - 1)) if signed else 0
    listed = np.zeros(1 << width, dtype=np.int64)
    seen = codes > 0
    listed[values[seen] - lowest] = codes[seen]
    return lowest, listed


def _listed(found: Operands) -> tuple[int, Counts | None]:
    if found.width > LISTED_WIDTH:
        return 0, None
    lowest = -(1 << (found.width - 1)) if found.signed else 0
    return lowest, np.bincount((found.integers - lowest).reshape(-1), minlength=1 << found.width).astype(np.int64)


def integer_width(dtype: np.dtype[Any]) -> int | None:
    """Bits of an integer type, ml_dtypes' narrow ones too; None for others."""
    if dtype.kind in "iu":
        return 8 * dtype.itemsize
    match = _NARROW.fullmatch(dtype.name)
    return int(match[1]) if match else None


def _stored_integers(rows: NDArray[Any], width: int, layer: str, lanes: tuple[int, ...]) -> FormatStatistics:
    """Statistics of integers that are stored as such, in as many bits as their type has, 32 at most."""
    signed = rows.dtype.kind == "i" or rows.dtype.name.startswith("int")
    integers = rows.astype(np.int64)
    if width > LARGEST_STORED_WIDTH:
        width = LARGEST_STORED_WIDTH
        low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
        if int(rows.min()) < low or int(rows.max()) > high:
            raise InputError(Problem(key=layer, message=f"holds integers of more than {width} bits"))
    found = Operands(
        view="integer",
        integers=integers,
        width=width,
        signed=signed,
        codes=integers,
        zero_values=integers.size - int(np.count_nonzero(integers)),
    )
    lowest, codes, groups = _tallied(found, lanes)
    return FormatStatistics(
        format=f"{'int' if signed else 'uint'}{width}",
        view=found.view,
        width=width,
        signed=signed,
        zero_values=found.zero_values,
        entropy_bits=entropy(np.unique(integers, return_counts=True)[1]),
        lowest=lowest,
        codes=codes,
        exponents=None,
        groups=groups,
    )


def _floats(rows: NDArray[Any], layer: str) -> Floats:
    """float32 or float64; smaller floats, ml_dtypes' too, as float32."""
    if rows.dtype in (np.float32, np.float64):
        return np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))
    if rows.dtype.kind in "fV" and rows.dtype.itemsize <= 2:
        return _single(rows)
    raise InputError(Problem(key=layer, message=f"holds {rows.dtype} elements, which are no numbers to count"))


def _single(rows: NDArray[Any]) -> Floats:
    """Rows as float32."""
    out = np.empty(rows.shape, dtype=np.float32)

    def convert(start: int, stop: int) -> None:
        out[start:stop] = rows[start:stop]

    list(over_rows((rows.shape[0], rows.shape[1]), convert))
    return out
