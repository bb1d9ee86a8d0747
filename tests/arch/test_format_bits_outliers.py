"""Bits and value sets of search-based, outlier, codebook and compressed formats against the reference tables."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from archsim.arch.formats import format
from archsim.arch.formats.ant import AntFormat
from archsim.arch.formats.bitmod import BitModFormat
from archsim.arch.formats.olive import OliveFormat
from archsim.arch.formats.razer import RazerFormat

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the reference tables are not beside this checkout")

EXACT = {
    "OliVe OVP4": "olive4",
    "OliVe OVP8": "olive8",
    "BitMoD FP4": "bitmod-fp4:g128",
    "BitMoD FP3": "bitmod-fp3:g128",
    "BitMoD INT6": "bitmod-int6:g128",
    "RaZeR NVFP4": "razer-fp4:g16",
}


def row(label: str) -> dict[str, str]:
    with (DATA / "formats.csv").open(newline="") as file:
        return next(row for row in csv.DictReader(file) if row["format"] == label)


def grids() -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads((DATA / "format_grids.json").read_text())
    return found


@needs_data
@pytest.mark.parametrize("label", list(EXACT))
def test_bits_equal_the_reference_table(label: str) -> None:
    assert format(EXACT[label]).bits_per_element == Fraction(row(label)["avg_bits_per_elem"])


def test_ant_stores_a_scale_and_a_type_per_channel() -> None:
    assert format("ant4:channel").bits((7, 4096)) == 7 * (4 * 4096 + 18)
    assert format("ant4").bits_per_element == 4
    assert format("flint4:channel").bits((7, 4096)) == 7 * (4 * 4096 + 16)


def test_overq_adds_a_flag_bit() -> None:
    assert [format(f"overq{n}").bits_per_element for n in (4, 5, 8)] == [5, 6, 9]


def test_spqr_bits_are_the_formula() -> None:
    bits = format("spqr3:g16:s1").bits_per_element
    assert bits == 3 + Fraction(6, 16) + Fraction(64, 256) + 32 * Fraction(1, 100)


def test_dense_and_sparse_sizes_are_near_the_published_ones() -> None:
    """SqueezeLLM's 3.24 and 4.27 bits, averaged over the layers of LLaMA-7B (4 of 4096 x 4096, 2 and 1 of the MLP)."""
    shapes = [(4096, 4096)] * 4 + [(11008, 4096)] * 2 + [(4096, 11008)]
    elements = sum(rows * columns for rows, columns in shapes)
    for name, published in (("squeezellm3", 3.24), ("squeezellm4", 4.27)):
        bits = sum(format(name).bits(shape) for shape in shapes)
        assert float(bits / elements) == pytest.approx(published, rel=0.005)
    assert 3.05 <= format("gobo3").bits_per_element <= 3.1


def test_qmoe_takes_less_than_a_bit() -> None:
    bits = float(format("qmoe").bits((2080, 6144))) / (2080 * 6144)
    assert 0.63 < bits < 0.8


@needs_data
def test_value_sets_of_ant_equal_the_reference() -> None:
    ant = format("ant4")
    assert isinstance(ant, AntFormat)
    assert [list(candidate.grid) for candidate in ant.candidates] == [
        grids()[name] for name in ("int4_sym", "pot4_signed", "flint4_signed")
    ]
    for name, key in (("flint4", "flint4_signed"), ("uflint4", "flint4_unsigned"), ("flint5", "flint5_signed")):
        assert list(format(name).grid) == grids()[key]


@needs_data
@pytest.mark.parametrize("element", ["fp3", "fp4"])
def test_value_sets_of_bitmod_equal_the_reference(element: str) -> None:
    fmt = format(f"bitmod-{element}")
    assert isinstance(fmt, BitModFormat)
    base = grids()[f"bitmod_{element}"]
    special = grids()[f"bitmod_{element}_special"]
    assert list(fmt.base_grid) == base
    assert set(fmt.special_values) == set(special["ER"]) | set(special["EA"])  # type: ignore[call-overload]
    assert [list(c.grid) for c in fmt.candidates] == [sorted({*base, value}) for value in fmt.special_values]
    assert list(fmt.grid) == sorted({*base, *fmt.special_values})


@needs_data
def test_value_sets_of_razer_equal_the_reference() -> None:
    fmt = format("razer-fp4")
    assert isinstance(fmt, RazerFormat)
    special = grids()["razer_fp4_special"]
    wanted = [*special["sm"], *special["sr"]]  # type: ignore[call-overload]
    assert [list(c.grid) for c in fmt.candidates] == [sorted({*grids()["fp4_e2m1"], v}) for v in wanted]


@needs_data
@pytest.mark.parametrize(
    ("name", "outliers"),
    [("olive4", "olive_int4_outlier_abfloat_e2m1_bias2"), ("olive4:flint", "olive_flint4_outlier_abfloat_e2m1_bias3")],
)
def test_value_sets_of_olive_equal_the_reference(name: str, outliers: str) -> None:
    fmt = format(name)
    assert isinstance(fmt, OliveFormat)
    assert list(fmt.outlier_grid) == grids()[outliers]
    assert fmt.identifier == 0b1000
    assert list(fmt.normal_grid) == grids()["flint4_signed" if "flint" in name else "olive_normal_int4"]


def test_olive8_outliers_begin_above_its_normal_values() -> None:
    fmt = format("olive8")
    assert isinstance(fmt, OliveFormat)
    assert fmt.normal_grid[-1] == 127
    assert fmt.outlier_grid[0] == 144
    assert np.array_equal(np.diff(np.log2(fmt.outlier_grid[7::8])), np.ones(14))
