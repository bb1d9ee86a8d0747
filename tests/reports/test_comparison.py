from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from archsim.api.compare import compare
from archsim.core.errors import InputError
from archsim.reports.comparison import design_changes
from archsim.reports.comparison_tables import comparison_tables
from archsim.reports.evaluation import Evaluation
from tests.reports import samples
from tests.reports.test_tables import rendered


def changed() -> Evaluation:
    """The small sample with int8 weights and little DRAM traffic in its head, which is then bound by compute."""
    before = samples.small()
    rows = list(before.cost.layers)
    formats = {"weights": "int8", "inputs": "fp16", "outputs": "fp16"}
    rows[1] = replace(rows[1], formats=formats, cost=samples.op_cost(rows[1].cost.macs, 1e5))
    after = samples.evaluation(tuple(rows[:-1]), "other")
    return replace(after, resolved={"design": {"name": "other"}, "hardware": {"clock_hz": 2e9}})


def test_ratios_are_b_over_a() -> None:
    result = compare(samples.small(), changed())
    latency = next(change for change in result.totals if change.name == "latency_s")
    assert latency.ratio == pytest.approx(changed().totals["latency_s"] / samples.small().totals["latency_s"])


def test_the_layer_that_changed_most_comes_first_with_its_reasons() -> None:
    result = compare(samples.small(), changed())
    assert result.layers[0].name == "lm_head"
    why = " / ".join(result.layers[0].why)
    assert "bound dram → compute" in why
    assert "weights int4:g128 → int8" in why
    assert "DRAM bytes ×0.0121" in why
    assert "stalled 92 % → 0 % of its cycles" in why
    assert result.layers[1].why == ()
    assert result.only_a == ("norm",)
    assert result.only_b == ()


def test_findings_name_what_moved() -> None:
    findings = compare(samples.small(), changed()).findings
    assert "1 layer bound by dram before, by compute now" in findings
    assert "the largest change is lm_head: -952 µs of -952 µs" in findings


def test_a_result_does_not_differ_from_itself() -> None:
    result = compare(samples.small(), samples.small())
    assert result.design == ()
    assert all(change.a == change.b for change in result.totals)
    assert all(not layer.why and layer.change_s == 0 for layer in result.layers)
    assert "the resolved designs are equal" in str(comparison_tables(result)[-1])


def test_swapping_the_sides_inverts_every_ratio() -> None:
    forth, back = compare(samples.small(), changed()), compare(changed(), samples.small())
    for there, here in zip(forth.totals, back.totals, strict=True):
        assert (there.a, there.b) == (here.b, here.a)
    assert forth.only_a == back.only_b


def test_layers_of_one_name_are_matched_in_order() -> None:
    layers = (samples.gemm("conv", 8, 8, 8), samples.gemm("conv", 64, 64, 64))
    result = compare(samples.evaluation(layers), samples.evaluation(layers))
    assert len(result.layers) == 2
    assert all(layer.latency_s.ratio == 1 for layer in result.layers)


def test_changed_keys_go_by_the_names_of_list_entries() -> None:
    def design(capacity: str) -> dict[str, object]:
        return {"hardware": {"memory": [{"name": "dram"}, {"name": "glb", "capacity": capacity}], "rows": 16}}

    (change,) = design_changes(design("1 MiB"), design("2 MiB"))
    assert (change.key, change.a, change.b) == ("hardware.memory.glb.capacity", "1 MiB", "2 MiB")
    (gone,) = design_changes({"a": 1, "b": 2}, {"a": 1})
    assert (gone.key, gone.a, gone.b) == ("b", 2, None)


def test_run_folders_compare_as_their_evaluations_do(tmp_path: Path) -> None:
    a, b = samples.small().save(tmp_path / "a"), changed().save(tmp_path / "b")
    expected = compare(samples.small(), changed()).to_dict()
    assert compare(a, b).to_dict() == expected
    assert compare(a / "summary.json", str(b)).to_dict() == expected
    json.dumps(expected, allow_nan=False)


def test_a_summary_alone_does_not_say_what_changed(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "a")
    (folder / "design.resolved.json").unlink()
    result = compare(folder, samples.small())
    assert result.design is None
    assert "is not known" in str(comparison_tables(result)[-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "a.json:1: is not JSON"),
        ("[]", "must hold one JSON object"),
        ("{}", "is not an archsim.evaluation/1 document (its schema: None)"),
        ('{"schema": "archsim.evaluation/1"}', "layers: must be a list"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_broken_summary_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        compare(path, samples.small())
    assert message in str(caught.value)


def test_a_summary_with_broken_layers_names_them(tmp_path: Path) -> None:
    folder = samples.small().save(tmp_path / "a")
    document = json.loads((folder / "summary.json").read_text("utf-8"))
    del document["layers"][1]["bound"]
    document["layers"][2] = 5
    (folder / "summary.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(InputError) as caught:
        compare(folder, samples.small())
    assert "layers[1]: lacks bound" in str(caught.value)
    assert "layers[2]: lacks a table" in str(caught.value)


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8"):
        compare(tmp_path / "a.json", samples.small())


def test_problems_of_both_sides_are_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        compare(tmp_path / "a.json", tmp_path / "b.json")
    assert len(caught.value.problems) == 2


def test_the_tables_show_both_sides() -> None:
    text = "".join(rendered(table) for table in comparison_tables(compare(samples.small(), changed())))
    assert "a = sample, b = other" in text
    assert "hardware.clock_hz" in text
    assert "lm_head   1.03 ms   80.0 µs   ×0.0775" in text
    assert "Layers only in a" in text


def test_html_is_escaped() -> None:
    evil = samples.evaluation((samples.gemm("<i>", 8, 8, 8),), name="<script>")
    page = compare(evil, samples.small())._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
