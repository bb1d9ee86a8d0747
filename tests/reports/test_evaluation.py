from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from archsim.core.errors import InputError
from archsim.reports.evaluation import Evaluation
from tests.reports import samples

TOTALS = {
    "latency_s", "cycles", "energy_j", "area_mm2", "power_w", "edp_js", "macs", "utilization", "dram_bytes",
    "peak_memory_bytes", "throughput_per_s", "tops", "tops_per_w", "ttft_s", "tpot_s", "accuracy", "resources",
}  # fmt: skip
LAYER = {
    "name", "kind", "phase", "count", "dims", "formats", "macs", "cycles", "compute_cycles", "stall_cycles",
    "latency_s", "energy_j", "utilization", "compute_utilization", "mapping_utilization", "bound", "dram_bytes",
    "traffic", "stalls", "mapping",
}  # fmt: skip


@pytest.fixture
def small() -> Evaluation:
    return samples.small()


def test_the_document_has_exactly_the_keys_of_the_contract(small: Evaluation) -> None:
    document = small.to_dict()
    assert set(document) == {
        "schema", "design", "archsim", "totals", "energy_j", "area_mm2", "layers", "warnings", "estimates",
    }  # fmt: skip
    assert document["schema"] == "archsim.evaluation/1"
    assert set(document["totals"]) == TOTALS
    for layer in document["layers"]:
        assert set(layer) == LAYER
        assert set(layer["formats"]) == {"weights", "inputs", "outputs"}
        for traffic in layer["traffic"]:
            assert set(traffic) == {"level", "operand", "reads", "fills", "updates", "instances", "energy_j"}
        for stall in layer["stalls"]:
            assert set(stall) == {"cause", "level", "operand", "cycles"}
        if layer["mapping"] is not None:
            assert {"loops", "tiles"} <= set(layer["mapping"])


def test_totals_follow_from_latency_energy_and_macs(small: Evaluation) -> None:
    totals = small.totals
    assert totals["power_w"] == pytest.approx(totals["energy_j"] / totals["latency_s"])
    assert totals["edp_js"] == pytest.approx(totals["energy_j"] * totals["latency_s"])
    assert totals["tops"] == pytest.approx(2 * totals["macs"] / totals["latency_s"] / 1e12)
    assert totals["tops_per_w"] == pytest.approx(totals["tops"] / totals["power_w"])
    assert totals["energy_j"] == pytest.approx(sum(v for v in small.cost.energy_j.values() if v is not None))


def test_values_that_do_not_exist_are_null(small: Evaluation) -> None:
    document = small.to_dict()
    assert document["totals"]["accuracy"] is None
    assert document["totals"]["ttft_s"] is None
    assert document["energy_j"]["network"] is None
    assert document["area_mm2"]["dram"] is None
    bare = replace(small, cost=replace(small.cost, area_mm2={"mac": None}, energy_j={"mac": None}))
    totals = bare.to_dict()["totals"]
    assert [totals[key] for key in ("area_mm2", "energy_j", "power_w", "edp_js", "tops_per_w")] == [None] * 5


def test_nan_and_infinity_never_reach_json(small: Evaluation) -> None:
    cost = replace(small.cost, peak_memory_bytes=math.inf, utilization=math.nan, latency_s=0.0)
    document = replace(small, cost=cost).to_dict()
    text = json.dumps(document, allow_nan=False)
    assert document["totals"]["peak_memory_bytes"] is None
    assert document["totals"]["power_w"] is None
    assert "Infinity" not in text


def test_layers_have_one_row_each_with_totals_over_all_runs(small: Evaluation) -> None:
    layers = small.layers
    assert list(layers["name"]) == ["q_proj", "lm_head", "up_proj", "softmax", "norm"]
    assert (layers["total_latency_s"] == layers["latency_s"] * layers["count"]).all()
    assert layers["total_macs"].sum() == small.totals["macs"]
    energy_columns = [name for name in layers.columns if name.startswith("energy_") and name != "energy_j"]
    assert layers[energy_columns].sum(axis=1).to_numpy() == pytest.approx(layers["energy_j"].to_numpy())
    assert layers["utilization"].isna().tolist() == [False, False, False, True, True]
    assert layers.loc[0, "dims"] == "b=1 m=512 n=512 k=512"


def test_frames_of_facts_carry_their_layer(small: Evaluation) -> None:
    assert set(small.traffic["layer"]) == {"q_proj", "lm_head", "up_proj", "softmax", "norm"}
    assert list(small.stalls["layer"]) == ["lm_head", "softmax"]
    by_component = small.energy.groupby("component")["total_energy_j"].sum()
    assert by_component["dram"] == pytest.approx(small.cost.energy_j["dram"])


def test_frames_of_an_empty_trace_keep_their_columns() -> None:
    empty = samples.evaluation((samples.vector("norm", 10),))
    assert list(empty.stalls.columns) == ["layer", "count", "cause", "level", "operand", "cycles"]
    assert len(empty.stalls) == 0
    assert empty.stalls["cycles"].dtype == "int64"


def test_names_are_escaped_in_html() -> None:
    evil = samples.evaluation((samples.gemm("<script>alert(1)</script>", 8, 8, 8),), name="<b>&design")
    page = evil._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;&amp;design" in page


def test_html_lists_warnings_and_estimates(small: Evaluation) -> None:
    page = small._repr_html_()
    assert "Warnings (1)" in page
    assert "estimate: scaled from an adder" in page


def test_repr_says_the_totals(small: Evaluation) -> None:
    assert repr(small) == "<Evaluation 'sample': 14.7 ms, 1.73 mJ, 0.526 mm²>"


def test_an_unknown_plot_names_the_nearest(small: Evaluation) -> None:
    with pytest.raises(InputError, match="did you mean 'roofline'"):
        small.plot("rooflin")
