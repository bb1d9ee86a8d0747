"""Number formats as entries, and side by side on tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim import __version__
from archsim.arch.formats import ArithmeticKind, Format, Quantized, format, format_family, format_names
from archsim.arch.formats.error import error_between, rounding_error
from archsim.arch.formats.minifloat import FloatFormat
from archsim.core.errors import InputError, Problem, nearest
from archsim.reports.format_comparison import Data, FormatComparison, Measurement, format_comparison
from archsim.reports.values import plain
from archsim.workloads.arrays import SUFFIXES, as_tensor, names_a_file, read_array
from archsim.workloads.samples import DISTRIBUTIONS, sample

Entry = dict[str, Any]
Tensor = NDArray[np.float64]
DataSpec = str | Path | ArrayLike | Sequence[str | Path] | Mapping[str, ArrayLike]

DEFAULT_DATA = ("gaussian", "laplace", "student-t", "variance")
DEFAULT_ELEMENTS = 1 << 17
DEFAULT_MAX_BITS = 9
"""Widest example that is compared when no format is named: 16-bit types are what the others stand in for."""
DEFAULT_MAX_ENTRIES = 256
"""Largest table of values that is compared when no format is named: larger codebooks take minutes to fit."""
GRID_BITS = 20
"""Widest element whose grid is listed to find its range."""


def parse_formats(specs: Iterable[str | Format]) -> list[Format]:
    """The formats that `specs` name, each once, in order. Raises InputError with every spelling that names none."""
    found: dict[str, Format] = {}
    problems: list[Problem] = []
    for spec in specs:
        try:
            fmt = format(spec)
        except InputError as error:
            problems.extend(error.problems)
        else:
            found.setdefault(fmt.name, fmt)
    if problems:
        raise InputError(problems)
    return list(found.values())


def format_entries(specs: Iterable[str | Format] = ()) -> list[Entry]:
    """What each format is: sizes, range of an element before its scale, arithmetic, scale; all examples without specs.

    `bits_per_element` counts the metadata whose share does not depend on a shape, `element_bits` none.
    """
    return [_entry(fmt) for fmt in parse_formats(list(specs) or format_names())]


def compare_formats(
    formats: Iterable[str | Format] | str | Format = (),
    data: DataSpec = DEFAULT_DATA,
    *,
    elements: int = DEFAULT_ELEMENTS,
    seed: int = 0,
) -> FormatComparison:
    """The error of each format on each tensor, against the bits it stores.

    `formats`: spellings or formats; all examples of at most 9 bits when empty (but for codebooks of more than 256
    entries). `data`: names of distributions (`gaussian`, `laplace`, `student-t`, `variance`, `uniform`) and of files
    (`.npy`, `.npz:NAME`, `.safetensors:NAME`, `.csv`), an array, or arrays by name. The last axis of a tensor is the
    one that scales are shared along. `elements` and `seed` are for distributions, which come as whole vectors of 1,024.
    Raises InputError with every problem found.

    >>> comparison = compare_formats(["int8:g128", "int4:g128"], "gaussian", elements=4096)
    >>> [(item.format, round(item.error.sqnr_db)) for item in comparison]
    [('int4:g128', 19), ('int8:g128', 44)]
    """
    asked = [formats] if isinstance(formats, str | Format) else list(formats)
    chosen = parse_formats(asked) if asked else _default_formats()
    tensors = _tensors(data, elements, seed)
    measurements = [_measure(fmt, item.name, tensor) for item, tensor in tensors for fmt in chosen]
    return format_comparison(
        tuple(item for item, _ in tensors),
        measurements,
        seed=seed if any(item.drawn for item, _ in tensors) else None,
        archsim_version=__version__,
    )


def _default_formats() -> list[Format]:
    return [fmt for fmt in parse_formats(format_names()) if _is_compared_unasked(fmt)]


def _is_compared_unasked(fmt: Format) -> bool:
    arithmetic = fmt.arithmetic
    large = arithmetic.kind is ArithmeticKind.LOOKUP and arithmetic.lookup_entries > DEFAULT_MAX_ENTRIES
    return fmt.bits_per_element <= DEFAULT_MAX_BITS and not large


def _tensors(data: DataSpec, elements: int, seed: int) -> list[tuple[Data, Tensor]]:
    """Each tensor with what it is, in the order given."""
    if isinstance(data, Mapping):
        return _given(data)
    if isinstance(data, str | Path):
        return _named([data], elements, seed)
    if isinstance(data, Sequence):
        names = [item for item in data if isinstance(item, str | Path)]
        if len(names) == len(data):
            return _named(list(dict.fromkeys(names)), elements, seed)
    return _given({"data": cast(ArrayLike, data)})


def _named(names: list[str | Path], elements: int, seed: int) -> list[tuple[Data, Tensor]]:
    tensors: list[tuple[Data, Tensor]] = []
    problems = [] if names else [Problem(key="data", message="names no tensor", hint=_known_data())]
    for name in names:
        try:
            tensors.append(_tensor(name, elements, seed))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(dict.fromkeys(problems))
    return tensors


def _tensor(name: str | Path, elements: int, seed: int) -> tuple[Data, Tensor]:
    distribution = DISTRIBUTIONS.get(str(name))
    if distribution is not None:
        values = sample(distribution.name, elements, seed)
        return Data(name=distribution.name, about=distribution.about, shape=values.shape, drawn=True), values
    if not names_a_file(name):
        near = nearest(str(name), DISTRIBUTIONS)
        hint = f"did you mean {near!r}?" if near else _known_data()
        raise InputError(Problem(key="data", message=f"unknown data {str(name)!r}", hint=hint))
    values = read_array(name)
    return Data(name=str(name), about="read from a file", shape=values.shape), values


def _known_data() -> str:
    return f"{', '.join(DISTRIBUTIONS)}, or a file that ends in {', '.join(SUFFIXES)}"


def _given(arrays: Mapping[str, ArrayLike]) -> list[tuple[Data, Tensor]]:
    tensors = [(name, as_tensor(array, name)) for name, array in arrays.items()]
    if not tensors:
        raise InputError(Problem(key="data", message="holds no tensor"))
    return [(Data(name=name, about="given as an array", shape=tensor.shape), tensor) for name, tensor in tensors]


@runtime_checkable
class SizedByData(Protocol):
    """A format whose size depends on what is stored: entropy codes, outliers beyond a threshold."""

    def stored_bits(self, q: Quantized) -> int:
        """Bits that this array takes."""
        ...


def _measure(fmt: Format, data: str, tensor: Tensor) -> Measurement:
    bits, error = fmt.bits(tensor.shape), None
    if isinstance(fmt, SizedByData):
        quantized = fmt.quantize(tensor)
        bits = Fraction(fmt.stored_bits(quantized))
        error = error_between(tensor, fmt.dequantize(quantized))
    return Measurement(
        data=data,
        format=fmt.name,
        family=format_family(fmt).name,
        bits_per_element=bits / tensor.size,
        error=error or rounding_error(fmt, tensor),
    )


def _entry(fmt: Format) -> Entry:
    family = format_family(fmt)
    smallest, largest = _range(fmt)
    ratio = largest / smallest if smallest and largest else None
    arithmetic = asdict(fmt.arithmetic)
    scale = arithmetic.pop("scale")
    return {
        "name": fmt.name,
        "family": family.name,
        "bits_per_element": float(fmt.bits_per_element),
        "bits_per_element_exact": str(fmt.bits_per_element),
        "element_bits": float(_element_bits(fmt)),
        "smallest": smallest,
        "largest": largest,
        "dynamic_range_db": None if ratio is None else 20 * math.log10(ratio),
        "dynamic_range_octaves": None if ratio is None else math.log2(ratio),
        "arithmetic": plain(arithmetic),
        "scale": plain(scale),
        "source": family.source,
    }


def _element_bits(fmt: Format) -> Fraction:
    """Bits of an element's code as its arithmetic has them, or what codes are packed or compressed to if less."""
    arithmetic = fmt.arithmetic
    match arithmetic.kind:
        case ArithmeticKind.INTEGER:
            bits = arithmetic.integer_bits
        case ArithmeticKind.FLOAT:  # the hidden bit of the significand makes room for the sign
            bits = arithmetic.exponent_bits + arithmetic.significand_bits
        case ArithmeticKind.POWER_OF_TWO:
            bits = arithmetic.exponent_bits + arithmetic.signed
        case ArithmeticKind.LOOKUP:
            bits = math.ceil(math.log2(max(arithmetic.lookup_entries, 2)))
    return min(Fraction(bits), fmt.bits_per_element)


def _range(fmt: Format) -> tuple[float | None, float | None]:
    """Smallest positive and largest value of an element before its scale; None where no value is positive."""
    if isinstance(fmt, FloatFormat):
        return math.ldexp(1.0, fmt.smallest_exponent - fmt.mantissa_bits), fmt.largest
    if fmt.arithmetic.integer_bits > GRID_BITS:
        return 1.0, float((1 << (fmt.arithmetic.integer_bits - fmt.arithmetic.signed)) - 1)
    positive = fmt.grid[fmt.grid > 0]
    return (float(positive[0]), float(positive[-1])) if positive.size else (None, None)
