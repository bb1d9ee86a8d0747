"""A wrong sweep file is refused before anything runs: every mistake, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.explore.read import parse_constraint, read_sweep
from tests.explore import sweeps

AXES = '[axes]\n"hardware.array.rows" = [4, 8]\n'


def problems(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> list[str]:
    path = sweeps.write(folder, text)
    with pytest.raises(InputError) as caught:
        read_sweep(path, overrides)
    return [str(problem).replace(f"{path}:", "").replace(f"{folder}/", "") for problem in caught.value.problems]


def sweep(rest: str, axes: str = AXES) -> str:
    return f'design = "design.toml"\n{axes}{rest}'


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ('"hardware.array.rowz" = [1]', "3: hardware.array.rowz: unknown key\nhint: did you mean 'rows'?"),
        ("hardware.array.rows = [8, 0]", "3: hardware.array.rows: must be at least 1 (got 0)"),
        (
            '"hardware.memory.gbl.capacity" = ["8 KiB"]',
            "3: hardware.memory.gbl.capacity: hardware.memory has no entry named 'gbl'\nhint: did you mean 'glb'?",
        ),
        ('"hardware.array.rows.x" = [1]', "3: hardware.array.rows.x: hardware.array.rows is a value, not a table"),
        ('"quantization.weights" = ["int8",\n"int7x"]', "4: quantization.weights: unknown format 'int7x'"),
        ('"hardware.array.rows" = []', "has no values"),
        ('"hardware.array.rows" = [4, 8, 4]', 'axes."hardware.array.rows"[2]: has 4 twice'),
        ('"hardware.array.rows" = 4', "must be a list of values, a range, or the key of another axis (got 4)"),
        ('"hardware.array.rows" = "hardware.array.cols"', "no other axis has the key 'hardware.array.cols'"),
        ('"hardware..rows" = [1]', "is not a dotted key of a design (got 'hardware..rows')"),
        ('"hardware.array.rows" = { from = 4, to = 8 }', "a range needs one of step and factor"),
        (
            '"hardware.array.rows" = { from = 4, to = 8, factor = 2, steps = 1 }',
            "unknown key\nhint: did you mean 'step'",
        ),
        ('"hardware.array.rows" = { values = [4], when = { "a.b" = 1 } }', "no other axis has the key 'a.b'"),
    ],
)
def test_wrong_axes_are_named_with_their_line(tmp_path: Path, axis: str, expected: str) -> None:
    (found,) = problems(tmp_path, sweep("", f"[axes]\n{axis}\n"))
    assert expected in found


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    text = sweep('[objectives]\nlatency = "min"\n\n[constraints]\narea_mm2 = "10"\n[serach]\n')
    found = problems(tmp_path, text.replace("[4, 8]", '[4, "x"]'))
    assert [line.partition(":")[0] for line in found] == ["3", "5", "8", "9"]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ('[objectives]\n"energy_j.glbb" = "min"\n', '5: objectives."energy_j.glbb": unknown total'),
        ('[constraints]\narea_mm2 = "<= ten"\n', "5: constraints.area_mm2: must be a bound such as '<= 10'"),
        ('[constraints]\npower_w = "<= 2 mm"\n', "5: constraints.power_w: 'mm' is no unit of power_w"),
        ('[constraints]\npower = "<= 2 W"\n', "5: constraints.power: unknown total\nhint: did you mean 'power_w'?"),
        ("[objectives]\n", "4: objectives: must not be empty"),
        ('[search]\nmethod = "sobol"\n', "method 'sobol' needs points"),
        ('[search]\nmethod = "random"\npoints = 3\n', "6: search.points: the space has 2 (got 3)"),
        ("[search]\nseed = 3\n", "5: search.seed: says nothing for method 'grid'"),
        ('[search]\nmethod = "random"\npoints = 2\npopulation = 8\n', "7: search.population: says nothing"),
        (
            '[[workloads]]\nname = "a"\nphas = "decode"\n',
            "6: workloads.a.phas: unknown key\nhint: did you mean 'phase'?",
        ),
        ('[[workloads]]\nname = "a"\n[[workloads]]\nname = "a"\n', "7: workloads.a.name: 'a' names two workloads"),
        ('[[workloads]]\nname = "energy_j"\n', "is the name of a table of results"),
        ('[[workloads]]\nname = "a"\nweight = 0\n', "6: workloads.a.weight: must be above 0 (got 0)"),
    ],
)
def test_wrong_tables_are_named_with_their_line(tmp_path: Path, rest: str, expected: str) -> None:
    (found,) = problems(tmp_path, sweep(rest))
    assert expected in found


def test_two_mistakes_of_one_table_have_a_line_each(tmp_path: Path) -> None:
    found = problems(tmp_path, sweep('[search]\nmethod = "grids"\npts = 3\n'))
    assert [line.partition(":")[0] for line in found] == ["5", "6"]
    assert "search.pts: unknown key\nhint: did you mean 'points'?" in found[1]


def test_a_table_that_is_a_number_is_not_missing_too(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, 'design = "design.toml"\naxes = 3\n')
    assert "axes: must be a table (got 3)" in found


def test_bounds_may_have_units_of_their_total() -> None:
    bounds = [parse_constraint(*one) for one in (("latency_s", "<= 50 ms"), ("a.energy_j", "< 3 mJ"))]
    assert [str(bound) for bound in bounds] == ["latency_s <= 0.05", "a.energy_j < 0.003"]


def test_a_design_in_the_place_of_a_sweep_is_called_one(tmp_path: Path) -> None:
    sweeps.write(tmp_path, sweep(""))
    with pytest.raises(InputError, match="is a design, not a sweep"):
        read_sweep(tmp_path / "design.toml")


def test_a_missing_design_is_a_mistake_of_the_sweep_file(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, f'design = "desing.toml"\n{AXES}')
    assert found.startswith("1: design: no such file 'desing.toml'\nhint: did you mean 'design.toml'?")


def test_mistakes_of_the_design_keep_their_own_lines(tmp_path: Path) -> None:
    path = sweeps.write(tmp_path, sweeps.SWEEP, design=sweeps.DESIGN.replace('"1 GHz"', '"1 GB"'))
    with pytest.raises(InputError) as caught:
        read_sweep(path)
    assert [(Path(str(problem.file)).name, problem.line) for problem in caught.value.problems] == [("design.toml", 3)]


def test_circles_of_conditions_are_mistakes(tmp_path: Path) -> None:
    axes = """[axes]
"hardware.array.rows" = { values = [4, 8], when = { "hardware.array.cols" = 4 } }
"hardware.array.cols" = { values = [4, 8], when = { "hardware.array.rows" = 4 } }
"""
    assert "depends on itself" in problems(tmp_path, sweep("", axes))[0]


def test_conditions_on_values_that_never_come_are_mistakes(tmp_path: Path) -> None:
    axes = (
        '[axes]\n"hardware.cores" = [1, 2]\n"hardware.array.rows" = { values = [4], when = { "hardware.cores" = 3 } }\n'
    )
    assert "when: hardware.cores never is 3\nhint: it has 1, 2" in problems(tmp_path, sweep("", axes))[0]


def test_a_linked_list_has_as_many_values_as_what_it_follows(tmp_path: Path) -> None:
    axes = '[axes]\nhardware.cores = [1, 2]\nhardware.array.rows = { values = [4], link = "hardware.cores" }\n'
    assert "has 1 values, hardware.cores, which it follows, 2" in problems(tmp_path, sweep("", axes))[0]


def test_a_value_that_only_some_combinations_refuse_is_no_mistake(tmp_path: Path) -> None:
    axes = """[axes]
"hardware.array.dataflows" = [["ws"], ["os"]]
"mapper.dataflows" = [["ws"], ["os"]]
"""
    assert read_sweep(sweeps.write(tmp_path, sweep("", axes))).space.size == 4


def test_wrong_overrides_are_those_of_the_command_line(tmp_path: Path) -> None:
    found = problems(tmp_path, sweep(""), ("hardware.cores=0",))
    assert found == ["--set: hardware.cores: must be at least 1 (got 0)"]


def test_bare_and_quoted_keys_are_the_same(tmp_path: Path) -> None:
    bare = read_sweep(sweeps.write(tmp_path / "a", sweep("", "[axes]\nhardware.array.rows = [4]\n")))
    quoted = read_sweep(sweeps.write(tmp_path / "b", sweep("", '[axes]\n"hardware.array.rows" = [4]\n')))
    assert bare.space == quoted.space
    twice = '[axes]\nhardware.array.rows = [4]\n"hardware.array.rows" = [8]\n'
    assert "is the same key as hardware.array.rows" in problems(tmp_path, sweep("", twice))[0]


def test_workloads_set_keys_of_the_workload_and_others(tmp_path: Path) -> None:
    text = sweep(
        '[[workloads]]\nname = "a"\nweight = 3\nmodel = "resnet-18"\nset = { "quantization.weights" = "int4" }\n'
    )
    (workload,) = read_sweep(sweeps.write(tmp_path, text)).spec.workloads
    assert workload.overrides == (("workload.model", "resnet-18"), ("quantization.weights", "int4"))
    assert workload.weight == 3


def test_columns_are_totals_components_and_each_workloads_totals(tmp_path: Path) -> None:
    text = sweep('[[workloads]]\nname = "a"\n[[workloads]]\nname = "b"\n[objectives]\n"b.latency_s" = "min"\n')
    columns = read_sweep(sweeps.write(tmp_path, text)).columns
    assert {"latency_s", "energy_j.glb", "area_mm2.mac", "a.energy_j", "b.latency_s"} <= set(columns)


def test_a_sweep_may_be_plain_values(tmp_path: Path) -> None:
    import tomllib

    sweeps.write(tmp_path)
    design = tomllib.loads(sweeps.DESIGN.replace("work.csv", str(tmp_path / "work.csv")))
    read = read_sweep({"design": design, "axes": {"hardware.array.rows": [4, 8]}})
    assert (read.space.size, read.name) == (2, "sweep")


def test_evolutionary_search_without_pymoo_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.explore.read.find_spec", lambda name: None)
    (found,) = problems(tmp_path, sweep('[search]\nmethod = "evolutionary"\npoints = 2\n'))
    assert found == "5: search.method: evolutionary search needs pymoo\nhint: pip install 'archsim[search]'"


def test_totals_that_no_point_can_have_are_refused(tmp_path: Path) -> None:
    text = sweep('[objectives]\ntpot_s = "min"\nlatency_s = "min"\n[constraints]\naccuracy = ">= 0.7"\n')
    assert problems(tmp_path, text) == [
        "5: objectives.tpot_s: no point has it: nothing runs in phase 'decode'\nhint: phases of the workload: forward",
        "8: constraints.accuracy: is not modelled: no point has it\n"
        "hint: bound what costs accuracy by the formats of an axis",
    ]
