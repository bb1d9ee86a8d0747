"""Stored bits of sparse elements."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest

from archsim.arch.formats import format
from archsim.workloads.sparsity import parse_sparsity

FORMATS = Path(__file__).resolve().parents[3] / "shared" / "data" / "formats.csv"


@pytest.mark.parametrize(
    ("pattern", "stored", "pairs", "bits"),
    [
        ("2:4", "fp16", False, Fraction(9)),
        ("2:4", "int8", False, Fraction(5)),
        ("2:4", "int4", False, Fraction(3)),
        ("2:4", "int4", True, Fraction(5, 2)),
        ("1:8", "fp16", False, Fraction(19, 8)),
        ("3:3", "int8", False, Fraction(8)),
        ("1:1", "int8", False, Fraction(8)),
        ("random:0.25", "fp16", False, Fraction(5)),
    ],
)
def test_kept_elements_and_their_indices(pattern: str, stored: str, pairs: bool, bits: Fraction) -> None:
    assert parse_sparsity(pattern).bits_per_element(format(stored), pairs=pairs) == bits


@pytest.mark.skipif(not FORMATS.is_file(), reason="the table of formats is not beside the checkout")
def test_2_of_4_as_published() -> None:
    with FORMATS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["format"].startswith("2:4 ")]
    assert len(rows) == 3
    for row in rows:
        pattern, stored = row["format"].lower().split()
        assert parse_sparsity(pattern).bits_per_element(format(stored)) == Fraction(row["avg_bits_per_elem"])
