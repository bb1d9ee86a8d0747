"""What is known of a network's tensors: histograms of values, of operands, and of groups of lanes.

A histogram is an int64 array: entry v counts how often v was seen. Histograms by bit position have a row per position,
from the least significant bit up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from archsim.arch.order import expected_largest, shares_of
from archsim.core.errors import InputError, Problem, unknown_name

Counts = NDArray[np.int64]
Histograms = Mapping[str, Counts]

ELEMENT = 1
"""The number of lanes of histograms of single elements."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueStatistics:
    """A tensor before it is quantized. Deviations are counted in standard deviations from the mean."""

    elements: int
    zeros: int
    mean: float
    deviation: float
    largest: float
    """Of the magnitudes."""
    sigmas: Counts
    """Elements by whole standard deviations from the mean; the last bin is open."""
    larger: Counts
    """Pairs of neighbours along a row by the whole deviations of the one farther from the mean."""
    smaller: Counts
    """The same pairs by the other one."""

    @property
    def density(self) -> float:
        """Share of elements that are not zero."""
        return 1 - self.zeros / self.elements

    def beyond(self, sigmas: int) -> float:
        """Share of elements at least so many standard deviations from the mean."""
        return float(self.sigmas[sigmas:].sum()) / self.elements

    def pairs(self, sigmas: int) -> tuple[int, int, int]:
        """Pairs with no, one and two elements at least so many deviations from the mean: normal pairs,
        outlier-victim pairs, and pairs in which an outlier is lost."""
        some, both = int(self.larger[sigmas:].sum()), int(self.smaller[sigmas:].sum())
        return int(self.larger.sum()) - some, some - both, both


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FormatStatistics:
    """A tensor in one format: its operands as a multiplier gets them."""

    format: str
    view: str
    """``integer`` (codes), ``significand`` (signed significands with the hidden bit), ``fixed-point`` (values before
    the scale, in units of the least one)."""
    width: int
    """Bits of an operand, with the sign."""
    signed: bool
    zero_values: int
    """Elements whose value is zero: with a zero point, these are not the codes that are zero."""
    entropy_bits: float | None
    """Shannon entropy of the stored codes, per element."""
    lowest: int
    """The operand that the first entry of `codes` counts."""
    codes: Counts | None
    """Operands by value; None for wide ones."""
    exponents: Counts | None
    """Exponent fields of floats."""
    groups: Mapping[int, Histograms]
    """By lanes, 1 for single elements; see `histogram`."""

    def histogram(self, statistic: str, lanes: int = ELEMENT) -> Counts:
        """Groups of `lanes` elements by a statistic. Raises InputError for one that was not counted.

        The measures of `measures.MEASURES`; ``nonzeros``; ``peak_ones`` (the largest number of ones in a bit column of
        the magnitudes); and, with a row per bit, ``column_ones`` and ``twos_column_ones``.
        """
        if lanes not in self.groups:
            hint = f"counted: {', '.join(str(known) for known in self.groups)}"
            raise InputError(Problem(message=f"{self.format} has no groups of {lanes} lanes", hint=hint))
        if statistic not in self.groups[lanes]:
            raise InputError(unknown_name("statistic", statistic, self.groups[lanes]))
        return self.groups[lanes][statistic]

    def mean(self, statistic: str, lanes: int = ELEMENT) -> float:
        """The mean of a statistic over all groups."""
        return mean_of(self.histogram(statistic, lanes))

    @property
    def density(self) -> float:
        """Share of operands that are not zero."""
        zeros, nonzeros = self.groups[ELEMENT]["nonzeros"]
        return float(nonzeros / (zeros + nonzeros))

    def zero_columns(self, lanes: int, *, twos: bool = False) -> float:
        """Share of bit columns over `lanes` without a one: of the magnitude (not the sign), or two's complement."""
        counts = self.histogram("twos_column_ones" if twos else "column_ones", lanes)
        rows = counts if twos or not self.signed else counts[: self.width - 1]
        return float(rows[:, 0].sum() / rows.sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TensorStatistics:
    """One operand of one layer."""

    layer: str
    operand: str
    """``weights``, ``inputs`` or ``outputs``."""
    source: str
    """Where the numbers came from; begins with ``estimate:`` where they were drawn."""
    shape: tuple[int, int]
    """Rows, and elements of a row: the reduction."""
    values: ValueStatistics | None
    """None where the tensor came as integers."""
    formats: tuple[FormatStatistics, ...]

    def of(self, format_name: str) -> FormatStatistics:
        """The statistics in a format. Raises InputError for one that was not counted."""
        known = {item.format: item for item in self.formats}
        if format_name not in known:
            raise InputError(unknown_name("format", format_name, known))
        return known[format_name]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TraceStatistics:
    """The tensors of a network."""

    name: str
    tensors: tuple[TensorStatistics, ...]
    notes: tuple[str, ...] = field(default=())

    def of(self, layer: str, operand: str = "weights") -> TensorStatistics:
        """An operand of a layer. Raises InputError for one that was not counted."""
        known = {(item.layer, item.operand): item for item in self.tensors}
        if (layer, operand) not in known:
            raise InputError(unknown_name(f"layer with {operand}", layer, [a for a, b in known if b == operand]))
        return known[layer, operand]


def mean_of(counts: Counts) -> float:
    """The mean of a histogram; NaN of an empty one."""
    total = int(counts.sum())
    return float(np.dot(np.arange(counts.size), counts)) / total if total else float("nan")


def expected_maximum(counts: Counts, draws: int) -> float:
    """The expected largest of `draws` independent draws from a histogram: the sum of 1 - CDF^draws.

    What `draws` groups in lock step wait for, where they do not depend on each other.
    """
    return expected_largest(shares_of(counts), draws)


def frozen(histograms: Mapping[str, Counts]) -> Histograms:
    """The histograms, read-only."""
    for counts in histograms.values():
        counts.flags.writeable = False
    return MappingProxyType(dict(histograms))


def combined(parts: Sequence[TensorStatistics]) -> TensorStatistics:
    """Several tensors of one layer's operand (experts, say) as one: counts add up, entropies and moments are means.

    All parts have the same formats and groups; deviations are each part's own.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    values = [part.values for part in parts if part.values is not None]
    columns = zip(*(part.formats for part in parts), strict=True)
    return replace(
        first,
        shape=(sum(part.shape[0] for part in parts), first.shape[1]),
        values=_combined_values(values) if values else None,
        formats=tuple(_combined_formats(column) for column in columns),
    )


def _combined_values(parts: Sequence[ValueStatistics]) -> ValueStatistics:
    elements = sum(part.elements for part in parts)
    mean = sum(part.mean * part.elements for part in parts) / elements
    squares = sum((part.deviation**2 + (part.mean - mean) ** 2) * part.elements for part in parts)
    return ValueStatistics(
        elements=elements,
        zeros=sum(part.zeros for part in parts),
        mean=mean,
        deviation=math.sqrt(squares / elements),
        largest=max(part.largest for part in parts),
        sigmas=_sum(part.sigmas for part in parts),
        larger=_sum(part.larger for part in parts),
        smaller=_sum(part.smaller for part in parts),
    )


def _combined_formats(parts: Sequence[FormatStatistics]) -> FormatStatistics:
    first = parts[0]
    elements = [int(part.groups[ELEMENT]["nonzeros"].sum()) for part in parts]
    entropies = [part.entropy_bits for part in parts if part.entropy_bits is not None]
    known = len(entropies) == len(parts)
    codes = [part.codes for part in parts if part.codes is not None]
    exponents = [part.exponents for part in parts if part.exponents is not None]
    return replace(
        first,
        zero_values=sum(part.zero_values for part in parts),
        entropy_bits=float(np.average(entropies, weights=elements)) if known else None,
        codes=_sum(codes) if codes else None,
        exponents=_sum(exponents) if exponents else None,
        groups={
            lanes: frozen({name: _sum(part.groups[lanes][name] for part in parts) for name in histograms})
            for lanes, histograms in first.groups.items()
        },
    )


def _sum(counts: Iterable[Counts]) -> Counts:
    """The sum of histograms by entry; shorter ones are filled up with zeros."""
    found = list(counts)
    if len({item.shape for item in found}) > 1:
        longest = max(item.shape[0] for item in found)
        found = [np.pad(item, [(0, longest - item.shape[0])]) for item in found]
    return np.asarray(np.sum(found, axis=0), dtype=np.int64)
