"""What a number format is: an exact value grid, an encoding, a size, and the arithmetic a multiplier sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL_BITS = 8
"""Bits that looked-up values are rounded to before they are multiplied, where they are no fixed-point numbers."""


class ArithmeticKind(StrEnum):
    """How one element enters a multiplier."""

    INTEGER = "integer"
    FLOAT = "float"
    POWER_OF_TWO = "power-of-two"
    LOOKUP = "lookup"


class Granularity(StrEnum):
    """Which elements share one scale."""

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    GROUP = "group"
    TOKEN = "token"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The scale that a set of elements shares: who shares it and how it is stored."""

    granularity: Granularity = Granularity.NONE
    group_size: int = 0
    """Elements along the reduction that share one scale; 0 unless the granularity is GROUP."""
    kind: str = "none"
    """``none``, ``fp16``, ``fp32``, ``e8m0`` (a power of two), ``e4m3``, ..."""
    bits: int = 0
    zero_point_bits: int = 0
    """0 for symmetric formats."""
    outer: Scale | None = None
    """The scale of these scales, where there are two levels; its group size counts scales."""
    micro_group_size: int = 0
    """Elements of a set that share a private power of two below the set's; 0 where there is none."""
    micro_bits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """What a multiplier, an adder tree or a bit-serial unit sees of one element.

    Engines decide by these numbers and never by a format's name.
    """

    kind: ArithmeticKind
    signed: bool = True
    integer_bits: int = 0
    """Width of the two's-complement or unsigned operand (INTEGER, and the looked-up value of LOOKUP)."""
    significand_bits: int = 0
    """Significand with the hidden bit (FLOAT)."""
    exponent_bits: int = 0
    lookup_entries: int = 0
    rounded: bool = False
    """Whether the looked-up values are rounded to the widths above: the format's own are no fixed-point numbers."""
    serial_terms: int = 0
    """Terms a bit-serial unit steps through for one element (bits for plain integers, Booth digits, ...)."""
    scale: Scale = field(default_factory=Scale)

    def __post_init__(self) -> None:
        if self.kind is ArithmeticKind.INTEGER and self.integer_bits < 1:
            raise ValueError(f"integer arithmetic needs integer_bits >= 1 (got {self.integer_bits})")
        if self.kind is ArithmeticKind.FLOAT and (self.significand_bits < 1 or self.exponent_bits < 1):
            raise ValueError(
                f"float arithmetic needs a significand and an exponent "
                f"(got {self.significand_bits} and {self.exponent_bits} bits)"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """An encoded array: codes of the array's shape, with the scales and zero points they are read with."""

    codes: NDArray[np.int64]
    shape: tuple[int, ...]
    scales: NDArray[np.float64] | None = None
    zero_points: NDArray[np.int64] | None = None
    extra: Mapping[str, NDArray[np.generic]] = field(default_factory=lambda: MappingProxyType({}))
    """Whatever else an encoding stores (type tags, outlier positions, codebooks), by name."""


class Format(ABC):
    """A number format. Values are float64 outside; codes are int64.

    `name` is the canonical spelling: parsing it gives an equal format.
    """

    name: str
    arithmetic: Arithmetic

    @property
    @abstractmethod
    def bits_per_element(self) -> Fraction:
        """Stored bits of one element with its share of scales and zero points, where the shape does not matter.

        Scales per tensor, channel, token or head depend on the shape and are left out; `bits` counts them.
        """

    @abstractmethod
    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Stored bits of a whole array of `shape` (last axis: the reduction), metadata included."""

    @property
    @abstractmethod
    def grid(self) -> NDArray[np.float64]:
        """Every finite value an unscaled element can take, ascending, without duplicates."""

    @property
    def outlier_share(self) -> Fraction:
        """Share of elements that are kept apart from the others or wider than they, where the format states one."""
        return Fraction(0)

    @property
    def rerounding_fraction(self) -> float:
        """How far rounding a rounded array again may move a value, over the largest magnitude of the array.

        0 where rounding twice changes nothing; formats that search or whose scales have two levels state a bound.
        """
        return 0.0

    @abstractmethod
    def quantize(self, x: ArrayLike) -> Quantized:
        """Codes and scales of the nearest representable values of `x`; scales are computed along the last axis."""

    @abstractmethod
    def dequantize(self, q: Quantized) -> NDArray[np.float64]:
        """The values that `q` stands for, in its shape."""

    def round(self, x: ArrayLike) -> NDArray[np.floating[Any]]:
        """The nearest representable values of `x`, in its shape.

        float64; float32 where `x` is, and where every value of the format is a float32.
        """
        return self.dequantize(self.quantize(x))

    def round_into(self, x: ArrayLike, out: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """`round` into an array that is there already, of the shape and type that `round` returns."""
        out[...] = self.round(x)
        return out

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Format({self.name!r})"

    def __str__(self) -> str:
        return self.name
