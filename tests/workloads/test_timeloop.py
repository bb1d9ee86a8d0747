"""Timeloop problems of versions 3 and 4 as ops, against the instances of the reference runs."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.importers import read_workload
from archsim.workloads.op import Op

INPUTS = Path(__file__).parents[3] / "shared" / "data" / "timeloop" / "inputs"

GEMM = """\
problem:
  version: 0.4
  shape:
    name: GEMM
    dimensions: [M, N, K]
    data_spaces:
      - {name: A, projection: [[[M]], [[K]]]}
      - {name: B, projection: [[[N]], [[K]]]}
      - {name: Z, projection: [[[M]], [[N]]], read_write: True}
  instance: {M: 4, N: 5, K: 6}
"""
CNN = "problem:\n  shape: cnn-layer\n  R: 3\n  S: 2\n  P: 7\n  Q: 9\n  C: 4\n  K: 8\n  N: 2\n  Wstride: 2\n"
DEPTHWISE = """\
problem:
  shape:
    name: DW
    dimensions: [C, P, Q, R, S]
    data-spaces:
      - {name: Weights, projection: [[[C]], [[R]], [[S]]]}
      - {name: Inputs, projection: [[[C]], [[R], [P, U]], [[S], [Q, U]]]}
      - {name: Outputs, projection: [[[C]], [[P]], [[Q]]], read-write: True}
    coefficients: [{name: U, default: 2}]
  instance: {C: 16, P: 5, Q: 6, R: 3, S: 3}
"""


def read(tmp_path: Path, text: str) -> Op:
    path = tmp_path / "layer.yaml"
    path.write_text(text)
    (op,) = read_workload(path).ops
    assert isinstance(op, Op)
    return op


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_a_gemm(tmp_path: Path) -> None:
    assert read(tmp_path, GEMM) == Op.gemm("GEMM", m=4, n=5, k=6, after=())


def test_the_built_in_convolution_with_sizes_beside_its_shape(tmp_path: Path) -> None:
    """Timeloop's own shape goes along the height with R, P and the coefficients named W."""
    op = read(tmp_path, CNN)
    assert op == Op.conv("CNN_Layer", n=2, k=8, c=4, p=7, q=9, r=3, s=2, stride_h=2, after=())


def test_a_depthwise_convolution_by_its_indices(tmp_path: Path) -> None:
    wanted = Op.conv("DW", k=16, c=16, p=5, q=6, r=3, s=3, stride_h=2, stride_w=2, groups=16, after=())
    assert read(tmp_path, DEPTHWISE) == wanted


def test_batched_and_several_loops_of_one_part(tmp_path: Path) -> None:
    text = GEMM.replace("[M, N, K]", "[M, N, K, H, M2]").replace("[[[M]], ", "[[[H]], [[M]], [[M2]], ")
    text = text.replace("[[[N]], [[K]]]", "[[[H]], [[N]], [[K]]]").replace("K: 6}", "K: 6, H: 3, M2: 2}")
    assert dict(read(tmp_path, text).dims) == {"b": 3, "m": 8, "n": 5, "k": 6}


def test_weights_are_known_by_name_or_by_the_others_windows(tmp_path: Path) -> None:
    assert dict(read(tmp_path, GEMM.replace("name: A", "name: Filters").replace("name: B", "name: X")).dims) == {
        "b": 1,
        "m": 5,
        "n": 4,
        "k": 6,
    }
    renamed = DEPTHWISE.replace("Weights", "One").replace("Inputs", "Two")
    assert read(tmp_path, renamed).dims["groups"] == 16


@pytest.mark.parametrize(
    ("density", "expected"),
    [
        ("0.25", "random:0.25"),
        ("1", None),
        ("{distribution: hypergeometric, density: 0.5}", "random:0.5"),
        ("{distribution: fixed-structured, density: 0.5}", "random:0.5"),
    ],
)
def test_densities_are_random_patterns(density: str, expected: str | None, tmp_path: Path) -> None:
    op = read(tmp_path, GEMM.replace("K: 6}", f"K: 6, densities: {{B: {density}, Z: 0.1}}}}"))
    assert (op.weights.sparsity, op.inputs.sparsity) == (expected, None)
    assert "density of Z" in read_workload(tmp_path / "layer.yaml").source


def test_architecture_and_mapping_are_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, "architecture: {version: 0.3}\nmapping: []\n" + GEMM).dims["m"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("K: 6}", "K: 0}"), "layer.yaml:10: problem.instance.K: must be an integer from 1 to 2^63 - 1 (got 0)"),
        (("K: 6}", "K: six}"), "problem.instance.K: must be an integer from 1 to 2^63 - 1 (got 'six')"),
        (("K: 6}", "K: true}"), "(got true)"),
        (("K: 6}", "L: 6}"), "problem.instance.L: unknown dimension or coefficient 'L'"),
        ((", K: 6}", "}"), "problem.instance: states no size of K\nhint: add K to the instance"),
        (("M: 4, N: 5", "M: 9000000000000, N: 9000000000000"), "has more than 9223372036854775807"),
        (("[M, N, K]", "[M, N, N]"), "problem.shape.dimensions: must list the names of the loops, each once"),
        (("[M, N, K]", "MNK"), "problem.shape.dimensions: must list"),
        (("[[[N]], [[K]]]", "[[[N]], [[Q]]]"), "layer.yaml:8: problem.shape.data_spaces[1].projection[1]: must be one"),
        (("[[[N]], [[K]]]", "NK"), "problem.shape.data_spaces[1].projection: must be a list of lists"),
        (("[[[N]], [[K]]]", "[[[N]]]"), "K: is only in the indices of inputs: that is no product"),
        (("[[[N]], [[K]]]", "[[[N], [M]], [[K]]]"), "is a sum of loops in the indices of weights or outputs"),
        (("[[[M]], [[K]]]", "[[[M], [N]], [[K]]]"), "1*M + 1*N: is no sliding window"),
        ((", read_write: True", ""), "one data space must be read_write (got none)"),
        (("      - {name: B, projection: [[[N]], [[K]]]}\n", ""), "data_spaces: must be three"),
        (("K: 6}", "K: 6, densities: {B: 1.5}}"), "densities.B: must be a density above 0 and at most 1 (got 1.5)"),
        (("K: 6}", "K: 6, densities: {Q: 0.5}}"), "unknown data space 'Q'"),
        (("K: 6}", "K: 6, densities: {B: {distribution: zipf, density: 0.5}}}"), "unknown distribution 'zipf'"),
        (("problem:", "problom:"), "is YAML, but describes no network"),
    ],
)
def test_broken_problems(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, GEMM.replace(*change))


def test_three_sliding_windows_are_no_convolution_here(tmp_path: Path) -> None:
    text = DEPTHWISE.replace("[C, P, Q, R, S]", "[C, P, Q, R, S, D, T]").replace(
        "[[S], [Q, U]]", "[[S], [Q]], [[T], [D]]"
    )
    text = (
        text.replace("[[S]]]}", "[[S]], [[T]]]}")
        .replace("[[Q]]]", "[[Q]], [[D]]]")
        .replace("S: 3}", "S: 3, D: 4, T: 3}")
    )
    assert "has 3 sliding windows: a convolution has at most 2" in refusal(tmp_path, text)


def test_all_problems_at_once(tmp_path: Path) -> None:
    assert refusal(tmp_path, GEMM.replace("M: 4, N: 5, K: 6", "M: -4, N: x, Q: 6")).count("layer.yaml:10") == 4


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the reference inputs of Timeloop are not beside this checkout")
def test_reference_inputs_keep_their_work() -> None:
    import yaml

    files = sorted(INPUTS.glob("*.yaml"))
    assert len(files) > 30
    for file in files:
        instance = yaml.safe_load(file.read_text())["problem"]["instance"]
        (op,) = read_workload(file).ops
        assert isinstance(op, Op)
        assert op.macs == math.prod(size for name, size in instance.items() if len(name) == 1)
        if "P" in instance:
            strides = (instance["Wstride"], instance["Hstride"], instance["Wdilation"], instance["Hdilation"])
            assert tuple(op.dims[key] for key in ("stride_h", "stride_w", "dilation_h", "dilation_w")) == strides
            assert (op.dims["k"], op.dims["p"], op.dims["r"]) == (instance["M"], instance["P"], instance["R"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_problems_are_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(data.draw(st.sampled_from((GEMM, CNN, DEPTHWISE))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "layer.yaml"
    path.write_bytes(content)
    with suppress(InputError):
        assert read_workload(path).ops
