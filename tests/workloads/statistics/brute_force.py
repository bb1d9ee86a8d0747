"""The statistics in plain Python, one element after the other, from their definitions in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def magnitude_bits(value: int, width: int) -> list[int]:
    """Bits of the magnitude, the lowest first."""
    return [abs(value) >> bit & 1 for bit in range(width)]


def twos_bits(value: int, width: int) -> list[int]:
    """Bits of the two's complement, the lowest first."""
    digits = format(value % (1 << width), f"0{width}b")
    return [int(digit) for digit in reversed(digits)]


def booth_digits(value: int, width: int, signed: bool) -> int:
    """Digits -2 to 2 of radix 4, taken off one by one as Booth's table has them, that are not zero."""
    bits = twos_bits(value, width) + ([] if signed else [0])
    bits += [bits[-1]] * (len(bits) % 2)
    table = {(0, 0, 0): 0, (0, 0, 1): 1, (0, 1, 0): 1, (0, 1, 1): 2, (1, 0, 0): -2, (1, 0, 1): -1, (1, 1, 0): -1}
    padded = [0, *bits]
    triples = [(padded[low + 2], padded[low + 1], padded[low]) for low in range(0, len(bits), 2)]
    digits = [table.get(triple, 0) for triple in triples]
    assert sum(digit * 4**place for place, digit in enumerate(digits)) == value
    return sum(digit != 0 for digit in digits)


def signed_digits(value: int) -> int:
    """Digits of the form in which no two neighbours are both not zero."""
    rest, count = abs(value), 0
    while rest:
        if rest % 2:
            digit = 2 - rest % 4
            rest -= digit
            count += 1
        rest //= 2
    return count


def bit_length_of(bits: Sequence[int]) -> int:
    return max((place + 1 for place, bit in enumerate(bits) if bit), default=0)


def either(rows: Sequence[Sequence[int]]) -> list[int]:
    return [int(any(column)) for column in zip(*rows, strict=True)]


def slices(bits: Sequence[int], size: int) -> int:
    return sum(any(bits[start : start + size]) for start in range(0, len(bits), size))


def twos_precision(values: Sequence[int], width: int, signed: bool) -> int:
    """The least width that holds all values."""
    if not signed:
        return max(value.bit_length() for value in values)
    return next(bits for bits in range(1, width + 1) if all(-(2 ** (bits - 1)) <= v < 2 ** (bits - 1) for v in values))


def group_statistics(group: Sequence[int], width: int, signed: bool) -> dict[str, int]:
    """Every statistic of one group that is one number."""
    magnitudes = [magnitude_bits(value, width) for value in group]
    twos = [twos_bits(value, width) for value in group]
    some = either(magnitudes)
    length = bit_length_of(some)
    return {
        "essential_bits": max(sum(bits) for bits in magnitudes),
        "ones": max(sum(bits) for bits in twos),
        "booth_digits": max(booth_digits(value, width, signed) for value in group),
        "signed_digits": max(signed_digits(value) for value in group),
        "precision": length,
        "span": length - some.index(1) if length else 0,
        "columns": sum(some),
        "slices_2": slices(some, 2),
        "slices_4": slices(some, 4),
        "twos_precision": twos_precision(group, width, signed),
        "twos_columns": sum(any(column) for column in zip(*twos, strict=True)),
        "mixed_columns": sum(len(set(column)) == 2 for column in zip(*twos, strict=True)),
        "nonzeros": sum(value != 0 for value in group),
        "peak_ones": max(sum(column) for column in zip(*magnitudes, strict=True)),
    }


def group_histograms(rows: Sequence[Sequence[int]], lanes: int, width: int, signed: bool) -> dict[str, Counter[object]]:
    """Counters by statistic; those by bit position count (position, ones)."""
    counters: dict[str, Counter[object]] = {}
    for row in rows:
        for start in range(0, len(row), lanes):
            group = list(row[start : start + lanes])
            group += [0] * (lanes - len(group))
            for name, value in group_statistics(group, width, signed).items():
                counters.setdefault(name, Counter())[value] += 1
            for name, bits_of in (("column_ones", magnitude_bits), ("twos_column_ones", twos_bits)):
                columns = zip(*[bits_of(value, width) for value in group], strict=True)
                counters.setdefault(name, Counter()).update((place, sum(bits)) for place, bits in enumerate(columns))
    return counters
