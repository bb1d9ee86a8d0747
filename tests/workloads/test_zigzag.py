"""ZigZag workloads as traces: products by their equations, pooling and sums, precisions and sources."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.importers import read_workload
from archsim.workloads.op import Op, Role, VectorOp
from archsim.workloads.trace import Trace

NETWORK = """\
- id: 0
  operator_type: Conv
  equation: O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]
  dimension_relations: [ix=2*ox+1*fx, iy=2*oy+3*fy]
  loop_dims: [B, K, C, OY, OX, FY, FX]
  loop_sizes: [1, 64, 3, 112, 56, 7, 5]
  operand_precision: {W: 4, I: 8, O: 16, O_final: 8}
  operand_source: {I: 0, W: 0}
- id: 1
  operator_type: Pooling
  equation: O[b][g][oy][ox]+=W[fx][fy]*I[b][g][iy][ix]
  dimension_relations: [ix=2*ox+1*fx, iy=2*oy+1*fy]
  loop_dims: [B, G, OY, OX, FX, FY]
  loop_sizes: [1, 64, 56, 28, 3, 3]
  operand_precision: {I: 8, W: 0, O: 16, O_final: 8}
  operand_source: {I: 0, W: 1}
- id: 2
  operator_type: Depthwise
  equation: O[b][g][oy][ox]+=W[g][fy][fx]*I[b][g][iy][ix]
  dimension_relations: [ix=ox+fx, iy=oy+fy]
  loop_dims: [B, G, OY, OX, FY, FX]
  loop_sizes: [1, 64, 54, 26, 3, 3]
  operand_precision: {W: 8, I: 8, O: 32, O_final: 8}
  operand_source: {I: 1, W: 2}
- id: 3
  operator_type: Add
  equation: O[b][g][oy][ox]=W[b][g][oy][ox]+I[b][g][oy][ox]
  loop_dims: [B, G, OY, OX]
  loop_sizes: [1, 64, 54, 26]
  operand_precision: {W: 8, I: 8, O: 16, O_final: 8}
  operand_source: {W: 1, I: 2}
"""
GEMM = """\
- id: 7
  name: scores
  equation: O[h][m][n]+=A[h][m][k]*B[h][k][n]
  loop_dims: [H, M, N, K]
  loop_sizes: [12, 5, 6, 7]
"""


def read(tmp_path: Path, text: str) -> Trace:
    path = tmp_path / "net.yaml"
    path.write_text(text)
    return read_workload(path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_layers_become_ops(tmp_path: Path) -> None:
    conv, pool, depthwise, add = read(tmp_path, NETWORK).ops
    sizes = {"k": 64, "c": 3, "p": 112, "q": 56, "r": 7, "s": 5}
    wanted = Op.conv("Conv_0", **sizes, stride_h=2, stride_w=2, dilation_h=3, after=())
    assert conv == wanted.with_formats(inputs=format("int8"), weights=format("int4"), outputs=format("int8"))
    assert isinstance(pool, VectorOp)
    assert (pool.kind, pool.elements, pool.operations_per_element) == ("pool", 64 * 56 * 28, 9)
    assert pool.reads_per_element == 113 * 57 / (56 * 28)
    assert isinstance(depthwise, Op)
    assert (depthwise.dims["groups"], depthwise.dims["k"], depthwise.macs) == (64, 64, 64 * 54 * 26 * 9)
    assert isinstance(add, VectorOp)
    assert (add.kind, add.elements, add.reads_per_element, add.operations_per_element) == (
        "elementwise",
        64 * 54 * 26,
        2,
        1,
    )
    assert [op.after for op in (pool, depthwise, add)] == [("Conv_0",), ("Pooling_1",), ("Pooling_1", "Depthwise_2")]


def test_an_operand_that_another_layer_makes_is_no_parameter(tmp_path: Path) -> None:
    first = GEMM.replace("id: 7", "id: 1").replace("scores", "keys")
    trace = read(tmp_path, first + GEMM + "  operand_source: {A: 7, B: 1}\n")
    keys, scores = trace.ops
    assert isinstance(keys, Op)
    assert isinstance(scores, Op)
    assert dict(scores.dims) == {"b": 12, "m": 5, "n": 6, "k": 7}
    assert (keys.weights.role, scores.weights.role) == (Role.PARAMETER, Role.ACTIVATION)
    assert scores.after == ("keys",)
    assert trace.parameters == 12 * 6 * 7


def test_sizes_as_a_table_and_unknown_keys(tmp_path: Path) -> None:
    text = GEMM.replace("loop_dims: [H, M, N, K]", "loop_dim_size: {H: 12, M: 5, N: 6, K: 7}")
    text = text.replace("  loop_sizes: [12, 5, 6, 7]\n", "  padding: [[1, 1]]\n")
    trace = read(tmp_path, text)
    assert trace.macs == 12 * 5 * 6 * 7
    assert trace.source.endswith("ignored: padding")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[12, 5, 6, 7]", "[12, 5, 6]"), "net.yaml:5: [0].loop_sizes: must have one size for each of loop_dims"),
        (("[12, 5, 6, 7]", "[12, 5, 0, 7]"), "[0].loop_sizes[2]: 'N' must be an integer, at least 1 (got 0)"),
        (("[H, M, N, K]", "[H, M, M, K]"), "[0].loop_dims[2]: must be a name that stands once (got 'M')"),
        (("B[h][k][n]", "B[h][k][q]"), "net.yaml:3: [0].equation: unknown loop 'q'"),
        (("+=A[h][m][k]*", "+=A[h][m][k]/"), "[0].equation: cannot be read"),
        (("  equation", "  aquation"), "net.yaml:1: [0]: a layer needs equation"),
        (("id: 7", "id: seven"), "net.yaml:1: [0].id: must be an integer, at least 0 (got 'seven')"),
        (("B[h][k][n]", "B[h][n]"), "K: is only in the indices of inputs"),
        (
            ("[12, 5, 6, 7]\n", "[12, 5, 6, 7]\n  operand_source: {A: 9}\n"),
            "[0].operand_source.A: names a layer that is",
        ),
        (("[12, 5, 6, 7]\n", "[12, 5, 6, 7]\n  operand_source: [1]\n"), "operand_source: must be a table"),
        (
            ("[12, 5, 6, 7]\n", "[12, 5, 6, 7]\n  operand_precision: {A: x}\n"),
            "operand_precision.A: must be 0 to 64 bits",
        ),
        (
            ("[12, 5, 6, 7]\n", "[12, 5, 6, 7]\n  dimension_relations: [m=2*]\n"),
            "[0].dimension_relations[0]: must read as ix=2*ox+1*fx (got 'm=2*')",
        ),
        (
            ("[12, 5, 6, 7]\n", "[12, 5, 6, 7]\n  dimension_relations: [m=2*zz+k]\n"),
            "[0].dimension_relations[0]: unknown loop 'ZZ'",
        ),
        (("[12, 5, 6, 7]", "[4294967296, 4294967296, 4, 1]"), "has more than 9223372036854775807"),
    ],
)
def test_broken_workloads(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, GEMM.replace(*change))


def test_ids_that_stand_twice_and_sources_further_down(tmp_path: Path) -> None:
    assert "name: 'scores' is already in line" in refusal(tmp_path, GEMM + GEMM)
    later = GEMM + "  operand_source: {A: 8}\n" + GEMM.replace("id: 7", "id: 8").replace("scores", "late")
    assert "'scores' stands before 'late'" in refusal(tmp_path, later)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_workloads_are_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from((NETWORK, GEMM))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "net.yaml"
    path.write_bytes(content)
    with suppress(InputError):
        assert read_workload(path).ops
