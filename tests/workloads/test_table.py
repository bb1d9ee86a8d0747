"""Trace tables: identity of writing and reading, and every kind of broken file."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.op import Op, Operand, Role, Term, Transfer, VectorOp
from archsim.workloads.table import read_trace, write_trace
from archsim.workloads.trace import Trace

SUFFIXES = ("csv", "parquet")
FORMATS = ("int8", "fp16", "int4:g128")

sizes = st.integers(1, 5000)
names = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=";"), min_size=1, max_size=12)
formats = st.none() | st.sampled_from(FORMATS).map(format)
sparsities = st.none() | st.sampled_from(("2:4", "1:8", "random:0.3"))
counts = st.integers(1, 64)
phases = st.sampled_from(("prefill", "decode", "forward", "training"))
amounts = st.floats(0, 1e6, allow_nan=False)


@st.composite
def operands(draw, operand):
    return replace(operand, role=draw(st.sampled_from(Role)), format=draw(formats), sparsity=draw(sparsities))


@st.composite
def products(draw, name, after):
    common = {"count": draw(counts), "phase": draw(phases), "after": after}
    if draw(st.booleans()):
        op = Op.gemm(name, b=draw(sizes), m=draw(sizes), n=draw(sizes), k=draw(sizes), **common)
    else:
        groups = draw(st.integers(1, 4))
        dims = {
            dim: draw(st.integers(1, 60)) for dim in ("n", "p", "q", "r", "s", "stride_h", "stride_w", "dilation_w")
        }
        dims |= {"k": groups * draw(counts), "c": groups * draw(counts), "groups": groups}
        if draw(st.booleans()):
            depth = {dim: draw(st.integers(1, 60)) for dim in ("d", "t", "stride_d", "dilation_d")}
            op = Op.conv3d(name, **depth, **dims, **common)
        else:
            op = Op.conv(name, **dims, **common)
    return replace(
        op,
        inputs=draw(operands(op.inputs)),
        weights=draw(operands(op.weights)),
        outputs=draw(operands(op.outputs)),
    )


@st.composite
def vectors(draw, name, after):
    return VectorOp(
        name=name,
        kind=draw(st.sampled_from(("softmax", "norm", "elementwise", "pool", "gather", "dequantize", "rotate"))),
        elements=draw(sizes),
        reads_per_element=draw(amounts),
        operations_per_element=draw(amounts),
        writes_per_element=draw(amounts),
        count=draw(counts),
        phase=draw(phases),
        after=after,
        format=draw(formats),
        input_format=draw(formats),
        role=draw(st.sampled_from(Role)),
    )


@st.composite
def traces(draw):
    labels = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    ops = []
    for index, name in enumerate(labels):
        after = draw(
            st.none() | st.lists(st.sampled_from(labels[:index]), unique=True).map(tuple) if index else st.none()
        )
        kind = draw(st.integers(0, 2))
        if kind == 2:
            op = Transfer(
                name=name, bytes=draw(st.integers(0, 2**40)), link=draw(names), count=draw(counts), after=after
            )
        else:
            op = draw((products, vectors)[kind](name, after))
        ops.append(op)
    return Trace(
        name=draw(st.text(max_size=20)),
        ops=tuple(ops),
        parameters=draw(st.integers(0, 2**50)),
        kv_elements_per_token=draw(st.integers(0, 2**40)),
        kv_tokens=draw(st.integers(0, 2**40)),
        output_tokens=draw(st.integers(0, 9999)),
        batch=draw(sizes),
        source=draw(st.text(max_size=30)),
    )


def written(tmp_path, text, name="net.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def outcome(path):
    """The ops of a file, or the problems that it was refused for."""
    try:
        return read_trace(path).ops
    except InputError as error:
        return error.problems


def problems(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    return [str(problem).replace(str(path), "net.csv") for problem in caught.value.problems]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(trace=traces(), suffix=st.sampled_from(SUFFIXES))
def test_write_then_read_is_identity(tmp_path, trace, suffix):
    path = tmp_path / f"trace.{suffix}"
    write_trace(trace, path)
    assert read_trace(path) == trace


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("resnet-50", {}), ("vit-b", {}), ("gpt-2", {"phase": "generate", "context": 9, "output_tokens": 12})],
)
def test_models_survive_a_round_trip(tmp_path, name, arguments, suffix):
    trace = model(name, **arguments)
    path = tmp_path / f"trace.{suffix}"
    write_trace(trace, path)
    assert read_trace(path) == trace
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_minimal_file(tmp_path):
    text = "name,kind,b,m,n,k,elements\nfc,gemm,,4,5,6,\nact,elementwise,,,,,20\n"
    trace = read_trace(written(tmp_path, text))
    assert trace.name == "net"
    assert trace.ops == (Op.gemm("fc", m=4, n=5, k=6), VectorOp(name="act", kind="elementwise", elements=20))
    assert (trace.parameters, trace.batch, trace.kv_elements_per_token) == (30, 1, 0)


def test_stride_is_short_for_both_and_spaces_blank_lines_and_comments_do_not_matter(tmp_path):
    text = "# my network\r\n# name: tiny\r\nname , kind, k,c,p,q,r,s,stride,phase\r\n\r\nc1 ,conv,8,3,7,7,3,3,2\r\n"
    trace = read_trace(written(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert trace.ops == (Op.conv("c1", k=8, c=3, p=7, q=7, r=3, s=3, stride_h=2, stride_w=2),)
    assert trace.name == "tiny"


def test_attention_row_becomes_three_ops(tmp_path):
    text = (
        "name,kind,count,phase,b,m,n,k,heads,kv_heads,q_len,kv_len,head_dim,weights,inputs,outputs,after\n"
        "qkv,gemm,2,decode,,3,96,64,,,,,,,,,;\n"
        "att,attention,2,decode,3,,,,8,2,1,10,8,int8,fp16,int4:g128,qkv\n"
        "out,gemm,2,decode,,3,64,64,,,,,,,,,att\n"
        "next,gemm,1,decode,,3,64,64,,,,,,,,,\n"
    )
    trace = read_trace(written(tmp_path, text))
    qkv, qk, softmax, av, out, following = trace.ops
    assert (qkv.after, following.after) == ((), None)
    assert [op.name for op in (qk, softmax, av)] == ["att.qk", "att.softmax", "att.av"]
    assert [op.after for op in (qk, softmax, av, out)] == [("qkv",), ("att.qk",), ("att.softmax",), ("att.av",)]
    assert dict(qk.dims) == {"b": 6, "m": 4, "n": 10, "k": 8}
    assert dict(av.dims) == {"b": 6, "m": 4, "n": 8, "k": 10}
    assert softmax.elements == 3 * 8 * 10
    assert (qk.weights.role, qk.weights.format, av.weights.format) == (Role.KV, format("int8"), format("int8"))
    assert (qk.inputs.format, qk.outputs.format) == (format("fp16"), None)
    assert (av.inputs.format, av.outputs.format) == (None, format("int4:g128"))
    assert (trace.kv_elements_per_token, trace.kv_tokens) == (2 * 2 * 8 * 2, 30)


@pytest.mark.parametrize(
    ("options", "keys"), [(",,1,50", 50), ("true,,1,50", 50), (",16,1,50", 16), (",16,4,50", 19), ("false,99,4,50", 50)]
)
def test_attention_window_bounds_the_keys_that_the_queries_touch(tmp_path, options, keys):
    text = f"name,kind,causal,window,q_len,kv_len,heads,head_dim\natt,attention,{options},4,8\n"
    assert read_trace(written(tmp_path, text)).ops[0].dims["n"] == keys


def test_layers_of_two_phases_count_their_parameters_once(tmp_path):
    text = "name,kind,count,phase,m,n,k\nfc,gemm,3,prefill,9,5,6\ndecode1.fc,gemm,7,decode,1,5,6\n"
    assert read_trace(written(tmp_path, text)).parameters == 3 * 30


HEADER = "name,kind,count,m,n,k,elements,weights,after\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["net.csv: is empty: expected a header and one op a row"]),
        ("\n \n", ["net.csv: is empty: expected a header and one op a row"]),
        (HEADER, ["net.csv: has no rows"]),
        (b"name,kind\nf\xfcr,gemm\n", ["net.csv:2: is not UTF-8 (byte 0xfc)"]),
        ("name,kind,wieghts\n", ["net.csv:1: unknown column 'wieghts'\nhint: did you mean 'weights'?"]),
        (
            "m,n,k,k\n",
            [
                "net.csv:1: column 'k' stands twice",
                "net.csv:1: column 'name' is missing",
                "net.csv:1: column 'kind' is missing",
            ],
        ),
        (HEADER + "a,gemm,,-4,5,6\n", ["net.csv:2: m: must be at least 1 (got -4)"]),
        (HEADER + "a,gemm,0,4,5,6\n", ["net.csv:2: count: must be at least 1 (got 0)"]),
        (HEADER + "a,gemm,,4,5.5,6\n", ["net.csv:2: n: must be an integer (got '5.5')"]),
        (HEADER + "a,gemm,,4,,6\n", ["net.csv:2: n: a gemm needs it"]),
        (HEADER + "a,softmax,,,,,\n", ["net.csv:2: elements: a softmax needs it"]),
        (HEADER + "a,softmax,,,,8,7\n", ["net.csv:2: k: a softmax takes no k (got '8')"]),
        (HEADER + "a,gem,,4,5,6\n", ["net.csv:2: kind: unknown kind 'gem'\nhint: did you mean 'gemm'?"]),
        (HEADER + ",gemm,,4,5,6\n", ["net.csv:2: name: is missing"]),
        (HEADER + "a,,,4,5,6\n", ["net.csv:2: kind: is missing"]),
        (HEADER + "a,gemm,,4,5,6,,int4:g12x,\n", None),
        (HEADER + "a,gemm,,4,5,6,,,,,surplus\n", ["net.csv:2: has 11 cells, the header 9"]),
        (HEADER + 'a,gemm,,4,5,6\nb,"gemm,,4,5,6\n', ["net.csv:3: is not CSV: unexpected end of data"]),
        (HEADER + "a,gemm,,4,5,6\na,gemm,,4,5,6\n", ["net.csv:3: name: 'a' is already in line 2"]),
        (
            HEADER + "conv1,gemm,,4,5,6\nb,gemm,,4,5,6,,,conv2\n",
            ["net.csv:3: after: unknown op 'conv2'\nhint: did you mean 'conv1'?"],
        ),
        (HEADER + "a,gemm,,4,5,6,,,a\n", ["net.csv:2: after: goes in a circle: a <- a"]),
        (
            HEADER + "x,gemm,,4,5,6\na,gemm,,4,5,6,,,c\nb,gemm,,4,5,6,,,a\nc,gemm,,4,5,6,,,x;b\n",
            ["net.csv:3: after: goes in a circle: a <- c <- b <- a"],
        ),
        (
            HEADER + "a,gemm,,4,5,6,,,b\nb,gemm,,4,5,6,,,;\n",
            ["net.csv:2: after: 'a' stands before 'b' (line 3), whose result it reads"],
        ),
        (HEADER + f"a,gemm,,{'9' * 30},5,6\n", [f"net.csv:2: m: must be at most 9223372036854775807 (got {'9' * 30})"]),
        (HEADER + "a,gemm,,9000000000,9000000000,6\n", None),
        ("# batch: zero\n" + HEADER + "a,gemm,,4,5,6\n", ["net.csv: batch: must be an integer (got 'zero')"]),
        ("name,kind,phase,bytes,link\nt,transfer,decoding,8,pcie\n", None),
        (
            "name,kind,k,c,p,q,r,s,groups\nc,conv,8,6,4,4,3,3,4\n",
            ["net.csv:2: groups: must divide k and c (got 4, k=8, c=6)"],
        ),
        (
            "name,kind,weight_sparsity,m,n,k\na,gemm,5:4,1,1,1\n",
            ["net.csv:2: weight_sparsity: N:M needs 1 <= N <= M (got '5:4')"],
        ),
        ("name,kind,k,c,p,q,r,s,stride,stride_h\nc,conv,8,6,4,4,3,3,1,2\n", None),
        ("name,kind,heads,kv_heads,q_len,kv_len,head_dim\na,attention,8,3,1,1,64\n", None),
        ("name,kind,reads_per_element,elements\na,pool,nan,4\n", None),
        ("a;b,gemm\nname,kind\n", None),
        ("name,kind,elements\na;b,softmax,4\n", ["net.csv:2: name: must not contain ';' (got 'a;b')"]),
        ("name,kind,elements\n\x00,softmax,4\n", None),
    ],
)
def test_broken_files(tmp_path, text, expected):
    found = problems(tmp_path, text)
    assert found if expected is None else found == expected


def test_all_problems_of_a_file_are_reported_in_order(tmp_path):
    text = HEADER + "a,gemm,x,4,-5,6\nok,gemm,,4,5,6,,,a\nb,gem,,4,5,6\nok,softmax,,,,,0,,zz\n"
    assert [problem.split("\n")[0] for problem in problems(tmp_path, text)] == [
        "net.csv:2: count: must be an integer (got 'x')",
        "net.csv:2: n: must be at least 1 (got -5)",
        "net.csv:4: kind: unknown kind 'gem'",
        "net.csv:5: elements: must be at least 1 (got 0)",
        "net.csv:5: name: 'ok' is already in line 3",
    ]


def test_endless_problems_are_counted_not_listed(tmp_path):
    assert problems(tmp_path, HEADER + "a,gem\n" * 1000)[-1].startswith("net.csv: and ")


def test_missing_file_and_folder(tmp_path):
    for path, message in ((tmp_path / "no.csv", "no such file"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(InputError) as caught:
            read_trace(path)
        assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("length", [4, 8, 40, 200])
def test_truncated_parquet(tmp_path, length):
    path = tmp_path / "trace.parquet"
    write_trace(model("vgg-16"), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="is not a readable Parquet file"):
        read_trace(path)


def test_parquet_written_by_pandas(tmp_path):
    """Missing cells make a float column of a frame's integers; whole numbers are taken as such."""
    pandas = pytest.importorskip("pandas")
    rows = [{"name": "a", "kind": "gemm", "m": 2, "n": 3, "k": 4}, {"name": "b", "kind": "norm", "elements": 5}]
    pandas.DataFrame(rows).to_parquet(tmp_path / "t.parquet")
    trace = read_trace(tmp_path / "t.parquet")
    assert [dict(trace.ops[0].dims), trace.ops[1].elements] == [{"b": 1, "m": 2, "n": 3, "k": 4}, 5]


def test_parquet_errors_name_the_row(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "t.parquet"
    pandas.DataFrame(
        {"name": ["a", "b"], "kind": ["gemm", "gemm"], "m": [1, 0], "n": [1, 1], "k": [1.0, 1.5]}
    ).to_parquet(path)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path}:2: m: must be at least 1 (got 0)\n{path}:2: k: must be an integer (got 1.5)"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["a;b", " a", "a\nb", ""])
def test_names_that_a_table_cannot_hold_are_refused(tmp_path, name, suffix):
    trace = Trace(name="t", ops=(Op.gemm(name, m=1, n=1, k=1),), parameters=1)
    with pytest.raises(InputError, match="cannot be written to a trace table"):
        write_trace(trace, tmp_path / f"t.{suffix}")
    assert not list(tmp_path.iterdir())


def test_ops_with_other_projections_are_refused(tmp_path):
    op = Op.gemm("a", m=4, n=4, k=4)
    window = replace(op, inputs=Operand(axes=((Term("m"), Term("k")),)))
    with pytest.raises(InputError, match="'a' cannot be written"):
        write_trace(Trace(name="t", ops=(window,), parameters=1), tmp_path / "t.csv")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(SUFFIXES))
def test_damaged_files_are_read_or_refused(tmp_path, data, suffix):
    """Whatever bytes change, the answer is a trace or an InputError."""
    path = tmp_path / f"trace.{suffix}"
    write_trace(model("mobilenet-v1"), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    assert outcome(path)
