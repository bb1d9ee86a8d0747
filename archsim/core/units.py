"""Quantities with units, at the border: text in, one float in the unit the function's name says out.

Common spellings (``1 GHz``, ``64 KiB``, ``32 B/cycle``) are read from a table; any other spelling of the same dimension
(``2 um * mm``, ``1 J/s``) goes to pint, which is imported only then. Every function raises `ValueError` with a
message that names an accepted example.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from archsim.core.spelling import spelled

if TYPE_CHECKING:
    from pint import UnitRegistry

UNLIMITED_WORD = "unlimited"

# SI and IEC prefixes: BIPM SI Brochure (9th ed.), table 7; IEC 80000-13.
_SI_POWERS = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
_LARGE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}
_BITS_PER_BYTE = 8.0

_NUMBER = re.compile(
    r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf)\b)\s*(.*?)\s*", re.ASCII
)
_UNIT = re.compile(r"[A-Za-zµ](?:[A-Za-zµ/*. ]|(?:\*\*|\^) *-?[1-4](?![0-9]| *(?:\*\*|\^)))*")
"""What pint is asked about: never a power of a power, which it would take ages to work out (``m^4^4^4^4``)."""
_LONGEST = 64
# Beyond any hardware, in any dimension's unit; what lies outside would overflow further on.
_SMALLEST, _LARGEST = 1e-18, 1e24

_PINT_DEFINITIONS = (
    *(f"{prefix}- = 1e{power}" for prefix, power in _SI_POWERS.items() if prefix),
    *(f"{prefix}- = {factor!r}" for prefix, factor in _BINARY.items()),
    "second = [time] = s",
    "minute = 60 * second = min",
    "hour = 60 * minute = h",
    "meter = [length] = m = metre",
    "kilogram_ = [mass]",
    "kelvin = [temperature] = K",
    "bit = [data]",
    "byte = 8 * bit = B",
    "element = [element]",
    "cycle = [cycle]",
    "access = [access]",
    "hertz = 1 / second = Hz",
    "joule = kilogram_ * meter ** 2 / second ** 2 = J",
    "watt = joule / second = W",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dimension:
    """One kind of quantity: its name in a sentence, an example, its unit in pint, and the spellings known by heart."""

    what: str
    example: str
    unit: str
    factors: Mapping[str, float]
    positive: bool = True


def _scaled(prefixes: Mapping[str, float], unit: str, scale: float = 1.0) -> dict[str, float]:
    return {prefix + unit: factor * scale for prefix, factor in prefixes.items()}


_DATA = (
    _scaled(_LARGE, "B", _BITS_PER_BYTE)
    | _scaled(_BINARY, "B", _BITS_PER_BYTE)
    | _scaled(_LARGE, "bit")
    | _scaled(_BINARY, "bit")
)


def _si(unit: str, power: int = 0) -> dict[str, float]:
    """Spellings of a unit with SI prefixes, in units of ten to the minus `power`; exact, unlike a product of floats."""
    return {prefix + unit: float(f"1e{exponent + power}") for prefix, exponent in _SI_POWERS.items()}


_ENERGY = _si("J", 12)


def _per(factors: Mapping[str, float], denominator: str) -> dict[str, float]:
    return {f"{unit}/{denominator}": factor for unit, factor in factors.items()}


def _squared(power: int) -> dict[str, float]:
    powers = {"nm": -9, "um": -6, "µm": -6, "mm": -3, "m": 0}
    return {f"{unit}{two}": float(f"1e{2 * e + power}") for unit, e in powers.items() for two in ("^2", "2", "²")}


CLOCK = Dimension(what="a frequency", example="1 GHz", unit="Hz", factors=_scaled(_LARGE, "Hz"))
CAPACITY = Dimension(what="a size", example="64 KiB", unit="bit", factors=_DATA)
BANDWIDTH_TIME = Dimension(what="a bandwidth", example="64 GB/s", unit="bit/s", factors=_per(_DATA, "s"))
BANDWIDTH_CYCLE = Dimension(
    what="a bandwidth", example="32 B/cycle", unit="bit/cycle", factors=_per(_DATA, "cycle") | _per(_DATA, "cycles")
)
WIDTH = Dimension(what="a width", example="64 bit", unit="bit", factors=_DATA)
ENERGY = Dimension(what="an energy", example="0.2 pJ", unit="pJ", factors=_ENERGY, positive=False)
ENERGY_BIT = Dimension(
    what="an energy per bit",
    example="0.1 pJ/bit",
    unit="pJ/bit",
    factors=_per(_ENERGY, "bit")
    | {f"{unit}/{byte}": f / _BITS_PER_BYTE for unit, f in _ENERGY.items() for byte in ("B", "byte")},
    positive=False,
)
ENERGY_ELEMENT = Dimension(
    what="an energy per element",
    example="6 pJ/element",
    unit="pJ/element",
    factors=_per(_ENERGY, "element"),
    positive=False,
)
ENERGY_ACCESS = Dimension(
    what="an energy per access",
    example="6 pJ/access",
    unit="pJ/access",
    factors=_per(_ENERGY, "access"),
    positive=False,
)
ENERGY_CYCLE = Dimension(
    what="an energy per cycle",
    example="0.1 pJ/cycle",
    unit="pJ/cycle",
    factors=_per(_ENERGY, "cycle"),
    positive=False,
)
AREA_UM2 = Dimension(what="an area", example="500 um^2", unit="um**2", factors=_squared(12), positive=False)
LENGTH = Dimension(what="a length", example="28 nm", unit="nm", factors=_si("m", 9))
TIME = Dimension(what="a time", example="2 s", unit="s", factors=_si("s"))
POWER = Dimension(what="a power", example="10 mW", unit="W", factors=_si("W"), positive=False)

# Spellings that mean two things in practice: say which two instead of choosing one.
_AMBIGUOUS = {
    "KB": "KiB (1024 bytes) or kB (1000 bytes)",
    "Kb": "Kibit (1024 bits) or kbit (1000 bits)",
    "kb": "kbit or kB",
    "Mb": "Mbit or MB",
    "Gb": "Gbit or GB",
    "b": "bit or B",
}


@cache
def _registry() -> UnitRegistry[Any]:
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(None, cache_folder=None)  # pyright: ignore[reportArgumentType]  # None: no units
    for definition in _PINT_DEFINITIONS:
        registry.define(definition)
    return registry


def _split(value: object, example: str) -> tuple[float, str]:
    """Number and unit text of a quantity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"must be text with a unit, such as '{example}' (got {spelled(value)})")
    if not isinstance(value, str):
        raise ValueError(f"needs a unit, such as '{example}' (got {spelled(value)})")
    match = _NUMBER.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None:
        raise ValueError(f"must be a number with a unit, such as '{example}' (got {spelled(value)})")
    if not match.group(2):
        raise ValueError(f"needs a unit, such as '{example}' (got {spelled(value)})")
    return float(match.group(1)), match.group(2)


def _pint_factor(unit: str, target: str) -> float | None:
    """How many `target` one `unit` is; None when the dimensions differ. Raises ValueError for an unknown unit."""
    from pint.errors import DimensionalityError, PintError

    if not _UNIT.fullmatch(unit):
        raise ValueError(f"unknown unit {unit!r}")
    try:
        return float(_registry().Quantity(1.0, _registry().parse_units(unit)).m_as(target))
    except DimensionalityError:
        return None
    except (PintError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"unknown unit {unit!r}") from error


@lru_cache(maxsize=4096)
def _factor(unit: str, dimension: Dimension) -> float | None:
    compact = unit.replace(" ", "")
    known = dimension.factors.get(compact)
    if known is not None:
        return known
    head = compact.partition("/")[0]
    if head in _AMBIGUOUS:
        raise ValueError(f"unit {head!r} is ambiguous: write {_AMBIGUOUS[head]}")
    return _pint_factor(unit, dimension.unit)


def _quantity(value: object, *dimensions: Dimension) -> tuple[float, Dimension]:
    """The number in its dimension's unit, and which of `dimensions` it is."""
    first = dimensions[0]
    number, unit = _split(value, first.example)
    for dimension in dimensions:
        try:
            factor = _factor_by_heart(unit, dimensions, dimension)
        except ValueError as error:
            raise ValueError(f"{error}; write {first.what} such as '{first.example}' (got {spelled(value)})") from None
        if factor is not None:
            return _in_range(number * factor, dimension, value), dimension
    examples = " or ".join(f"'{dimension.example}'" for dimension in dimensions)
    raise ValueError(f"must be {first.what} such as {examples} (got {spelled(value)})")


def _factor_by_heart(unit: str, dimensions: tuple[Dimension, ...], dimension: Dimension) -> float | None:
    """`_factor`, but without asking pint about one dimension when another knows the spelling by heart."""
    compact = unit.replace(" ", "")
    if compact not in dimension.factors and any(compact in other.factors for other in dimensions):
        return None
    return _factor(unit, dimension)


def _in_range(number: float, dimension: Dimension, value: object) -> float:
    least = "above 0" if dimension.positive else "at least 0"
    if not math.isfinite(number):
        raise ValueError(f"must be finite and {least} (got {spelled(value)})")
    if number < 0 or (dimension.positive and number == 0):
        raise ValueError(f"must be {least} (got {spelled(value)})")
    if number and not _SMALLEST <= number <= _LARGEST:
        raise ValueError(f"must be from {_SMALLEST:g} to {_LARGEST:g} {dimension.unit} (got {spelled(value)})")
    return number


def clock_hz(value: object) -> float:
    """Frequency in Hz.

    >>> clock_hz("1 GHz")
    1000000000.0
    """
    return _quantity(value, CLOCK)[0]


def capacity_bits(value: object) -> float:
    """Size in bits; ``unlimited`` is infinity.

    >>> capacity_bits("64 KiB")
    524288.0
    """
    return math.inf if value == UNLIMITED_WORD else _quantity(value, CAPACITY)[0]


def width_bits(value: object) -> int:
    """Width of a port in whole bits.

    >>> width_bits("8 B")
    64
    """
    bits = _quantity(value, WIDTH)[0]
    if bits != int(bits):
        raise ValueError(f"must be a whole number of bits (got {spelled(value)})")
    return int(bits)


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bits per second or bits per cycle, as it was written; both infinite when unlimited."""

    bits: float
    per: Literal["s", "cycle"]

    def bits_per_cycle(self, clock: float) -> float:
        """Bits per cycle at a clock in Hz."""
        return self.bits if self.per == "cycle" else self.bits / clock


def bandwidth(value: object) -> Bandwidth:
    """Bandwidth per second or per cycle; ``unlimited`` is infinite.

    >>> bandwidth("64 GB/s"), bandwidth("32 B/cycle").bits_per_cycle(1e9)
    (Bandwidth(bits=512000000000.0, per='s'), 256.0)
    """
    if value == UNLIMITED_WORD:
        return Bandwidth(math.inf, "cycle")
    bits, dimension = _quantity(value, BANDWIDTH_TIME, BANDWIDTH_CYCLE)
    return Bandwidth(bits, "s" if dimension is BANDWIDTH_TIME else "cycle")


@dataclass(frozen=True, slots=True)
class EnergyText:
    """Energy in pJ of one bit, element or access."""

    value_pj: float
    basis: Literal["bit", "element", "access"]


def access_energy(value: object) -> EnergyText:
    """Energy in pJ per element, per bit (also from a byte), or per access when nothing is said.

    >>> access_energy("6 pJ/element"), access_energy("8 pJ/B"), access_energy("70.1 pJ")
    (EnergyText(value_pj=6.0, basis='element'), EnergyText(value_pj=1.0, basis='bit'), \
EnergyText(value_pj=70.1, basis='access'))
    """
    number, dimension = _quantity(value, ENERGY_ELEMENT, ENERGY_BIT, ENERGY_ACCESS, ENERGY)
    if dimension is ENERGY_ELEMENT:
        return EnergyText(number, "element")
    return EnergyText(number, "bit" if dimension is ENERGY_BIT else "access")


def energy_pj(value: object) -> float:
    """Energy in pJ.

    >>> energy_pj("0.2 pJ")
    0.2
    """
    return _quantity(value, ENERGY)[0]


def cycle_energy_pj(value: object) -> float:
    """Energy of one cycle in pJ; ``/cycle`` may be left out."""
    return _quantity(value, ENERGY_CYCLE, ENERGY)[0]


def area_um2(value: object) -> float:
    """Area in square micrometres.

    >>> area_um2("500 um^2"), area_um2("2 mm^2")
    (500.0, 2000000.0)
    """
    return _quantity(value, AREA_UM2)[0]


def area_mm2(value: object) -> float:
    """Area in square millimetres."""
    return area_um2(value) * 1e-6


def length_nm(value: object) -> float:
    """Length in nanometres.

    >>> length_nm("28 nm")
    28.0
    """
    return _quantity(value, LENGTH)[0]


def time_s(value: object) -> float:
    """Time in seconds.

    >>> time_s("500 ms")
    0.5
    """
    return _quantity(value, TIME)[0]


def power_w(value: object) -> float:
    """Power in watts.

    >>> power_w("10 mW")
    0.01
    """
    return _quantity(value, POWER)[0]


Reader = Callable[[object], object]
