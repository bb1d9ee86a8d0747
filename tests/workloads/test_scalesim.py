"""SCALE-Sim topologies in the styles that its own files come in, and broken ones."""

import csv
from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.workloads.op import Op
from archsim.workloads.table import read_trace

CONV = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides"
RUNS = Path(__file__).parents[3] / "shared" / "data" / "scalesim" / "runs.csv"


def topology(tmp_path, text, name="net.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_trace(path)


def problems(tmp_path, text):
    with pytest.raises(InputError) as caught:
        topology(tmp_path, text)
    return [str(problem).replace(str(tmp_path / "net.csv"), "net.csv") for problem in caught.value.problems]


def test_plain_conv_topology(tmp_path):
    trace = topology(tmp_path, f"{CONV},\nConv1, 224, 224, 7, 7, 3, 64, 2,\nFC, 1, 1, 1, 1, 512, 1000, 1,\n")
    first = Op.conv("Conv1", k=64, c=3, p=110, q=110, r=7, s=7, stride_h=2, stride_w=2)
    assert trace.ops == (first, Op.conv("FC", k=1000, c=512, p=1, q=1, r=1, s=1))
    assert trace.parameters == 64 * 3 * 49 + 512_000
    assert trace.name == "net"


def test_plain_gemm_topology(tmp_path):
    trace = topology(tmp_path, "Layer,M,N,K,\nq,512,384,128,\n\nk,1,2,3,\n")
    assert trace.ops == (Op.gemm("q", m=512, n=384, k=128), Op.gemm("k", m=1, n=2, k=3))


@pytest.mark.parametrize(
    ("header", "row", "changes"),
    [
        (CONV, "a,9,9,3,3,4,8,2", {}),
        (CONV + ",", "a , 9 ,9 ,3, 3,4,8,2 , ", {}),
        (CONV + ",,,", "a,9,9,3,3,4,8,2,,,", {}),
        (CONV + ",, Target", "a,9,9,3,3,4,8,2, NPU", {}),
        (CONV + ",", "a,9,9,3,3,4,8,2,#dw", {}),
        (CONV + ", Batch Size,", "a,9,9,3,3,4,8,2,5,", {"n": 5}),
        (CONV + ",", "a,9,9,3,3,4,8,2,1", {"stride_w": 1, "q": 7}),
        (CONV.replace("Strides", "Stride Height, Stride Width"), "a,9,9,3,3,4,8,2,1", {"stride_w": 1, "q": 7}),
        (CONV.upper(), "a,9,9,3,3,4,8,2", {}),
        (CONV.replace(" Num Filter", "Num_Filters"), "a,9,9,3,3,4,8,2", {}),
        (CONV + ", Layer Type, MAC Cycles", "a,9,9,3,3,4,8,2,conv,77", {}),
    ],
)
def test_styles_of_conv_rows(tmp_path, header, row, changes):
    (op,) = topology(tmp_path, f"{header}\n{row}\n").ops
    plain = {"n": 1, "k": 8, "c": 4, "p": 4, "q": 4, "r": 3, "s": 3, "stride_h": 2, "stride_w": 2}
    assert {key: op.dims[key] for key in plain} == plain | changes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{CONV}, Sparsity\na,9,9,3,3,4,8,1,2:4,\n", "2:4"),
        (f"{CONV}\na,9,9,3,3,4,8,1,1:4\n", "1:4"),
        (f"{CONV}, Sparsity\na,9,9,3,3,4,8,1,4:4,\n", None),
        ("Layer,M,N,K,Sparsity,\na,1,2,3, 1 : 8,\n", "1:8"),
        ("Layer,M,N,K,\na,1,2,3,\n", None),
    ],
)
def test_sparsity_column_is_the_weights(tmp_path, text, expected):
    (op,) = topology(tmp_path, text).ops
    assert (op.weights.sparsity, op.inputs.sparsity) == (expected, None)


def test_passed_over_columns_are_recorded(tmp_path):
    trace = topology(tmp_path, f"{CONV}, Layer Type\na,9,9,3,3,4,8,2,conv\nb,9,9,3,3,4,8,2,conv,#x\n")
    assert trace.source.endswith("ignored: Layer Type, '#x'")


def test_columns_of_the_other_kind_of_layer_are_recorded_as_passed_over(tmp_path):
    trace = topology(tmp_path, f"{CONV}, M\na,9,9,3,3,4,8,2,7\n")
    assert trace.source.endswith("ignored: M")
    assert topology(tmp_path, "Layer,M,N,K,Strides\na,1,2,3,2\n").source.endswith("ignored: Strides")


def test_depthwise_by_name(tmp_path):
    (op,) = topology(tmp_path, f"{CONV},\nConvDP1,9,9,3,3,4,2,1,\n").ops
    assert (op.dims["groups"], op.dims["k"], op.dims["c"], op.macs) == (4, 8, 4, 4 * 2 * 49 * 9)


def test_layers_of_one_name_are_told_apart(tmp_path):
    trace = topology(tmp_path, "Layer,M,N,K\na,1,1,1\na.2,1,1,1\na,1,1,1\na,1,1,1\n")
    labels = [op.name for op in trace.ops]
    assert len(set(labels)) == 4
    assert labels[:2] == ["a", "a.2"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comma", ["", ",", ",,"])
def test_line_ends_blank_lines_and_trailing_commas_do_not_matter(tmp_path, end, comma):
    lines = ["", CONV + comma, "", "a,9,9,3,3,4,8,2" + comma, "  ", f"b,9,9,3,3,4,8,2{comma}", "", ""]
    path = tmp_path / "net.csv"
    path.write_bytes(b"\xef\xbb\xbf" + end.join(lines).encode())
    assert [op.name for op in read_trace(path).ops] == ["a", "b"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_what_spreadsheets_write_between_cells(tmp_path, mark):
    (op,) = topology(tmp_path, "Layer,M,N,K\na,4,5,6\n".replace(",", mark)).ops
    assert op == Op.gemm("a", m=4, n=5, k=6)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a,4,5,6,\nb,1,2,3\n", Op.gemm("a", m=4, n=5, k=6)),
        ("a,4,5,6,2:4,\nb,1,2,3,1:1,\n", Op.gemm("a", m=4, n=5, k=6)),
        ("a,9,8,3,2,4,8,2\nb,9,9,3,3,4,8,2\n", Op.conv("a", k=8, c=4, p=4, q=4, r=3, s=2, stride_h=2, stride_w=2)),
        ("a,9,8,3,2,4,8,2,1\nb,9,9,3,3,4,8,2\n", Op.conv("a", k=8, c=4, p=4, q=7, r=3, s=2, stride_h=2)),
    ],
)
def test_a_file_without_a_header_keeps_its_first_layer(tmp_path, text, wanted):
    trace = topology(tmp_path, text)
    assert [op.name for op in trace.ops] == ["a", "b"]
    assert trace.ops[0].dims == wanted.dims


def test_tables_cut_by_tabs_and_rows_of_empty_cells(tmp_path):
    """Both styles stand in the tool's collection; its own reader takes neither."""
    text = CONV.replace(",", "\t") + "\t \na\t9\t9\t3\t3\t4\t8\t2\t\n"
    assert topology(tmp_path, text).ops == topology(tmp_path, f"{CONV}\n,,,,,,,\na,9,9,3,3,4,8,2").ops


def test_a_sparsity_of_one_is_dense(tmp_path):
    (op,) = topology(tmp_path, "Layer Name, M, N, K, Sparsity,\nGEMM_1, 1, 5, 16, 1,\n").ops
    assert op == Op.gemm("GEMM_1", m=1, n=5, k=16)


def test_a_column_that_no_layer_fills_does_not_matter(tmp_path):
    """A stray title behind the sizes, as in the tool's own collection."""
    (op,) = topology(tmp_path, "Layer,M,N,K,FFN_up,\nFFN_up,1378,18944,3584,").ops
    assert op == Op.gemm("FFN_up", m=1378, n=18944, k=3584)


def test_columns_by_name_in_another_order(tmp_path):
    (op,) = topology(tmp_path, "K, M, Layer, N\n6,4,a,5\n").ops
    assert op == Op.gemm("a", m=4, n=5, k=6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Layer,M,N,K,\n", ["net.csv: has no layers"]),
        ("Layer,M,N,K,\na,1,2,\n", ["net.csv:2: k: is missing"]),
        (
            "Layer,M,N,K,\na,1,x,3,\nb,0,2,3\n",
            ["net.csv:2: n: must be an integer (got 'x')", "net.csv:3: m: must be at least 1 (got 0)"],
        ),
        ("Layer,M,N,K,\n,1,2,3,\n", ["net.csv:2: layer name: is missing"]),
        (f"{CONV},\na,3,9,5,3,4,8,1,\n", ["net.csv:2: filter_h: must be at most the ifmap's 3 (got 5)"]),
        ("Layer name, IFMAP Height, IFMAP Width,\na,3,3,\n", None),
        (f"{CONV}, Sparsity\na,9,9,3,3,4,8,1,5:4,\n", ["net.csv:2: sparsity: N:M needs 1 <= N <= M (got '5:4')"]),
        ("Layer,M,N,K\na;b,1,2,3\n", None),
    ],
)
def test_broken_topologies(tmp_path, text, expected):
    found = problems(tmp_path, text)
    assert found if expected is None else found == expected


@pytest.mark.skipif(not RUNS.exists(), reason="the reference runs of SCALE-Sim are not beside this checkout")
def test_sizes_of_reference_runs(tmp_path):
    """M, N and K of SCALE-Sim 3.0.0 for every layer it ran."""
    with RUNS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shape = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "num_filters", "stride_h", "stride_w")
    header = CONV.replace("Strides", "Stride Height, Stride Width")
    layers = [",".join(["a", *(row[key] for key in shape)]) for row in rows]
    trace = topology(tmp_path, "\n".join([header, *layers]) + "\n")
    found = [(op.size(op.rows), op.size(op.columns), op.size(op.reduction)) for op in trace.ops]
    assert found == [(int(row["M"]), int(row["N"]), int(row["K"])) for row in rows]
