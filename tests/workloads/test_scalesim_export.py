"""Traces as SCALE-Sim topologies: what comes back, what that tool reads, and what is said to be lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.op import AnyOp, Op, Role, VectorOp
from archsim.workloads.scalesim_export import topology, write_topology
from archsim.workloads.table import read_trace
from archsim.workloads.trace import Trace

sizes = st.integers(1, 3000)
small = st.integers(1, 9)
names = st.text(st.characters(whitelist_categories=("Ll", "Nd"), max_codepoint=300), min_size=1, max_size=8).map(
    lambda text: f"x{text}"
)
patterns = st.sampled_from((None, "2:4", "1:8"))


def network(*ops: AnyOp, name: str = "net") -> Trace:
    return Trace(name=name, ops=ops, parameters=1)


def sparse(op: Op, pattern: str | None) -> Op:
    return replace(op, weights=replace(op.weights, sparsity=pattern))


@st.composite
def gemms(draw: st.DrawFn, name: str) -> Op:
    return sparse(Op.gemm(name, m=draw(sizes), n=draw(sizes), k=draw(sizes)), draw(patterns))


@st.composite
def convs(draw: st.DrawFn, name: str) -> Op:
    stride = draw(small)
    dims = {dim: draw(small) for dim in ("p", "q", "r", "s")}
    if draw(st.booleans()):
        groups = draw(st.integers(2, 40))
        name, channels = f"{name}_DP", {"c": groups, "k": groups * draw(small), "groups": groups}
    else:
        channels = {"c": draw(sizes), "k": draw(sizes)}
    return sparse(Op.conv(name, **dims, **channels, stride_h=stride, stride_w=stride), draw(patterns))


def round_trip(ops: list[Op], folder: Path) -> tuple[AnyOp, ...]:
    write_topology(network(*ops), folder / "net.csv")
    return read_trace(folder / "net.csv").ops


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_gemms_come_back_as_they_were(data: st.DataObject, tmp_path: Path) -> None:
    ops = [data.draw(gemms(name)) for name in data.draw(st.lists(names, min_size=1, max_size=5, unique=True))]
    assert round_trip(ops, tmp_path) == tuple(ops)
    assert topology(network(*ops)).lost == ()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_convolutions_come_back_as_they_were(data: st.DataObject, tmp_path: Path) -> None:
    ops = [data.draw(convs(name)) for name in data.draw(st.lists(names, min_size=1, max_size=5, unique=True))]
    assert round_trip(ops, tmp_path) == tuple(ops)
    assert topology(network(*ops)).lost == ()


def test_lines_are_as_that_tool_cuts_them() -> None:
    made = topology(network(Op.conv("a,b", k=8, c=4, p=4, q=5, r=3, s=2, stride_h=2, stride_w=2)))
    header, line = made.text.splitlines()
    assert line.split(",")[:-1] == ["a_b", "9", "10", "3", "2", "4", "8", "2"]
    assert len(header.split(",")) == len(line.split(","))
    assert made.lost == ("names changed (DP marks depthwise layers, commas end a cell): a,b",)


def test_that_tool_reads_what_is_written(tmp_path: Path) -> None:
    """The rules of SCALE-Sim's own reader, as far as its layers' GEMM sizes go."""
    trace = model("mobilenet-v1")
    made = topology(trace)
    macs = 0
    for line in made.text.splitlines()[1:]:
        name, *cells = line.split(",")[:-1]
        h, w, r, s, channels, filters, stride = map(int, cells)
        depth = channels if "DP" in name else 1
        outputs = -(-(h - r + stride) // stride) * -(-(w - s + stride) // stride)
        macs += outputs * r * s * channels // depth * filters * depth
    assert macs == trace.macs


def test_matrices_of_counts_batches_and_groups_are_lines_of_their_own(tmp_path: Path) -> None:
    ops = [
        Op.gemm("g", m=2, n=3, k=4, b=3, count=2),
        Op.conv("c", n=2, k=4, c=6, p=3, q=3, r=1, s=1, groups=2),
    ]
    assert round_trip(ops[:1], tmp_path) == tuple(
        Op.gemm(f"g.{index}" if index > 1 else "g", m=2, n=3, k=4) for index in range(1, 7)
    )
    conv = round_trip(ops[1:], tmp_path)
    assert [op.name for op in conv] == ["c", "c.2", "c.3", "c.4"]
    assert sum(op.macs for op in conv) == ops[1].macs


def test_gemms_among_convolutions_become_one_by_one(tmp_path: Path) -> None:
    conv, gemm = Op.conv("c", k=4, c=6, p=3, q=3, r=1, s=1), Op.gemm("fc", m=5, n=7, k=9)
    _, written = round_trip([conv, gemm], tmp_path)
    assert isinstance(written, Op)
    sizes_of = (written.size(written.rows), written.size(written.columns), written.size(written.reduction))
    assert sizes_of == (5, 7, 9)
    assert topology(network(conv, gemm)).lost == ("GEMMs written as 1 x 1 convolutions: fc",)


@pytest.mark.parametrize("changes", [{"stride_h": 1, "stride_w": 3}, {"dilation_h": 2, "dilation_w": 2}])
def test_strides_and_dilations_keep_their_outputs(changes: dict[str, int], tmp_path: Path) -> None:
    op = Op.conv("c", k=4, c=6, p=5, q=4, r=3, s=3, **changes)
    (written,) = round_trip([op], tmp_path)
    assert isinstance(written, Op)
    assert written.macs == op.macs
    assert {dim: written.dims[dim] for dim in "kcpqrs"} == {dim: op.dims[dim] for dim in "kcpqrs"}
    assert len(topology(network(op)).lost) == 1


def test_what_a_topology_cannot_say_is_listed() -> None:
    int8 = format("int8")
    op = Op.gemm("qk", m=2, n=3, k=4, weight_role=Role.KV, phase="decode", after=()).with_formats(
        inputs=int8, weights=int8, outputs=int8
    )
    act = VectorOp(name="act", kind="elementwise", elements=4)
    made = topology(network(sparse(op, "random:0.3"), act))
    assert made.lost == (
        "left out, as they are no products: 1 elementwise",
        "not said: formats, phases, dependencies other than in a row, roles other than weights, "
        "patterns other than N:M (random:0.3)",
    )


def test_depthwise_and_dense_layers_are_told_apart_by_their_names(tmp_path: Path) -> None:
    ops = [Op.conv("dw", k=4, c=4, p=3, q=3, r=3, s=3, groups=4), Op.conv("aDPb", k=4, c=4, p=3, q=3, r=3, s=3)]
    written = round_trip(ops, tmp_path)
    assert [op.name for op in written] == ["dw_DP", "adpb"]
    assert [op.macs for op in written] == [op.macs for op in ops]


def test_traces_that_make_no_topology() -> None:
    with pytest.raises(InputError, match="net has no GEMM and no convolution"):
        topology(network(VectorOp(name="act", kind="elementwise", elements=4)))
    with pytest.raises(InputError, match="takes 200,000 lines as a topology"):
        topology(network(Op.gemm("g", m=1, n=1, k=1, b=1000, count=200)))


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_topology(network(), tmp_path / "net.csv")
    assert list(tmp_path.iterdir()) == []
