"""Mappings that somebody wrote: every form reads back as it was, mistakes are told with their place."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from archsim.api.design import design_from_dict
from archsim.api.map import search, with_formats
from archsim.arch.accelerator import Accelerator
from archsim.arch.catalog import hardware_names
from archsim.arch.engines.base import SpatialAxis
from archsim.core.errors import InputError
from archsim.mappers.given import Given
from archsim.mappers.legality import settle
from archsim.mappers.mapping_files import read_given
from archsim.mappers.mapping_text import loop_nest, parse_loop_nest
from archsim.mappers.remedies import Overflow, overflows
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.problem import build_problem
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, spatial, sram, systolic

KIB = 8192.0


def machine(kind: str = "spatial", capacity: float = 16 * KIB) -> Accelerator:
    glb = replace(sram(capacity), name="glb")
    if kind == "systolic":
        return accelerator(systolic(8, 16, ("os", "ws")), dram(), glb)
    axes = (
        SpatialAxis(name="x", size=8, gemm_dims=("n",), conv_dims=("k", "q"), multicast=frozenset({"inputs"})),
        SpatialAxis(name="y", size=4, gemm_dims=("k",), conv_dims=("c", "r"), reduce=frozenset({"outputs"})),
    )
    rf = replace(sram(64 * 8.0, double_buffer=False), name="rf", per="pe", instances=32)
    return accelerator(spatial(*axes), dram(), glb, rf)


GEMM = int8(Op.gemm("g", m=20, n=30, k=50))
NEST = """\
# a comment
dram: inputs | weights | outputs
  for m in 0..5     # five
glb: inputs | weights | outputs
    for k in 0..13
      parallel-for n in 8 on x
        parallel-for k in 4 on y
rf: inputs | weights | outputs
          for n in 0..4
            for m in 0..4
"""


def settled(chip: Accelerator, op: Op, given: Given) -> Mapping:
    return settle(given, op, chip, counting(), INT32).mapping


def refusals(nest: str, op: Op = GEMM, chip: Accelerator | None = None) -> list[str]:
    with pytest.raises(InputError) as raised:
        settle(parse_loop_nest(nest, "nest.txt"), op, chip or machine(), counting(), INT32)
    return [str(problem) for problem in raised.value.problems]


@st.composite
def ops(draw: st.DrawFn) -> Op:
    if draw(st.booleans()):
        return int8(Op.gemm("x", **{dim: draw(st.integers(1, 200)) for dim in "mnk"}, b=draw(st.integers(1, 3))))
    groups = draw(st.sampled_from([1, 3]))
    sizes = {dim: draw(st.integers(1, 20)) for dim in "pq"} | {dim: draw(st.integers(1, 3)) for dim in "rs"}
    return int8(Op.conv("x", k=6 * groups, c=5 * groups, groups=groups, stride_h=draw(st.integers(1, 2)), **sizes))


@drawn(ops(), st.sampled_from(["spatial", "systolic"]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_what_the_mapper_finds_is_legal_and_its_text_and_values_read_back(op: Op, kind: str) -> None:
    chip = machine(kind)
    cost = best_mapping(op, chip, MapperSettings(), counting(), INT32)
    assert cost is not None
    mapping = cost.mapping
    assert mapping is not None
    flow = next(flow for flow in chip.engine.dataflows if flow.name == mapping.dataflow)
    problem = build_problem(op, chip, flow, counting(), INT32)
    text = loop_nest(problem, mapping)
    assert settled(chip, op, parse_loop_nest(text, "x")) == mapping
    assert overflows(problem, mapping) == ()


@pytest.mark.parametrize("suffix", [".json", ".toml", ".txt"])
@pytest.mark.parametrize("kind", ["spatial", "systolic"])
def test_every_form_of_file_says_the_same(tmp_path: Path, kind: str, suffix: str) -> None:
    chip = machine(kind)
    cost = best_mapping(GEMM, chip, MapperSettings(), counting(), INT32)
    assert cost is not None
    mapping = cost.mapping
    assert mapping is not None
    flow = next(flow for flow in chip.engine.dataflows if flow.name == mapping.dataflow)
    problem = build_problem(GEMM, chip, flow, counting(), INT32)
    texts = {
        ".json": json.dumps({"schema": "archsim.mapping/1", "mapping": mapping.as_dict()}, indent="\t"),
        ".toml": _toml(mapping),
        ".txt": loop_nest(problem, mapping),
    }
    path = tmp_path / f"m{suffix}"
    path.write_text(texts[suffix], "utf-8")
    assert settled(chip, GEMM, read_given(path, (), ())) == mapping


def _toml(mapping: Mapping) -> str:
    values = mapping.as_dict()
    lines = [f'dataflow = "{values["dataflow"]}"', "loops = ["]
    for loop in values["loops"]:
        axis = f', axis = "{loop["axis"]}"' if loop["axis"] else ""
        lines.append(f'  {{ dim = "{loop["dim"]}", factor = {loop["factor"]}{axis} }},')
    lines.append("]")
    tables = values["tiles"] | {}
    if "array_tile" in values:
        lines.append("array_tile = {" + ", ".join(f"{d} = {n}" for d, n in values["array_tile"].items()) + "}")
    for level, held in tables.items():
        lines.append(f"[tiles.{level}]")
        lines += [f"{operand} = {position}" for operand, position in held.items()]
    return "\n".join(lines)


def test_a_loop_nest_as_people_write_it_is_read() -> None:
    mapping = settled(machine(), GEMM, parse_loop_nest(NEST, "x"))
    assert mapping.loops[0] == Loop("m", 5)
    assert mapping.loops[2:4] == (Loop("n", 8, "x"), Loop("k", 4, "y"))
    assert mapping.tiles["rf"] == {"inputs": 4, "weights": 4, "outputs": 4}


def test_the_outermost_memory_needs_no_heading_and_an_array_tile_no_size() -> None:
    nest = "dataflow ws\nfor m in 0..5\nglb: inputs | weights | outputs\n"
    mapping = settled(machine("systolic"), GEMM, parse_loop_nest(nest, "x"))
    assert mapping.tiles["dram"] == {"inputs": 0, "weights": 0, "outputs": 0}
    assert mapping.array_tile == {"b": 1, "m": 4, "n": 30, "k": 50}
    assert [loop.factor for loop in mapping.passes] == [2, 7, 4, 8, 16]


def test_a_bypass_that_the_design_does_not_offer_is_a_warning() -> None:
    nest = NEST.replace("glb: inputs | weights | outputs", "glb: inputs | outputs")
    found = settle(parse_loop_nest(nest, "x"), GEMM, machine(), counting(), INT32)
    assert found.warnings == ("weights pass by glb, whose `bypass` does not list them: no search would do this",)


def test_a_tile_of_a_unit_outside_of_a_shared_one_is_no_mapping_of_accelforge() -> None:
    loops = (Loop("m", 20), Loop("k", 50), Loop("n", 30))

    def warnings(weights_above: int, convention: str) -> tuple[str, ...]:
        rf = {"inputs": 3, "weights": weights_above, "outputs": 3}
        mapping = Given(file="x", loops=loops, tiles={"glb": {"inputs": 2, "weights": 1, "outputs": 3}, "rf": rf})
        return settle(mapping, GEMM, machine(), counting(convention), INT32).warnings

    said = "the tile of weights in rf lies outside that of {}: where reuse is nested no search would do this"
    assert warnings(3, "accelforge") == ()
    assert warnings(1, "accelforge") == (said.format("inputs in glb"), said.format("outputs in glb"))
    assert warnings(1, "timeloop") == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("for m in 0..5", "for w in 0..5", "nest.txt:3: loops[0]: the op has no dimension 'w'"),
        ("for m in 0..5", "for m in 0..2", "nest.txt:3: loops: loops of m make 8 iterations, the op has 20"),
        ("8 on x", "9 on x", "nest.txt:6: loops[2]: 9 units on axis x, which has 8"),
        ("for k in 0..13", "for k in 0..6", "nest.txt:3: loops: loops of k make 24 iterations, the op has 50"),
        ("4 on y", "5 on y", "nest.txt:7: loops[3]: 5 units on axis y, which has 4\nhint: take"),
        ("on x", "on z", "nest.txt:6: loops[2]: no axis 'z' to unroll on"),
        ("0..13", "0..13\nparallel-for m in 2 on x", "nest.txt:6: loops[2]: axis x does not unroll m\nhint"),
        ("rf:", "rg:", "nest.txt:8: tiles.rg: no memory 'rg' to tile for\nhint: did you mean 'rf'?"),
        ("rf: inputs |", "rf: inpts |", "nest.txt:8: unknown operand 'inpts'\nhint: did you mean 'inputs'?"),
        ("for m in 0..5     #", "for m to 5", "nest.txt:3: is no line of a loop nest (got 'for m to 5 five')"),
        ("for k in 0..13", "for k in 0..0", "nest.txt:5: a loop must have from 1 to 1000000000 iterations (got 0)"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_loop_nest_is_told_with_its_line(old: str, new: str, message: str) -> None:
    assert old in NEST
    assert any(found.startswith(message) for found in refusals(NEST.replace(old, new)))


def test_units_own_memories_lie_below_the_loops_over_units_and_shared_ones_above() -> None:
    lines = NEST.splitlines()
    moved = "\n".join([*lines[:5], lines[7], *lines[5:7], *lines[8:]])
    (first, *_) = refusals(moved)
    assert first.startswith("nest.txt:6: tiles.rf.inputs: each unit on x has its own rf: loop 2 (n) lies below")
    shared = "\n".join([*lines[:3], *lines[4:7], lines[3], *lines[7:]])
    (first, *_) = refusals(shared)
    assert first.startswith("nest.txt:7: tiles.glb.inputs: units on x share one glb: loop 2 (n) lies above")


def test_inner_tiles_lie_inside_of_outer_ones() -> None:
    lines = NEST.splitlines()
    turned = "\n".join([*lines[:1], lines[7], *lines[1:7], *lines[8:]])
    assert any("fewer than the" in found for found in refusals(turned))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "m.json:1: has no loops"),
        ({"loops": 3}, "m.json:1: loops: must be a list of at most 48 loops (got 3)"),
        ({"loops": [3]}, "m.json:1: loops[0]: must be a table (got 3)"),
        ({"loops": [{"dim": 1, "factor": 2}]}, "m.json:1: loops[0].dim: must be a dimension's letter (got 1)"),
        ({"loops": [{"dim": "k", "factor": 2.5}]}, "m.json:1: loops[0].factor: must be a whole number"),
        ({"loops": [{"dim": "k", "factor": True}]}, "m.json:1: loops[0].factor: must be a whole number"),
        ({"loops": [{"dim": "k", "factor": 2, "axis": 3}]}, "m.json:1: loops[0].axis: must be an axis' name"),
        ({"loops": [{"dim": "k", "factor": 2, "fctor": 3}]}, "m.json:1: loops[0].fctor: unknown key"),
        ({"loops": [], "tiles": {"glb": {"weight": 0}}}, "m.json:1: tiles.glb.weight: unknown operand"),
        ({"loops": [], "tiles": {"glb": {"weights": -1}}}, "m.json:1: tiles.glb.weights: must be a whole number"),
        ({"loops": [], "tiles": {"glb": 1}}, "m.json:1: tiles.glb: must be a table by operand (got 1)"),
        ({"loops": [], "tils": {}}, "m.json:1: tils: unknown key\nhint: did you mean 'tiles'?"),
        ({"loops": [], "dataflow": 7}, "m.json:1: dataflow: must be text (got 7)"),
        ({"loops": [], "array_tile": {"m": 0}}, "m.json:1: array_tile.m: must be a whole number"),
    ],
)  # fmt: skip
def test_a_mistake_in_values_is_told_with_its_key(tmp_path: Path, values: dict[str, object], message: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(InputError) as raised:
        read_given(path, (), ())
    assert str(raised.value).replace(f"{tmp_path}/", "").startswith(message)


def test_the_line_of_a_mistake_is_that_of_its_key(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(
        'loops = [\n  {dim = "k", factor = 2},\n  {dim = "n", factor = 0},\n]\n[tiles.glb]\nwats = 1\n', "utf-8"
    )
    with pytest.raises(InputError) as raised:
        read_given(path, (), ())
    assert [problem.line for problem in raised.value.problems] == [3, 6]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.json", b"{", "not valid JSON"),
        ("m.json", b"[1]", "must be an object"),
        ("m.json", b'{"loops": [], "loops": []}', "'loops' is stated twice"),
        ("m.json", b"[" * 100_000, "nested too deeply"),
        ("m.json", b'{"loops": [{"dim": "k", "factor": ' + b"9" * 5000 + b"}]}", "not valid JSON"),
        ("m.json", b"\xff\xfe", "is not UTF-8 text"),
        ("m.toml", b"loops = [", "not valid TOML"),
        ("m.txt", b"\x00\x01 garbage", "is no line of a loop nest"),
        ("m.txt", b"", "holds no loops"),
        ("m.txt", b"for k in 0..2\n" * 60, "has more than 48 loops"),
        ("m.txt", b"a" * 1_000_001, "is larger than 1 MB"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_in_words(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_given(path, (), ())
    assert message in str(raised.value)


def test_iterations_without_work_are_a_warning() -> None:
    found = settle(parse_loop_nest(NEST.replace("m in 0..5", "m in 0..6"), "x"), GEMM, machine(), counting(), INT32)
    assert found.warnings == ("some of the 6 iterations of m are empty: 4 of 20 lie inside each",)


def glb_overflow(nest: str, op: Op, capacity_bytes: int) -> Overflow | None:
    found = settle(parse_loop_nest(nest, "x"), op, machine(capacity=capacity_bytes * 8.0), counting(), INT32)
    return next((held for held in overflows(found.problem, found.mapping) if held.occupancy.level == "glb"), None)


def test_tiles_that_do_not_fit_are_told_with_by_how_much_and_the_nearest_that_would() -> None:
    overflow = glb_overflow(NEST, GEMM, 1024)
    assert overflow is not None
    assert overflow.message == (
        "glb holds 1.00 KiB and needs 2.09 KiB (inputs 400 B in 2 copies, weights 1.46 KiB, outputs 240 B in 2 copies)"
        ": 1.09 KiB too much"
    )
    assert overflow.hint == "for k in 0..2 instead of 0..13 below glb would fit"
    followed = NEST.replace("for k in 0..13", "for k in 0..2").replace("for m in 0..5", "for m in 0..5\nfor k in 0..7")
    assert glb_overflow(followed, GEMM, 1024) is None


@pytest.mark.parametrize(("capacity", "loops"), [(2048, 3), (4500, 2), (9000, 1)])
def test_the_hint_of_an_overflow_is_true(capacity: int, loops: int) -> None:
    """Doing what it says makes the level fit, and where it is one loop, one more iteration does not."""
    op = int8(Op.gemm("g", m=64, n=64, k=64))
    tail = "rf: inputs | weights | outputs\n"

    def nest(factors: dict[str, int]) -> str:
        outer = [f"for {dim} in 0..{-(-64 // factor)}" for dim, factor in factors.items() if factor < 64]
        inner = [f"for {dim} in 0..{factor}" for dim, factor in factors.items()]
        return "\n".join([*outer, "glb: inputs | weights | outputs", *inner, tail])

    whole = dict.fromkeys("mnk", 64)
    overflow = glb_overflow(nest(whole), op, capacity)
    assert overflow is not None
    cut = {dim: int(factor) for dim, factor in re.findall(r"for (\w) in 0\.\.(\d+)", overflow.hint or "")}
    assert 1 <= len(cut) <= loops
    assert glb_overflow(nest(whole | cut), op, capacity) is None
    if len(cut) == 1:
        assert glb_overflow(nest(whole | {dim: factor + 1 for dim, factor in cut.items()}), op, capacity) is not None


@pytest.mark.parametrize("kind", ["gemm", "conv"])
@pytest.mark.parametrize("name", hardware_names())
def test_what_is_found_on_a_machine_of_the_catalog_is_legal(name: str, kind: str) -> None:
    table = {"hardware": {"base": name}, "workload": {"model": "mobilenet-v1"}, "mapper": {"budget": "50 ms"}}
    chosen = design_from_dict(table)
    plain = Op.gemm("x", m=60, n=96, k=80) if kind == "gemm" else Op.conv("x", k=24, c=20, p=14, q=14, r=3, s=3)
    op = with_formats(plain, chosen)
    chip = chosen.accelerator_for(op.phase)
    found = search(chosen, op).cost.mapping
    assert found is not None
    flow = next(flow for flow in chip.engine.dataflows if flow.name == found.dataflow)
    problem = build_problem(op, chip, flow, chosen.simulation.switches, chosen.accumulator)
    given = parse_loop_nest(loop_nest(problem, found), "nest.txt")
    assert settle(given, op, chip, chosen.simulation.switches, chosen.accumulator).mapping == found
