"""Published areas of MX processing elements and matrix machines (ASAP7, shared only) beside their circuits."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache

from archsim.arch.components.gates import Circuit
from tests.validation.measure import read
from tests.validation.pe_units import SEED
from tests.validation.plena import float_array, float_pe, integer_array, integer_pe

FLOAT = re.compile(r"MXFP_E(\d+)M(\d+)")
INTEGER = re.compile(r"MXINT(\d+)")


@cache
def mx_elements() -> tuple[tuple[Circuit, float], ...]:
    """(circuit, published um2) of every processing element."""
    return tuple((_element(row), float(row["area_um2"])) for row in read("plena/pe_area.csv"))


def _element(row: dict[str, str]) -> Circuit:
    top, left = row["format_top"], row["format_left"]
    if INTEGER.fullmatch(top):
        return integer_pe(_bits(top), _bits(left), int(row["acc_depth"]))
    return float_pe(_widths(top), _widths(left))


@cache
def mx_arrays() -> tuple[tuple[Circuit, float], ...]:
    """(circuit, published um2) of every matrix machine."""
    return tuple(_arrays())


def _arrays() -> Iterator[tuple[Circuit, float]]:
    for row in read("plena/matrix_machine_mxint.csv"):
        top, left, length, block = (int(row[key]) for key in ("T_BITS", "L_BITS", "MLEN", "BLEN"))
        yield integer_array(top, left, length, block), float(row["area_um2"])
    for row in read("plena/matrix_machine_mxfp.csv"):
        te, tm, le, lm = (int(row[key]) for key in ("T_EXP", "T_MANT", "L_EXP", "L_MANT"))
        yield float_array((te, tm), (le, lm), int(row["MLEN"]), int(row["BLEN"])), float(row["area_um2"])


@cache
def mx_halves(seed: int = SEED) -> tuple[tuple[tuple[Circuit, float], ...], tuple[tuple[Circuit, float], ...]]:
    """(the node's constant comes from, predicted): elements and arrays, shuffled with `seed`, cut in the middle."""
    shuffled = [*mx_elements(), *mx_arrays()]
    random.Random(seed).shuffle(shuffled)
    middle = len(shuffled) // 2
    return tuple(shuffled[:middle]), tuple(shuffled[middle:])


def _bits(name: str) -> int:
    found = INTEGER.fullmatch(name)
    assert found is not None
    return int(found[1])


def _widths(name: str) -> tuple[int, int]:
    found = FLOAT.fullmatch(name)
    assert found is not None
    return int(found[1]), int(found[2])
