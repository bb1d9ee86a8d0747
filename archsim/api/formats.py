"""Number formats as entries, and side by side on tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim import __version__
from archsim.arch.formats import Format, Granularity, format, format_names
from archsim.arch.formats.error import rounding_error
from archsim.arch.formats.minifloat import FloatFormat
from archsim.arch.formats.stored import StoredFormat
from archsim.core.errors import InputError, Problem, nearest
from archsim.reports.format_comparison import Data, FormatComparison, Measurement, format_comparison
from archsim.workloads.arrays import SUFFIXES, as_tensor, names_a_file, read_array
from archsim.workloads.samples import DISTRIBUTIONS, sample

Entry = dict[str, Any]
Tensor = NDArray[np.float64]
DataSpec = str | Path | ArrayLike | Sequence[str | Path] | Mapping[str, ArrayLike]

DEFAULT_DATA = ("gaussian", "laplace", "student-t", "variance")
DEFAULT_ELEMENTS = 1 << 18
DEFAULT_MAX_BITS = 16
"""Widest example that is compared when no format is named: above, errors are those of the arithmetic."""
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

    `formats`: spellings or formats; all examples of at most 16 bits when empty. `data`: names of distributions
    (`gaussian`, `laplace`, `student-t`, `variance`, `uniform`) and of files (`.npy`, `.npz:NAME`, `.safetensors:NAME`,
    `.csv`), an array, or arrays by name. The last axis of a tensor is the one that scales are shared along. `elements`
    and `seed` are for distributions, which come as whole vectors of 1,024. Raises InputError with every problem found.

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
    return [fmt for fmt in parse_formats(format_names()) if fmt.bits_per_element <= DEFAULT_MAX_BITS]


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


def _measure(fmt: Format, data: str, tensor: Tensor) -> Measurement:
    return Measurement(
        data=data,
        format=fmt.name,
        family=family(fmt),
        bits_per_element=fmt.bits(tensor.shape) / tensor.size,
        error=rounding_error(fmt, tensor),
    )


def _entry(fmt: Format) -> Entry:
    smallest, largest = _range(fmt)
    ratio = largest / smallest if smallest and largest else None
    arithmetic = asdict(fmt.arithmetic)
    scale = arithmetic.pop("scale")
    return {
        "name": fmt.name,
        "family": family(fmt),
        "bits_per_element": float(fmt.bits_per_element),
        "bits_per_element_exact": str(fmt.bits_per_element),
        "element_bits": float(_element_bits(fmt)),
        "smallest": smallest,
        "largest": largest,
        "dynamic_range_db": None if ratio is None else 20 * math.log10(ratio),
        "dynamic_range_octaves": None if ratio is None else math.log2(ratio),
        "arithmetic": {key: str(value) if key == "kind" else value for key, value in arithmetic.items()},
        "scale": {key: str(value) if key == "granularity" else value for key, value in scale.items()},
        "source": None,
    }


def _element_bits(fmt: Format) -> Fraction:
    """Bits of an element without the share of its group's scale and zero point."""
    scale = fmt.arithmetic.scale
    if scale.granularity is not Granularity.GROUP:
        return fmt.bits_per_element
    return fmt.bits_per_element - Fraction(scale.bits + scale.zero_point_bits, scale.group_size)


def _range(fmt: Format) -> tuple[float | None, float | None]:
    """Smallest positive and largest value of an element before its scale; None where no value is positive."""
    if isinstance(fmt, FloatFormat):
        return math.ldexp(1.0, fmt.smallest_exponent - fmt.mantissa_bits), fmt.largest
    if fmt.arithmetic.integer_bits > GRID_BITS:
        return 1.0, float((1 << (fmt.arithmetic.integer_bits - fmt.arithmetic.signed)) - 1)
    positive = fmt.grid[fmt.grid > 0]
    return (float(positive[0]), float(positive[-1])) if positive.size else (None, None)


def family(fmt: Format) -> str:
    """The family that `fmt` belongs to."""
    base = fmt.base if isinstance(fmt, StoredFormat) else fmt
    return type(base).__module__.rpartition(".")[2]
