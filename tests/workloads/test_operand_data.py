"""What engines may ask of an op's operands: density, structure, non-zeros among neighbours, counts of real tensors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.masks import mask_pattern
from archsim.workloads.op import Op, OperandName
from archsim.workloads.operand_data import OpData, operand_data

INT8 = format("int8")
GEMM = Op.gemm("layers.0.a", m=4, n=32, k=64).with_formats(inputs=INT8, weights=INT8, outputs=INT8)


def sparse(pattern: str, name: OperandName = "weights") -> OpData:
    op = replace(GEMM, **{name: replace(GEMM.operand(name), sparsity=pattern)})  # type: ignore[arg-type]
    return operand_data(op, name)


def test_an_operand_of_which_nothing_is_said_has_no_zeros() -> None:
    data = operand_data(GEMM, "weights")
    assert (data.sparse, data.density, data.ratio, data.block) == (False, 1.0, None, (1, 1))
    assert data.nonzeros(4) == (0.0, 0.0, 0.0, 0.0, 1.0)
    assert data.histogram("essential_bits") is None


def test_a_ratio_is_known_by_its_numbers_and_a_block_by_its_size() -> None:
    assert sparse("2:4").ratio == (2, 4)
    assert sparse("2:4").nonzeros(4) == (0.0, 0.0, 1.0, 0.0, 0.0)
    assert sparse("block8x16:0.5").block == (8, 16)
    assert sparse("random:0.5").ratio is None


def test_the_longest_group_is_a_row_and_lanes_beyond_it_are_empty() -> None:
    assert len(sparse("random:0.5").nonzeros(100)) == 101
    assert sum(sparse("random:0.5").nonzeros(100)[65:]) == 0.0
    assert sparse("topk:0.25").nonzeros(64)[16] == pytest.approx(1.0)


@given(st.sampled_from(["random:0.3", "2:4", "topk:0.5", "block4x4:0.25"]), st.integers(1, 64))
def test_groups_have_the_density_on_average(pattern: str, n: int) -> None:
    data = sparse(pattern)
    shares = data.nonzeros(n)
    assert sum(shares) == pytest.approx(1.0)
    assert sum(i * share for i, share in enumerate(shares)) / n == pytest.approx(data.density)


@pytest.mark.parametrize("n", [1, 3, 4, 8, 12, 24, 64])
def test_masks_answer_for_sizes_that_were_not_counted(n: int) -> None:
    mask = np.random.default_rng(0).random((32, 64)) < 0.4
    data = sparse(mask_pattern(mask, GEMM))
    shares = data.nonzeros(n)
    assert sum(shares) == pytest.approx(1.0)
    assert sum(i * share for i, share in enumerate(shares)) / n == pytest.approx(mask.mean())


def test_counts_come_from_the_side_file_of_the_layer_in_every_segment(tmp_path: Path) -> None:
    from archsim.api.statistics import trace_statistics
    from archsim.workloads.statistics.side_file import write_statistics

    values = np.random.default_rng(1).normal(size=(32, 64))
    np.savez(tmp_path / "w.npz", **{"layers.0.a": values})
    counted = trace_statistics(tmp_path / "w.npz", ["int8"], groups=[8]).statistics
    write_statistics(counted, tmp_path / "w.stats.parquet")
    op = replace(GEMM, name="decode1.layers.0.a", stats=str(tmp_path / "w.stats.parquet"))
    data = operand_data(op, "weights")
    single = data.histogram("essential_bits")
    assert single is not None
    assert int(single.sum()) == values.size
    assert 0.9 < data.density <= 1.0
    assert data.histogram("essential_bits", 16) is None
    assert operand_data(replace(op, name="other"), "weights").histogram("essential_bits") is None
    with pytest.raises(InputError, match="no such file"):
        _ = operand_data(replace(op, stats=str(tmp_path / "none.parquet")), "weights").density


def test_an_operand_without_a_format_is_refused() -> None:
    with pytest.raises(ValueError, match="no format"):
        operand_data(Op.gemm("a", m=1, n=1, k=1), "weights")
