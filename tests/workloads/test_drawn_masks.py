"""Masks that are drawn have the pattern they are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.workloads.drawn_masks import drawn_mask
from archsim.workloads.masks import mask_pattern
from archsim.workloads.op import Op
from archsim.workloads.sparsity import parse_sparsity

RANDOM = np.random.default_rng


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["2:4", "random:0.3", "topk:0.25", "block4x8:0.5", "dense"]), st.integers(1, 70))
def test_masks_have_the_size_asked_for(pattern: str, length: int) -> None:
    assert drawn_mask(parse_sparsity(pattern), 9, length, RANDOM(0)).shape == (9, length)
    assert drawn_mask(None, 9, length, RANDOM(0)).all()


def test_ratios_and_top_shares_are_kept_exactly() -> None:
    ratio = drawn_mask(parse_sparsity("2:6"), 50, 60, RANDOM(1))
    assert (ratio.reshape(50, 10, 6).sum(axis=2) == 2).all()
    assert (drawn_mask(parse_sparsity("topk:0.25"), 50, 60, RANDOM(1)).sum(axis=1) == 15).all()


def test_blocks_are_kept_whole() -> None:
    mask = drawn_mask(parse_sparsity("block4x8:0.5"), 64, 64, RANDOM(2))
    blocks = mask.reshape(16, 4, 8, 8).sum(axis=(1, 3))
    assert set(np.unique(blocks)) == {0, 32}


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_a_counted_mask_is_drawn_with_its_groups(density: float) -> None:
    int8 = format("int8")
    op = Op.gemm("a", m=1, n=64, k=256).with_formats(inputs=int8, weights=int8, outputs=int8)
    first = RANDOM(3).random((64, 256)) < density
    again = drawn_mask(parse_sparsity(mask_pattern(first, op)), 256, 256, RANDOM(4))
    assert again.mean() == pytest.approx(first.mean(), rel=0.05)


def test_a_seed_gives_the_same_mask() -> None:
    masks = [drawn_mask(parse_sparsity("random:0.5"), 8, 8, RANDOM(5)) for _ in range(2)]
    assert (masks[0] == masks[1]).all()
