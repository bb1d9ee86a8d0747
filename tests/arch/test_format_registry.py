"""From a spelling to a format, and what is said of a wrong one."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim
from archsim.arch.formats import format, format_names, with_storage_bits
from archsim.core.errors import InputError

FORMATS = Path(__file__).parents[2].parent / "shared" / "data" / "formats.csv"

SPELLINGS = {
    "INT8 per-channel": "int8:channel",
    "INT4 g128 sym": "int4:g128",
    "INT4 g128 asym": "int4:g128:asym",
    "INT4 g128 asym (AWQ/GPTQ pack)": "int4:g128:asym:zp4",
    "INT4 g64 sym": "int4:g64",
    "INT3 g128 asym": "int3:g128:asym",
    "FP16": "fp16",
    "BF16": "bf16",
    "FP8 E4M3": "fp8_e4m3",
    "FP8 E5M2": "fp8_e5m2",
    "FP6 E3M2": "fp6_e3m2",
    "FP6 E2M3": "fp6_e2m3",
    "FP4 E2M1": "fp4_e2m1",
    "INTn per-tensor": "int4",
    "MXFP8": "mxfp8",
    "MXFP6": "mxfp6",
    "MXFP4": "mxfp4",
    "MXINT8": "mxint8",
    "NVFP4": "nvfp4",
    "NVINT4": "nvint4",
    "MSFP16": "msfp16",
    "MSFP12": "msfp12",
    "MX9 (BDR)": "mx9",
    "MX6 (BDR)": "mx6",
    "MX4 (BDR)": "mx4",
    "NF4": "nf4",
    "NF4 double quant": "nf4:dq",
    "ternary b1.58 packed 5/8b": "ternary",
    "bipolar-INTn": "bipolar-int4",
}


EXPRESSIONS = {
    "INTn per-tensor": 5 * 4096 * 4,
    "INT8 per-channel": 5 * (8 * 4096 + 16),
    "bipolar-INTn": 5 * (4 * 4096 + 16),
}
"""Bits of 5 channels of 4096 elements, where the table has an expression."""


@pytest.mark.skipif(not FORMATS.is_file(), reason="the reference table is not beside this checkout")
@pytest.mark.parametrize("label", list(SPELLINGS))
def test_bits_equal_the_reference_table(label: str) -> None:
    with FORMATS.open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["format"] == label)
    fmt = format(SPELLINGS[label])
    if row["status"] == "expression":
        assert fmt.bits((5, 4096)) == EXPRESSIONS[label]
    else:
        printed = row["avg_bits_per_elem"]
        digits = len(printed.partition(".")[2])
        assert round(fmt.bits_per_element, digits) == Fraction(printed)


@pytest.mark.parametrize("name", format_names())
def test_every_example_is_canonical(name: str) -> None:
    assert format(name).name == name


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("FP8", "fp8_e4m3"),
        ("fp8:e5m2", "fp8_e5m2"),
        (" bfloat16 ", "bf16"),
        ("fp16_e5m10", "fp16"),
        ("fp6", "fp6_e3m2"),
        ("int8:tensor", "int8"),
        ("int4:g128:asym:zp8", "int4:g128:asym"),
    ],
)
def test_other_spellings_mean_the_same_format(alias: str, name: str) -> None:
    assert format(alias) == format(name)
    assert format(alias).name == name


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("lint8", "unknown format 'lint8'\nhint: did you mean 'int8'?"),
        ("bf61", "unknown format 'bf61'\nhint: did you mean 'bf16'?"),
        ("int99", "format 'int99': integers have 1 to 48 bits (got 99)"),
        ("int4:g0", "format 'int4:g0': a group has at least 1 element (got 'g0')"),
        ("uint4:asym", "format 'uint4:asym': unsigned integers take no zero point\nhint: int4:asym has codes 0 to 15"),
        ("int1:asym", "format 'int1:asym': asymmetric integers have at least 2 bits (got 1)"),
        ("int4:asym:zp2", "format 'int4:asym:zp2': the zero point has 4 to 48 bits (got 2)"),
        ("int4:grp", "format 'int4:grp': option 'grp' is unknown or out of place\nhint: int<bits>"),
        ("int4:asym:g128", "format 'int4:asym:g128': option 'g128' is unknown or out of place"),
        ("fp8_e4m4", "format 'fp8_e4m4': a sign, 4 and 4 bits are 9 bits (got 8)"),
        ("fp13_e9m3", "format 'fp13_e9m3': the exponent has 2 to 8 bits (got 9)"),
        ("", "unknown format ''"),
        ("int4@0", "storage_bits must be a number above 0 and at most 1024 (got '0')"),
        ("int4@many", "storage_bits must be a number above 0 and at most 1024 (got 'many')"),
    ],
)
def test_a_wrong_spelling_is_answered_with_what_is_allowed(spec: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        format(spec)
    assert str(caught.value).startswith(text)


@given(spec=st.text(max_size=30) | st.from_regex(r"(u?int|fp)[0-9]{0,5}[:_@][a-z0-9:@/.]{0,12}", fullmatch=True))
def test_any_text_is_a_format_or_an_input_error(spec: str) -> None:
    try:
        fmt = format(spec)
    except InputError:
        return
    assert format(fmt.name) == fmt


def test_public_name() -> None:
    assert archsim.format("int4:g128").bits_per_element == Fraction(33, 8)


@pytest.mark.parametrize(
    ("bits", "name"), [(4.0625, "int4@4.0625"), (5, "int4@5"), ("4.1", "int4@4.1"), (Fraction(13, 3), "int4@13/3")]
)
def test_stored_size_can_be_overridden(bits: float | str | Fraction, name: str) -> None:
    fmt = with_storage_bits("int4:tensor", bits)
    assert fmt.name == name
    assert format(name) == fmt
    assert fmt.bits_per_element == Fraction(str(bits))
    assert fmt.bits((3, 10)) == 30 * Fraction(str(bits))
    assert fmt.arithmetic == format("int4").arithmetic
    assert list(fmt.grid) == list(format("int4").grid)
    assert list(fmt.round([1.0, 3.0])) == list(format("int4").round([1.0, 3.0]))


def test_a_table_overrides_too() -> None:
    assert format({"format": "int4", "storage_bits": 4.0625}).name == "int4@4.0625"
    assert format({"format": "int4"}) == format("int4")
    assert with_storage_bits(with_storage_bits("int4", 5), 6).name == "int4@6"


@pytest.mark.parametrize("bits", [0, -1, float("nan"), float("inf"), True, "1e9", None, 2000])
def test_a_stored_size_that_is_none_is_refused(bits: object) -> None:
    with pytest.raises(InputError, match="storage_bits must be a number above 0"):
        with_storage_bits("int4", bits)  # type: ignore[arg-type]


def test_tables_and_types_that_are_no_format_are_refused() -> None:
    with pytest.raises(InputError, match="unknown key 'storage'\nhint: did you mean 'storage_bits'"):
        format({"format": "int4", "storage": 4})
    with pytest.raises(InputError, match="needs `format`"):
        format({"storage_bits": 4})
    with pytest.raises(InputError, match=r"given as text \(got int\)"):
        format(8)  # type: ignore[arg-type]
