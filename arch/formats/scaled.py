"""What all formats with shared scales have in common: who shares one, what that costs, and the way to the kernels."""

from __future__ import annotations

import math
from abc import abstractmethod
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.arch.formats.base import Format, Granularity, Scale
from archsim.core.errors import InputError, Problem

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]


class ScaledFormat(Format):
    """Elements of `element_bits` bits in sets: the whole array, each row along the last axis, or each group in a row.

    A subclass gives `_round_rows` for arrays and `quantize` for codes; both give the same values.
    """

    element_bits: Fraction
    set_bits: int
    """Stored bits that belong to a set: scale, zero point, exponents."""
    exact_in_single: bool = False
    """Whether each value for a float32 input is a float32: such inputs then give float32 outputs."""

    @property
    def scale(self) -> Scale:
        return self.arithmetic.scale

    @property
    def bits_per_element(self) -> Fraction:
        if self.scale.granularity is not Granularity.GROUP:
            return self.element_bits
        return self.element_bits + Fraction(self.set_bits, self.scale.group_size)

    def bits(self, shape: tuple[int, ...]) -> Fraction:
        """Bits of all elements and of each set's metadata, short groups too; a scale per tensor is not counted."""
        elements = math.prod(shape) * self.element_bits
        if self.scale.granularity is Granularity.TENSOR:
            return elements
        return elements + math.prod(shape[:-1]) * self._sets(shape) * self.set_bits

    def round(self, x: ArrayLike) -> Floats:
        """The nearest representable values, float32 for a float32 array where all are exact in it, else float64."""
        values = as_floats(x)
        return self.round_into(values, np.empty(values.shape, self._output_type(values)))

    def round_into(self, x: ArrayLike, out: Floats) -> Floats:
        values = as_floats(x)
        check_output(out, values.shape, self._output_type(values))
        if values.size:
            rows = np.ascontiguousarray(values.reshape(self._row_shape(values.shape)))
            self._round_rows(rows, out.reshape(rows.shape), self._set_size(values.shape))
        return out

    def _output_type(self, values: Floats) -> type[np.floating[Any]]:
        return np.float32 if self.exact_in_single and values.dtype == np.float32 else np.float64

    @abstractmethod
    def _round_rows(self, x: Floats, out: Floats, size: int) -> None:
        """Rounds x [rows, length] in sets of `size` into `out`; InputError for values without a code."""

    def _refuse(self) -> InputError:
        return InputError(Problem(message=f"NaN and infinities have no code in {self.name}: got a value not finite"))

    def _row_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        if self.scale.granularity is Granularity.TENSOR or not shape:
            return 1, math.prod(shape)
        return math.prod(shape[:-1]), shape[-1]

    def _set_size(self, shape: tuple[int, ...]) -> int:
        """Elements of a full set."""
        length = self._row_shape(shape)[1]
        return self.scale.group_size if self.scale.granularity is Granularity.GROUP else max(length, 1)

    def _sets(self, shape: tuple[int, ...]) -> int:
        """Sets per row of `shape`."""
        return math.ceil(self._row_shape(shape)[1] / self._set_size(shape))

    def _scales_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.scale.granularity is Granularity.TENSOR:
            return ()
        return (*shape[:-1], self._sets(shape))

    def _split(self, values: Array) -> Array:
        """`values` as [rows, sets, elements], the last set of a row filled up with zeros."""
        rows, length = self._row_shape(values.shape)
        size = self._set_size(values.shape)
        sets = self._sets(values.shape) if self.scale.granularity is not Granularity.TENSOR else 1
        flat = values.reshape(rows, length)
        if sets * size != length:
            flat = np.pad(flat, [(0, 0), (0, sets * size - length)])
        return flat.reshape(rows, sets, size)

    def _join(self, sets: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `_split`."""
        rows, length = self._row_shape(shape)
        return sets.reshape(rows, sets.shape[1] * sets.shape[2])[:, :length].reshape(shape)

    def _join_codes(self, sets: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
        rows, length = self._row_shape(shape)
        return sets.reshape(rows, sets.shape[1] * sets.shape[2])[:, :length].reshape(shape)

    def _largest(self, sets: Array) -> Array:
        """The largest magnitude of each set [rows, sets, 1]; InputError where one is not finite."""
        largest = np.abs(sets).max(axis=-1, keepdims=True, initial=0.0)
        if not np.isfinite(largest).all():
            raise self._refuse()
        return np.asarray(largest)


def as_floats(x: ArrayLike) -> Floats:
    """`x` as float32 where it is float32, else as float64."""
    values = np.asarray(x)
    return values if values.dtype == np.float32 else as_doubles(values)


def as_doubles(x: ArrayLike) -> Array:
    """`x` as float64; a signalling NaN becomes a quiet one without a warning."""
    with np.errstate(invalid="ignore"):
        return np.asarray(x, dtype=np.float64)


def check_output(out: Floats, shape: tuple[int, ...], kind: type[np.floating[Any]]) -> None:
    """Raises InputError unless `out` can take the result in place."""
    if out.shape != shape or out.dtype != kind or not out.flags.c_contiguous:
        needed = f"a C-contiguous {np.dtype(kind)} array of shape {shape}"
        raise InputError(Problem(message=f"`out` must be {needed} (got {out.dtype} of shape {out.shape})"))
