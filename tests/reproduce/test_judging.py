"""Claim files of our own: how they are read, recomputed and judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.reports.reproduction import ClaimResult
from archsim.reproduce.catalog import read_claim
from archsim.reproduce.run import holds, judge

DESIGN = """
[hardware]
base = "edge-array"
[workload]
model = "mobilenet-v1"
[quantization]
weights = "int8"
activations = "int8"
"""
SUITE = """
[recompute]
kind = "suite"
metric = "totals.macs"
mean = "{mean}"
design = "designs/d.toml"
baseline = "designs/d.toml"
models = ["mobilenet-v1", "mobilenet-v2"]

[[recompute.task]]
name = "once"
run = [{{ baseline_set = ["workload.batch=2"] }}]

[[recompute.task]]
name = "thrice"
run = [
    {{ times = 2 }},
    {{ baseline_set = ["workload.batch=4"], baseline_by_model = {{ mobilenet-v2 = ["workload.batch=7"] }} }},
]
"""
HEAD = """
system = "S"
family = "F"
field = "gpu"
metric = "speed"
relation = "{relation}"
value = {value}
unit = "x"
kind = "measured"
source = "a test"
tolerance = 0.05
"""


def judged(folder: Path, recompute: str, *, value: float | str = 1.0, relation: str = "=") -> ClaimResult:
    (folder / "c.toml").write_text(HEAD.format(value=value, relation=relation) + recompute, encoding="utf-8")
    return judge("c", read_claim("c", folder), folder)


def number(folder: Path, recompute: str) -> float:
    worst = judged(folder, f"[recompute]\n{recompute}").worst
    assert worst is not None
    return worst.simulated


def problems(folder: Path, text: str) -> list[str]:
    (folder / "c.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_claim("c", folder)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("relation", "published", "simulated", "expected"),
    [
        ("=", 2.0, 2.03, True),
        ("=", 2.0, 1.97, True),
        ("=", 2.0, 2.05, False),
        ("~", 2.0, 1.9, False),
        ("<=", 2.0, 1.0, False),
        ("<=", 2.0, 1.97, True),
        (">=", 2.0, 3.0, False),
        ("range", 2.0, 2.01, True),
        ("<", 1.0, 0.5, True),
        ("<", 1.0, 1.0, False),
        (">", 1.0, 1.5, True),
        (">", 1.0, 1.0, False),
        ("=", -70.0, -69.0, True),
        ("=", -70.0, 70.0, False),
    ],
)
def test_relations(relation: str, published: float, simulated: float, expected: bool) -> None:
    assert holds(relation, published, simulated, 0.02) is expected


def test_a_claim_with_one_part_off_is_off(tmp_path: Path) -> None:
    bits = 'recompute = { kind = "bits", format = "int4:g128" }'
    parts = f'[[part]]\nname = "a"\nvalue = 4.125\n{bits}\n[[part]]\nname = "b"\nvalue = 5.0\n{bits}\n'
    claim = judged(tmp_path, parts, value='"some"')
    assert claim.status == "off"
    assert claim.worst is not None
    assert claim.worst.name == "b"
    assert claim.why == "a: 4.125 (4.125), b: 4.125 (5)"
    assert claim.to_dict()["published"] == 5.0


def test_a_part_may_be_a_bound(tmp_path: Path) -> None:
    bits = 'recompute = { kind = "bits", format = "int4:g128" }'
    parts = "".join(
        f'[[part]]\nname = "{name}"\nvalue = {value}\nrelation = "{relation}"\n{bits}\n'
        for name, value, relation in (("a", 5.0, "<"), ("b", 4.0, ">"))
    )
    claim = judged(tmp_path, parts, value='"few"')
    assert claim.status == "reproduced"
    assert claim.why == "a: 4.125 (below 5), b: 4.125 (above 4)"


def test_a_claim_without_a_recomputation_has_no_numbers(tmp_path: Path) -> None:
    row = judged(tmp_path, 'missing = "a part"\n').to_dict()
    assert [row[key] for key in ("published", "simulated", "error", "tolerance")] == [1.0, None, None, None]
    assert (row["status"], row["why"]) == ("not modelled", "a part")


class TestStorage:
    def test_bits_of_an_element(self, tmp_path: Path) -> None:
        assert number(tmp_path, 'kind = "bits"\nformat = "int4:g128"') == 4.125

    def test_bits_of_a_shape_count_what_depends_on_it(self, tmp_path: Path) -> None:
        assert number(tmp_path, 'kind = "bits"\nformat = "int4:channel"\nshape = [8, 32]') == 4.5

    @pytest.mark.parametrize(
        ("quantity", "expected"),
        [("ratio", 4.0), ("share", 25.0), ("saving", 75.0), ("bits", 8.0), ("gigabytes", 1e-6)],
    )
    def test_quantities(self, quantity: str, expected: float, tmp_path: Path) -> None:
        text = f'kind = "storage"\nquantity = "{quantity}"\ntensors = [{{ shape = [10, 100], store = "fp8_e4m3" }}]'
        assert number(tmp_path, text) == pytest.approx(expected)

    def test_counts_and_shares(self, tmp_path: Path) -> None:
        store = '[{ share = 0.25, format = "int8" }, { share = 0.75, format = "int4" }]'
        text = f'kind = "storage"\nquantity = "bits"\ntensors = [{{ shape = [4, 8], count = 3, store = {store} }}]'
        assert number(tmp_path, text) == 5.0

    @pytest.mark.parametrize(
        ("encoding", "expected"),
        [
            ('format = "fp16", sparsity = "2:4"', 9.0),
            ('format = "int8", sparsity = "2:4"', 5.0),
            ('format = "int4", sparsity = "2:4"', 3.0),
            ('format = "int4", sparsity = "2:4", pairs = true', 2.5),
            ('format = "fp16", sparsity = "1:8"', 2.375),
            ('format = "fp16", sparsity = "random:0.25"', 5.0),
        ],
    )
    def test_sparse_elements_bring_their_indices(self, encoding: str, expected: float, tmp_path: Path) -> None:
        """2:4 rows as published for sparse tensor cores: 9, 5 and 3 bits."""
        text = f'kind = "storage"\nquantity = "bits"\ntensors = [{{ shape = [4, 64], store = [{{ {encoding} }}] }}]'
        assert number(tmp_path, text) == expected

    @pytest.mark.parametrize("name", ["bert-base", "gpt-2", "llama-2-7b", "vit-b"])
    def test_weights_embeddings_and_vectors_are_all_parameters(self, name: str, tmp_path: Path) -> None:
        from archsim import model

        tied = name == "gpt-2"
        layers = '["layers.*"]' if tied else '["*"]'
        takes = [("weights", layers), ("embeddings", '["*"]'), ("vectors", '["*"]')]
        entries = ", ".join(
            f'{{ model = "{name}", take = "{take}", layers = {globs}, store = "int8" }}' for take, globs in takes
        )
        text = f'kind = "storage"\nquantity = "gigabytes"\ntensors = [{entries}]'
        assert number(tmp_path, text) == pytest.approx(model(name).parameters / 1e9)

    def test_outputs_of_layers(self, tmp_path: Path) -> None:
        entry = '{ model = "vit-b", take = "outputs", layers = ["layers.0.fc1"], store = "int8" }'
        text = f'kind = "storage"\nquantity = "gigabytes"\ntensors = [{entry}]'
        assert number(tmp_path, text) == pytest.approx(197 * 3072 / 1e9)

    def test_globs_that_name_no_layer(self, tmp_path: Path) -> None:
        entry = '{ model = "vit-b", layers = ["nothing"], store = "int8" }'
        with pytest.raises(InputError, match="matches no layer of vit-b"):
            number(tmp_path, f'kind = "storage"\nquantity = "bits"\ntensors = [{entry}]')

    def test_values_are_encoded(self, tmp_path: Path) -> None:
        """Uniform values have few exponents: far below the nominal 11 bits."""
        store = '[{ format = "dfloat11", values = { distribution = "uniform" } }]'
        text = f'kind = "storage"\nquantity = "bits"\ntensors = [{{ shape = [1024, 1024], store = {store} }}]'
        assert 9.5 < number(tmp_path, text) < 10.5

    def test_a_format_that_does_not_depend_on_values_takes_none(self, tmp_path: Path) -> None:
        store = '[{ format = "int4", values = { distribution = "gaussian" } }]'
        with pytest.raises(InputError, match="the size of int4 does not depend on values"):
            number(tmp_path, f'kind = "storage"\nquantity = "bits"\ntensors = [{{ shape = [4, 4], store = {store} }}]')


class TestDesigns:
    @pytest.fixture(autouse=True)
    def _design(self, tmp_path: Path) -> None:
        (tmp_path / "design.toml").write_text(DESIGN, encoding="utf-8")

    def test_a_design_against_itself(self, tmp_path: Path) -> None:
        text = 'kind = "designs"\nquantity = "ratio"\nmetric = "totals.latency_s"\n'
        assert number(tmp_path, text + 'design = "design.toml"\nbaseline = "design.toml"') == 1.0

    def test_overrides_apply_to_their_side(self, tmp_path: Path) -> None:
        text = 'kind = "designs"\nquantity = "saving"\nmetric = "totals.latency_s"\ndesign = "design.toml"\n'
        more = 'set = ["hardware.clock=1 GHz"]\nbaseline = "design.toml"\nbaseline_set = ["hardware.clock=500 MHz"]'
        assert 0 < number(tmp_path, text + more) <= 50.0

    def test_an_overhead_is_a_saving_below_zero(self, tmp_path: Path) -> None:
        text = 'kind = "designs"\nquantity = "{}"\nmetric = "totals.macs"\ndesign = "design.toml"\n'
        text += 'set = ["workload.batch=3"]\nbaseline = "design.toml"\nbaseline_set = ["workload.batch=2"]'
        assert number(tmp_path, text.format("overhead")) == pytest.approx(50.0)
        assert number(tmp_path, text.format("saving")) == pytest.approx(-50.0)

    def test_a_value(self, tmp_path: Path) -> None:
        from archsim import model

        text = 'kind = "designs"\nquantity = "value"\nmetric = "totals.macs"\ndesign = "design.toml"'
        assert number(tmp_path, text) == model("mobilenet-v1").macs

    def test_an_unknown_metric(self, tmp_path: Path) -> None:
        text = 'kind = "designs"\nquantity = "value"\nmetric = "totals.latency"\ndesign = "design.toml"'
        with pytest.raises(InputError, match=r"unknown metric 'totals.latency'"):
            number(tmp_path, text)


class TestWrongFiles:
    def test_every_problem_is_reported_with_its_line(self, tmp_path: Path) -> None:
        text = HEAD.format(value=1.0, relation="<>").replace('"gpu"', '"gpus"') + 'missing = "x"\n'
        places = [problem.split(": ")[:2] for problem in problems(tmp_path, text)]
        assert places == [["c.toml:4", "field"], ["c.toml:6", "relation"]]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "needs exactly one of missing, recompute and part"),
            ('missing = "x"\nrecompute = { kind = "bits", format = "int4" }\n', "needs exactly one of"),
            ('recompute = { kind = "bit", format = "int4" }\n', "recompute"),
            ('recompute = { kind = "bits", format = "int4", shap = [1] }\n', "unknown key"),
            ('recompute = { kind = "designs", quantity = "ratio", metric = "m", design = "d" }\n', "needs a baseline"),
            (
                'recompute = { kind = "storage", quantity = "bits", tensors = [{ store = "int4" }] }\n',
                "needs either shape or model",
            ),
            (
                'recompute = { kind = "storage", quantity = "bits", '
                'tensors = [{ shape = [1], store = [{ share = 0.5, format = "int4" }] }] }\n',
                "must add up to 1",
            ),
        ],
    )
    def test_a_bad_recomputation(self, text: str, message: str, tmp_path: Path) -> None:
        assert message in "\n".join(problems(tmp_path, HEAD.format(value=1.0, relation="=") + text))

    def test_text_cannot_be_recomputed_as_one_number(self, tmp_path: Path) -> None:
        text = HEAD.format(value='"small"', relation="=") + 'recompute = { kind = "bits", format = "int4" }\n'
        assert "needs a value that is one number" in problems(tmp_path, text)[0]


@pytest.mark.parametrize(("mean", "expected"), [("arithmetic", 9 / 4), ("geometric", (2 * 2 * 2 * 3) ** (1 / 4))])
def test_a_suite_is_the_mean_over_models_and_tasks(tmp_path: Path, mean: str, expected: float) -> None:
    """Twice the MACs at batch 2; (2 + 4) / 3 and (2 + 7) / 3 of them in three runs."""
    (tmp_path / "designs").mkdir()
    (tmp_path / "designs" / "d.toml").write_text(DESIGN, encoding="utf-8")
    claim = judged(tmp_path, SUITE.format(mean=mean), value=round(expected, 3))
    assert claim.parts[0].simulated == pytest.approx(expected)
