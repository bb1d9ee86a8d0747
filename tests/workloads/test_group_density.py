"""What a group of lanes sees of a sparsity pattern, against every placement counted one by one."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.sparsity import parse_sparsity


def counted(rows: list[tuple[int, ...]], n: int) -> list[Fraction]:
    """Distribution of non-zeros over all aligned groups of n in rows that are equally likely."""
    found = Counter(sum(row[at : at + n]) for row in rows for at in range(0, len(row), n))
    total = sum(found.values())
    return [Fraction(found[i], total) for i in range(n + 1)]


def rows_of(units: list[tuple[int, ...]], length: int) -> list[tuple[int, ...]]:
    """Every row of `length` elements made of the given units, each as likely as it is listed."""
    count = length // len(units[0])
    return [tuple(itertools.chain(*row)) for row in itertools.product(units, repeat=count)]


def choices(group: int, keep: int) -> list[tuple[int, ...]]:
    return [tuple(int(i in kept) for i in range(group)) for kept in itertools.combinations(range(group), keep)]


@pytest.mark.parametrize(
    ("keep", "group", "n"), [(2, 4, 2), (2, 4, 4), (2, 4, 8), (1, 3, 2), (2, 3, 4), (1, 4, 3), (1, 4, 6), (3, 4, 1)]
)
def test_ratios_are_exact(keep: int, group: int, n: int) -> None:
    rows = rows_of(choices(group, keep), n * group // gcd(n, group))
    assert parse_sparsity(f"{keep}:{group}").group_density(n) == pytest.approx([float(p) for p in counted(rows, n)])


@pytest.mark.parametrize(("columns", "n"), [(4, 2), (2, 4), (3, 2), (3, 4), (4, 4), (2, 3), (1, 3)])
def test_blocks_are_kept_whole(columns: int, n: int) -> None:
    units = [(1,) * columns, (0,) * columns, (0,) * columns, (0,) * columns]
    rows = rows_of(units, n * columns // gcd(n, columns))
    assert parse_sparsity(f"block8x{columns}:0.25").group_density(n) == pytest.approx(
        [float(p) for p in counted(rows, n)]
    )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_random_pattern_of_known_size_keeps_exactly_its_share(n: int) -> None:
    rows = [row[:n] for row in choices(6, 2)]
    for text in ("random:0.3333333333333333", "topk:0.3333333333333333"):
        assert parse_sparsity(text).group_density(n, elements=6) == pytest.approx([float(p) for p in counted(rows, n)])


def test_a_random_pattern_of_unknown_size_is_binomial() -> None:
    rows = rows_of([(1,), (0,), (0,), (0,)], 3)
    assert parse_sparsity("random:0.25").group_density(3) == pytest.approx([float(p) for p in counted(rows, 3)])


@pytest.mark.parametrize("n", [900, 1001, 4096])
def test_large_groups_are_binomial_too(n: int) -> None:
    """Beyond about a thousand elements binomial coefficients are no floats."""
    found = parse_sparsity("random:0.3").group_density(n)
    mean = sum(i * p for i, p in enumerate(found))
    assert mean == pytest.approx(0.3 * n)
    assert sum((i - mean) ** 2 * p for i, p in enumerate(found)) == pytest.approx(0.21 * n)


patterns = st.one_of(
    st.integers(1, 12).flatmap(lambda m: st.integers(1, m).map(lambda n: f"{n}:{m}")),
    st.sampled_from((0.05, 0.3, 1)).flatmap(
        lambda d: st.sampled_from((f"random:{d}", f"topk:{d}", f"block4x6:{d}", f"block1x1:{d}", "dense"))
    ),
)


@settings(max_examples=60, deadline=None)
@given(patterns, st.integers(1, 70))
def test_every_distribution_sums_to_one_and_has_the_density_as_its_mean(text: str, n: int) -> None:
    pattern = parse_sparsity(text)
    density = pattern.group_density(n)
    assert len(density) == n + 1
    assert min(density) >= 0
    assert sum(density) == pytest.approx(1)
    assert sum(i * p for i, p in enumerate(density)) == pytest.approx(n * float(pattern.density))
    assert parse_sparsity(pattern.text) == pattern


@pytest.mark.parametrize(
    ("text", "bits"),
    [("block16x16:0.5", "1/256"), ("dense", "0"), ("topk:0.1", "1"), ("random:0.5", "1"), ("2:4", "1"), ("4:4", "0")],
)
def test_metadata_bits(text: str, bits: str) -> None:
    assert parse_sparsity(text).index_bits() == Fraction(bits)


@pytest.mark.parametrize(("text", "n", "elements"), [("2:4", 0, None), ("2:4", 5000, None), ("random:0.5", 8, 4)])
def test_groups_without_an_answer(text: str, n: int, elements: int | None) -> None:
    with pytest.raises(InputError):
        parse_sparsity(text).group_density(n, elements=elements)
