"""Engines that make use of zeros: what each policy does with data, how operands are kept, what keys contradict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.arch.catalog import hardware, hardware_names
from archsim.arch.engines.cartesian import Cartesian, Gather, Side, fullest_bank
from archsim.arch.engines.data import DenseData
from archsim.arch.engines.skipping import Gating, Skipping, Structured, thinned
from archsim.arch.engines.sparse import SparseEngine
from archsim.arch.engines.storage import Metadata, Storage, kept_in_runs
from archsim.arch.formats import format
from archsim.arch.kinds import KINDS
from archsim.arch.options import HardwareOptions, hardware_conflicts, idle_hardware_keys
from archsim.arch.order import mean, shares_of
from archsim.workloads.operand_data import OpData

INT8 = format("int8")
DENSE = DenseData(format=INT8, reduction=256)
BOTH = frozenset({"weights", "inputs"})


def weights(pattern: str, length: int = 256) -> OpData:
    return OpData(format=INT8, operand="weights", reduction=length, pattern=pattern)


def inputs(pattern: str, length: int = 256) -> OpData:
    return OpData(format=INT8, operand="inputs", reduction=length, pattern=pattern)


def engine(**keys: Any) -> SparseEngine:
    """A catalog entry's engine, or one of a row of 8 by a reduction of 16, with these keys."""
    axes = [
        {"name": "row", "size": 8, "dims": ["columns"], "multicast": ["inputs"]},
        {"name": "k", "size": 16, "dims": ["reduction"], "reduce": ["outputs"]},
    ]
    memory = [{"name": "dram", "technology": "ddr4"}]
    options = HardwareOptions.model_validate(
        {"kind": "sparse", "clock": "1 GHz", "array": {"axes": axes, **keys}, "memory": memory}
    )
    built = KINDS["sparse"].build(options.array, 28.0)
    assert isinstance(built, SparseEngine)
    return built


POLICIES = [
    Gating(operands=BOTH),
    Structured(ratios=((2, 4), (2, 8))),
    Skipping(operands=BOTH, window=32, lanes=4, shared="inputs"),
    Skipping(operands=frozenset({"weights"}), window=32, lanes=4, shared="weights"),
    Cartesian(gathers=(Gather(weights=Side(lanes=4, gathered=16), inputs=Side(lanes=4, gathered=8)),)),
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_dense_data_take_the_plain_time(policy: Any) -> None:
    work = policy.work(DENSE, DENSE)
    assert (work.speed, work.executed, work.gated, work.exploited) == (1.0, 1.0, 0.0, frozenset())


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_no_policy_makes_more_than_the_useful_macs_or_is_slower_than_them(policy: Any, dw: float, di: float) -> None:
    work = policy.work(weights(f"random:{dw:.6f}"), inputs(f"random:{di:.6f}"))
    assert 0 <= work.imbalance < 1
    assert work.executed <= 1
    assert work.speed * work.executed <= 1 + 1e-9
    if not isinstance(policy, Gating | Structured):
        assert work.imbalance == pytest.approx(1 - work.executed * work.speed, abs=1e-9)


def test_more_lanes_wait_longer_and_one_alone_never() -> None:
    speeds = [
        Skipping(operands=BOTH, window=64, lanes=lanes, least=0).work(weights("random:0.5"), inputs("random:0.5")).speed
        for lanes in (1, 2, 8, 64)
    ]
    assert speeds[0] == pytest.approx(4.0)
    assert speeds == sorted(speeds, reverse=True)


def test_lanes_without_a_filter_of_their_own_are_not_waited_for() -> None:
    """A depthwise convolution has one filter a group: SparTen's clusters of 32 have one unit at work."""
    own, others = (replace(found("random:0.4", 9), across=n) for found, n in ((weights, 1), (inputs, 4096)))
    cluster = Skipping(operands=BOTH, window=128, lanes=32, shared="inputs")
    assert cluster.work(own, others).speed == pytest.approx(replace(cluster, lanes=1).work(own, others).speed)
    assert cluster.work(own, others).speed > cluster.work(replace(own, across=32), others).speed


def test_longer_windows_even_the_lanes_out() -> None:
    losses = [
        Skipping(operands=BOTH, window=window, lanes=16).work(weights("random:0.5"), inputs("random:0.5")).imbalance
        for window in (8, 32, 128)
    ]
    assert losses == sorted(losses, reverse=True)


def test_the_last_window_of_a_reduction_takes_its_time_too() -> None:
    policy = Skipping(operands=frozenset({"inputs"}), window=128)
    work = policy.work(weights("dense", 192), inputs("random:0.001", 192))
    assert work.speed == pytest.approx(192 / 2, rel=0.02)  # two windows of a cycle or a little more


def test_lanes_that_share_what_they_skip_do_not_wait() -> None:
    work = Skipping(operands=frozenset({"inputs"}), window=64, lanes=8, shared="inputs", least=0).work(
        DENSE, inputs("random:0.25")
    )
    assert work.speed == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("own", "speed"),
    [("2:4", 2.0), ("1:4", 4.0), ("1:2", 2.0), ("2:8", 4.0), ("1:8", 4.0), ("1:3", 2.0), ("3:4", 1.0), ("4:8", 1.0)],
)
def test_selectors_take_what_fits_them(own: str, speed: float) -> None:
    work = Structured(ratios=((2, 4), (2, 8))).work(weights(own), DENSE)
    assert work.speed == speed
    assert ("takes weights of 2:4, 2:8 only" in work.why_dense) == (speed == 1.0)


@pytest.mark.parametrize(("own", "fits"), [("2:8", True), ("1:8", True), ("1:3", True), ("2:6", False), ("2:3", False)])
def test_groups_of_other_lengths_fit_where_no_selector_meets_more_than_it_takes(own: str, fits: bool) -> None:
    work = Structured(ratios=((2, 4),)).work(weights(own), DENSE)
    assert work.speed == (2.0 if fits else 1.0)


def test_selectors_lengthen_the_axis_of_the_reduction() -> None:
    array = engine(zeros="skip", ratios=["2:4", "2:6"], metadata={"weights": "n:m"})
    (flow,) = array.dataflows
    assert [axis.size for axis in array.fitted_to(flow, weights("2:6"), DENSE).axes] == [8, 48]
    assert array.fitted_to(flow, weights("random:0.5"), DENSE) == flow
    assert array.stored_bits("weights", weights("2:6")) == pytest.approx((8 + 3) / 3)
    assert array.stored_bits("weights", weights("random:0.5")) == 8


def test_vectors_gathered_in_several_ways_are_several_dataflows() -> None:
    values = hardware("dual-side-tensor-core")
    built = KINDS["sparse"].build(HardwareOptions.model_validate(values).array, 45.0)
    wide, tall, *_ = built.dataflows
    assert (wide.name, tall.name) == ("64x32", "32x64")
    w, x = weights("random:0.25"), inputs("random:0.9")
    rate = built.data_rate(w, x).macs_per_unit_cycle
    rates = {flow.name: rate / built.fitted_to(flow, w, x).timing.step_cycles for flow in (wide, tall)}
    assert rates["64x32"] == rate > rates["32x64"]


def test_a_gated_mac_is_neither_skipped_nor_read_for() -> None:
    rate = engine(zeros="gate").data_rate(weights("random:0.5"), inputs("random:0.4"))
    assert rate.macs_per_unit_cycle == 1.0
    assert (rate.executed, rate.gated) == (pytest.approx(0.2), pytest.approx(0.8))
    assert rate.accesses == {"weights": 0.4, "inputs": 0.5, "outputs": pytest.approx(0.2)}


def test_packed_storage_alone_is_made_use_of() -> None:
    rate = engine(metadata={"weights": "bitmask"}).data_rate(weights("random:0.5"), DENSE)
    assert (rate.macs_per_unit_cycle, rate.executed, rate.exploited) == (1.0, 1.0, frozenset({"weights"}))
    assert engine().data_rate(weights("random:0.5"), DENSE).exploited == frozenset()


@pytest.mark.parametrize(
    ("metadata", "bits", "expected"),
    [
        (Metadata.DENSE, 0, 8.0),
        (Metadata.BITMASK, 0, 0.25 * 8 + 1),
        (Metadata.COORDINATE, 0, 0.25 * (8 + 8)),
        (Metadata.COORDINATE, 14, 0.25 * (8 + 14)),
        (Metadata.RUNS, 2, 0.25 / (1 - 0.75**4) * (8 + 2)),
    ],
)
def test_bits_of_what_is_kept(metadata: Metadata, bits: int, expected: float) -> None:
    storage = Storage(metadata=metadata, bits=bits)
    assert storage.bits_per_element(weights("random:0.25")) == pytest.approx(expected)


@given(st.floats(0.01, 0.99), st.integers(1, 6))
def test_runs_keep_the_elements_that_a_writer_keeps(density: float, bits: int) -> None:
    """By the recurrence of a writer that counts zeros up to its longest run."""
    longest = 1 << bits
    ends = [density * (1 - density) ** zeros for zeros in range(longest)]
    kept_at = sum((zeros + 1) * share for zeros, share in enumerate(ends)) + longest * (1 - density) ** longest
    assert kept_in_runs(density, bits) == pytest.approx(1 / kept_at)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=12), st.floats(0.0, 1.0))
def test_thinning_keeps_the_share_on_average(shares: list[float], share: float) -> None:
    whole = tuple(value / sum(shares) for value in shares)
    assert sum(thinned(whole, share)) == pytest.approx(1.0)
    assert mean(shares_of(thinned(whole, share))) == pytest.approx(mean(shares_of(whole)) * share, abs=1e-9)


def test_the_fullest_bank_has_at_least_its_part() -> None:
    assert fullest_bank(1, 32) == 1.0
    assert fullest_bank(16, 1 << 20) == pytest.approx(1.0, abs=0.01)
    assert fullest_bank(320, 32) > 10


def test_selectors_cost_area_and_energy() -> None:
    plain, picking = engine(), engine(zeros="skip", ratios=["2:8"])
    int8, int32 = INT8.arithmetic, format("int32").arithmetic
    one, other = (item.unit_cost(int8, int8, int32) for item in (plain, picking))
    assert other.energy_pj > one.energy_pj
    assert (other.area_um2 or 0) > (one.area_um2 or 0)
    stated = engine(zeros="skip", ratios=["2:8"], mac_energy="1 pJ", pe_area="9 um^2").unit_cost(int8, int8, int32)
    assert (stated.energy_pj, stated.area_um2) == (1.0, 9.0)


CONFLICTS = [
    ({"ratios": ["2:4"]}, "ratios", "belong to zeros"),
    ({"gather": {"weights": 8, "inputs": 8}}, "gather", "belongs to zeros"),
    ({"zeros": "cartesian"}, "gather", "is missing"),
    ({"zeros": "cartesian", "gather": {"weights": 12, "inputs": 8}}, "gather", "multiple of the axis' size 8"),
    ({"zeros": "cartesian", "gather": {"weights": 8, "inputs": 8}}, "axes", "no axis unrolls rows alone"),
    ({"metadata": {"weights": "n:m"}}, "metadata", "needs ratios"),
    ({"zeros": "skip", "ratios": ["2:4"], "metadata": {"inputs": "n:m"}}, "inputs", "a way to keep weights"),
]


@pytest.mark.parametrize(("keys", "place", "text"), CONFLICTS)
def test_keys_that_contradict_each_other_are_told(keys: dict[str, Any], place: str, text: str) -> None:
    axes = [{"name": "row", "size": 8, "dims": ["columns"]}, {"name": "k", "size": 4, "dims": ["reduction"]}]
    plain = {"kind": "sparse", "array": {"axes": axes, **keys}, "memory": [{"name": "dram", "technology": "ddr4"}]}
    found = [(path[-1], problem.message) for path, problem in hardware_conflicts(plain)]
    assert any(key == place and text in message for key, message in found), found


def test_keys_that_change_nothing_are_told() -> None:
    values = hardware("sparse-tensor-core")
    values["array"] |= {"sync_lanes": 4, "accumulator_banks": 8}
    said = list(idle_hardware_keys(HardwareOptions.model_validate(values)))
    assert said == [
        "hardware.array.sync_lanes says nothing beside ratios",
        "hardware.array.accumulator_banks says nothing beside ratios",
    ]


@pytest.mark.parametrize("name", [name for name in hardware_names() if hardware(name)["kind"] == "sparse"])
def test_sparse_accelerators_of_the_catalog_are_faster_on_zeros(name: str) -> None:
    built = KINDS["sparse"].build(HardwareOptions.model_validate(hardware(name)).array, 28.0)
    data = weights("2:4")
    speedup = (
        built.data_rate(data, inputs("random:0.5")).macs_per_unit_cycle
        / built.data_rate(DENSE, DENSE).macs_per_unit_cycle
    )
    assert speedup == 1.0 if name in ("tensor-core", "bitmask-28nm") else speedup > 1.5


def test_a_side_takes_whole_vectors() -> None:
    with pytest.raises(ValueError, match="multiple of lanes"):
        Side(lanes=4, gathered=6)
    with pytest.raises(ValueError, match="at least one way"):
        replace(POLICIES[-1], gathers=())
