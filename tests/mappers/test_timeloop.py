"""Timeloop mappings are read as Timeloop reads them; what is wrong with one is told with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.mappers.timeloop import Mesh, read_timeloop_mapping
from archsim.sim.mapping import Loop, Mapping
from archsim.workloads.op import Op

INPUTS = Path(__file__).parents[2].parent / "shared" / "data" / "timeloop" / "inputs"
FILES = sorted(INPUTS.glob("*.yaml"))
OPERAND = {
    "A": "inputs",
    "Inputs": "inputs",
    "B": "weights",
    "Weights": "weights",
    "Z": "outputs",
    "Outputs": "outputs",
}

GEMM = """\
problem:
  shape:
    name: GEMM
    dimensions: [M, N, K]
    data-spaces:
    - {name: A, projection: [[[M]], [[K]]]}
    - {name: B, projection: [[[K]], [[N]]]}
    - {name: Z, projection: [[[M]], [[N]]], read-write: true}
  instance: {M: 8, N: 6, K: 10}
mapping:
- {target: DRAM, type: temporal, factors: M=2 N=1 K=1, permutation: KNM}
- {target: GLB, type: temporal, factors: M=1 N=3 K=2, permutation: KNM}
- {target: GLB, type: spatial, factors: M=4 N=1 K=5, permutation: MNK, split: 1}
- {target: RF, type: temporal, factors: M=1 N=2 K=1, permutation: KNM}
- {target: RF, type: bypass, keep: [A, Z], bypass: [B]}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "m.yaml"
    path.write_text(text, "utf-8")
    return path


def read(tmp_path: Path, text: str = GEMM) -> tuple[Op, Mapping]:
    return read_timeloop_mapping(written(tmp_path, text))


def refusals(tmp_path: Path, old: str, new: str) -> list[str]:
    assert old in GEMM
    with pytest.raises(InputError) as raised:
        read(tmp_path, GEMM.replace(old, new))
    return [str(problem).replace(str(tmp_path), "") for problem in raised.value.problems]


def tile_elements(op: Op, mapping: Mapping, operand: str, position: int) -> int:
    """Elements of a tile by definition: spans of its axes."""
    sizes = dict.fromkeys(op.loops, 1)
    for loop in mapping.loops[position:]:
        sizes[loop.dim] *= loop.factor
    product = 1
    for axis in op.operand(operand).axes:  # type: ignore[arg-type]
        product *= 1 + sum(term.coefficient * (sizes[term.dim] - 1) for term in axis)
    return product


def test_loops_are_outermost_first_and_positions_count_those_above(tmp_path: Path) -> None:
    op, mapping = read(tmp_path)
    assert dict(op.loops) == {"b": 1, "m": 8, "n": 6, "k": 10}
    assert mapping.loops == (
        Loop("m", 2),
        Loop("n", 3),
        Loop("k", 2),
        Loop("k", 5, "y"),
        Loop("m", 4, "x"),
        Loop("n", 2),
    )
    assert mapping.tiles == {
        "dram": {"inputs": 0, "weights": 0, "outputs": 0},
        "glb": {"inputs": 1, "weights": 1, "outputs": 1},
        "rf": {"inputs": 5, "outputs": 5},
    }


def test_levels_and_axes_take_the_names_that_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, GEMM)
    _, mapping = read_timeloop_mapping(path, levels=["Dram", "GLB"], mesh=Mesh("column", "row"))
    assert list(mapping.tiles) == ["Dram", "GLB", "rf"]
    assert [loop.axis for loop in mapping.loops if loop.axis] == ["row", "column"]


def test_the_architecture_orders_the_levels(tmp_path: Path) -> None:
    lines = GEMM.splitlines()
    start = lines.index("mapping:") + 1
    turned = "\n".join([*lines[:start], *reversed(lines[start:])])
    architecture = """
architecture:
  subtree:
  - name: system
    local: [{name: DRAM, class: DRAM}]
    subtree:
    - name: chip
      local: [{name: GLB}]
      subtree: [{name: "PE[0..19]", local: [{name: RF}]}]
"""
    assert read(tmp_path, turned + architecture) == read(tmp_path)


def test_an_architecture_in_nodes_with_tags_orders_the_levels_too(tmp_path: Path) -> None:
    architecture = """
architecture:
  version: 0.4
  nodes:
  - !Component {name: DRAM, class: DRAM}
  - !Container {name: PE, spatial: {meshX: 4}}
  - !Component {name: GLB, class: SRAM, attributes: {depth: 1}}
  - !Component {name: RF, class: regfile}
"""
    assert read(tmp_path, GEMM + architecture) == read(tmp_path)


def test_lists_of_factors_and_separated_permutations_mean_the_same(tmp_path: Path) -> None:
    text = GEMM.replace("factors: M=2 N=1 K=1, permutation: KNM", "factors: [M=2, N1], permutation: [K, N, M]")
    assert text != GEMM
    assert read(tmp_path, text) == read(tmp_path)


def test_factor_0_is_all_of_the_dimension(tmp_path: Path) -> None:
    text = GEMM.replace("factors: M=1 N=2 K=1, permutation: KNM", "factors: N=0")
    _, mapping = read(tmp_path, text)
    assert mapping.loops[-1] == Loop("n", 6)


def test_a_convolution_is_read_by_its_projections(tmp_path: Path) -> None:
    text = """\
problem:
  shape:
    dimensions: [F, U, V, X, Y, Ci, G]
    coefficients: [{name: stride, default: 2}, {name: dil, default: 1}]
    data-spaces:
    - {name: Filter, projection: [[[G]], [[F]], [[Ci]], [[U]], [[V]]]}
    - {name: Ifmap, projection: [[[G]], [[Ci]], [[X, stride], [U, dil]], [[Y, stride], [V, dil]]]}
    - {name: Ofmap, projection: [[[G]], [[F]], [[X]], [[Y]]], read-write: True}
  instance: {F: 4, U: 3, V: 5, X: 7, Y: 8, Ci: 2, G: 3, dil: 3}
mapping:
- {target: Mem, type: temporal, factors: F=4 U=3 V=5 X=7 Y=8 Ci=2 G=3}
"""
    op, mapping = read(tmp_path, text)
    assert dict(op.dims) == {
        "n": 1, "k": 12, "c": 6, "p": 7, "q": 8, "r": 3, "s": 5,
        "stride_h": 2, "stride_w": 2, "dilation_h": 3, "dilation_w": 3, "groups": 3,
    }  # fmt: skip
    assert [loop.dim for loop in mapping.loops] == ["g", "c", "q", "p", "s", "r", "k"]


@pytest.mark.skipif(not FILES, reason="Timeloop's reference files are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tiles_are_those_that_timeloop_prints(path: Path) -> None:
    op, mapping = read_timeloop_mapping(path)
    text = path.with_name(f"{path.stem}.loopnest.txt").read_text("utf-8")
    printed = re.findall(r"^(\w+) \[ (.*?)\]", text, re.MULTILINE)
    assert printed
    for level, tensors in printed:
        sizes = {OPERAND[name]: int(size) for name, size in re.findall(r"(\w+):(\d+)", tensors)}
        tiles = mapping.tiles.get(level.lower(), {})
        assert {name: tile_elements(op, mapping, name, at) for name, at in tiles.items()} == sizes
    loops = re.findall(r"for (\w) in \[0:(\d+)\)(?: \(Spatial-(\w)\))?", text)
    letters = {"M": "m" if op.kind == "gemm" else "k"}
    expected = [
        (letters.get(dim, dim.lower()), int(size), axis.lower() or None) for dim, size, axis in loops if size != "1"
    ]
    assert [(loop.dim, loop.factor, loop.axis) for loop in mapping.loops] == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("M=2 N=1 K=1", "M=2 N=one", "/m.yaml:11: factors: must be such as 'M=2 N=4' (got 'N=one')"),
        ("M=2 N=1 K=1", "M=2 P=2", "/m.yaml:11: factors: unknown dimension 'P'\nhint: the problem's: M, N, K"),
        ("M=2 N=1 K=1", "M=1", "/m.yaml:10: mapping: factors of M multiply to 4, the problem has 8"
         "\nhint: raise a factor of M"),
        ("M=2 N=1 K=1", '"M=3,2"', "/m.yaml:11: factors: residual factors are not read (got 'M=3,2')"
         "\nhint: state the factor alone: the last tile is cut to the dimension's size"),
        ("permutation: KNM}\n- {target: GLB, type: temporal", "permutation: KNN}\n- {target: GLB, type: temporal",
         "/m.yaml:11: permutation: names a dimension twice (got 'KNN')"),
        ("split: 1", "split: some", "/m.yaml:13: split: must be a whole number from 0 to 1000000000 (got 'some')"),
        ("bypass: [B]", "bypass: [C]", "/m.yaml:15: bypass: unknown data space 'C'\nhint: the problem's: A, B, Z"),
        ("bypass: [B]", "bypass: [A]", "/m.yaml:15: bypass: A cannot be both kept and bypassed"),
        ("type: bypass", "type: bypss", "/m.yaml:15: type: unknown directive 'bypss'\nhint: did you mean 'bypass'?"),
        ("M: 8", "M: 0", "/m.yaml:9: M: must be a whole number from 1 to 1000000000 (got 0)"),
        ("M: 8, ", "", "/m.yaml:9: M: must be a whole number from 1 to 1000000000 (it is missing)"),
        (", read-write: true", "", "/m.yaml:5: data-spaces: must be two read spaces"
         " and one read-write space (got 3 and 0)"),
        ("[[[M]], [[K]]]", "[[[M]], [[N]]]", "/m.yaml:5: data-spaces: dimension 'K' must index"
         " two data spaces or all three"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusals(tmp_path, old, new) == [message]


def test_every_mistaken_directive_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, GEMM.replace("split: 1", "split: x").replace("bypass: [B]", "bypass: [Q]"))
    assert [problem.key for problem in raised.value.problems] == ["split", "bypass"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("- 1", "must be a table of keys and values"),
        ("", "must be a table of keys and values"),
        ("a: 1\na: 2", "'a' is stated twice"),
        ("{[a]: 1}", "a key must be text"),
        ("problem: 3", "problem: must be a table (got 3)"),
        ("a: {b: 1}", "problem: is missing"),
        ("x: " + "[" * 100 + "]" * 100, "is nested too deeply"),
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        ), "holds more than 100000 values"),
        ("a: !!python/object/apply:os.system ['true']", "problem: is missing"),
    ],
)  # fmt: skip
def test_files_that_are_no_problem_at_all_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, text)
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_timeloop_mapping(tmp_path / "absent.yaml")
