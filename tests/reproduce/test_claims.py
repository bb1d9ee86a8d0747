"""The claims that ship: all seeds have their row, and what is modelled holds."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import archsim
from archsim.core.errors import InputError
from archsim.reports.reproduction import ClaimResult
from archsim.reproduce import claim_ids, reproduce
from archsim.reproduce.catalog import FOLDER, read_claim
from archsim.workloads.op import Op
from archsim.workloads.table import read_trace
from archsim.workloads.trace import Trace

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT.parent / "shared" / "data" / "seed_claims.csv"
SEED_COUNT = 130
STORAGE = (
    "bdr-sizes",
    "bitmod-bits",
    "decoupleq",
    "dfloat11-size",
    "gpusq-size",
    "hawq-compress",
    "int21",
    "mcmoe-bits",
    "minifloat8-rag",
    "mx-drop-in",
    "qbert-weights",
    "qmoe-bits",
    "squeezellm-bits",
)
ATTENTION = ("qk", "av", "kv", "qkv", "normaliser", "hash_anchors", "hash_bits")
NEEDS_SEEDS = pytest.mark.skipif(not SEEDS.is_file(), reason="the list of seed claims is not beside the checkout")


def seeds() -> dict[str, dict[str, str]]:
    with SEEDS.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def published(text: str) -> str:
    """A seed's value as claims print it: numbers without trailing zeros."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text


def test_there_are_at_least_as_many_claims_as_seeds() -> None:
    assert len(reproduce().claims) == len(claim_ids()) >= SEED_COUNT


@NEEDS_SEEDS
def test_every_seed_claim_has_its_row() -> None:
    assert len(seeds()) == SEED_COUNT
    assert set(seeds()) - {claim.id for claim in reproduce().claims} == set()


@NEEDS_SEEDS
def test_claims_say_what_the_seeds_say() -> None:
    for name, seed in seeds().items():
        claim = read_claim(name)
        value = claim.value if isinstance(claim.value, str) else f"{claim.value:g}"
        assert (claim.system, claim.metric, claim.relation) == (seed["system"], seed["metric"], seed["relation"])
        assert value == published(seed["value"])
        assert (claim.unit, claim.condition) == (seed["unit"], seed["workload_and_condition"])


@pytest.mark.parametrize("name", STORAGE)
def test_storage_claims_hold_within_2_percent(name: str) -> None:
    (claim,) = reproduce([name]).claims
    assert claim.status == "reproduced"
    assert claim.tolerance == 0.02
    assert all(abs(part.error) <= 0.02 for part in claim.parts)


def test_nothing_that_is_modelled_is_off() -> None:
    assert [claim.id for claim in reproduce().claims if claim.status == "off"] == []


def test_what_is_not_modelled_says_what_is_missing() -> None:
    for claim in reproduce().claims:
        assert (claim.status == "not modelled") == bool(claim.missing)
        assert claim.source


def test_a_claim_recomputes_the_same_every_time() -> None:
    names = ["qmoe-bits", "dfloat11-llama"]
    assert reproduce(names).to_dict() == reproduce(names).to_dict()


def test_claims_come_in_the_order_asked_and_once() -> None:
    names = ["qmoe-bits", "gpusq-size"]
    assert [claim.id for claim in reproduce([*names, "qmoe-bits"]).claims] == names


def test_claims_of_one_system_whatever_its_case() -> None:
    assert {claim.id for claim in reproduce(system="q-bert").claims} == {"qbert-weights"}


def test_every_unknown_name_is_reported_with_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        reproduce(["qmoe-bit", "gpusq-sizes"], system="DFloat12")
    hints = [problem.hint for problem in caught.value.problems]
    assert hints == ["did you mean 'qmoe-bits'?", "did you mean 'gpusq-size'?", "did you mean 'DFloat11'?"]


def test_the_worst_number_of_a_claim_stands_for_it() -> None:
    (claim,) = reproduce(["gpusq-size"]).claims
    row = claim.to_dict()
    assert claim.worst is not None
    assert abs(row["error"]) == max(abs(part.error) for part in claim.parts)
    assert row["error"] == pytest.approx((row["simulated"] - row["published"]) / row["published"])
    assert "INT8" in row["why"]
    assert "INT4" in row["why"]


def bit_level(computable: str) -> list[ClaimResult]:
    """Seed claims of the bit level, by whether they can be computed."""
    ids = [name for name, seed in seeds().items() if (seed["owner"], seed["computable"]) == ("bit-level", computable)]
    return list(reproduce(ids).claims)


@NEEDS_SEEDS
def test_what_can_be_computed_at_the_bit_level_is_and_holds() -> None:
    claims = bit_level("yes")
    assert {claim.status for claim in claims} == {"reproduced"}
    numeric = [part for claim in claims if isinstance(claim.value, float) for part in claim.parts]
    assert all(abs(part.error) <= 0.15 for part in numeric if part.relation not in "<>")


@NEEDS_SEEDS
def test_what_needs_assumptions_at_the_bit_level_has_a_number_and_states_them() -> None:
    claims = bit_level("partly")
    assert claims
    assert all(claim.parts and claim.assumptions for claim in claims)


@NEEDS_SEEDS
def test_what_cannot_be_computed_at_the_bit_level_says_why() -> None:
    assert all(claim.missing for claim in bit_level("no"))


@pytest.mark.parametrize(
    ("model", "softmax", "other"),
    [("pvt-v2-b0", "pvt-v2-b0-softmax", "pvt-v2-b0-binary"), ("deit-ti", "deit-ti-softmax", "deit-ti-shift-add")],
)
def test_traces_of_claims_have_the_layers_of_their_models(model: str, softmax: str, other: str) -> None:
    """Everything but attention and what reduces keys: patches, projections, MLPs and the head, MAC by MAC."""
    expected = layer_macs(archsim.model(model))
    for name in (softmax, other):
        found = layer_macs(read_trace(FOLDER / "designs" / f"{name}.csv"))
        assert {layer: macs for layer, macs in found.items() if layer in expected} == expected


def layer_macs(trace: Trace) -> dict[str, int]:
    """MACs of each layer whose work is the same with any attention; experts of an MLP together."""
    found: dict[str, int] = {}
    for op in trace.ops:
        name = op.name.removesuffix(".mult").removesuffix(".shift")
        leaf = name.rpartition(".")[2]
        if isinstance(op, Op) and leaf not in ("k_proj", "v_proj", "reduce", *ATTENTION):
            found[name] = found.get(name, 0) + op.macs
    return found
