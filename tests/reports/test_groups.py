from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.reports.groups import grouped, pattern
from tests.reports import samples


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("layers.12.attention.q_proj", "layers.*.attention.q_proj"),
        ("layers.0-31.up", "layers.*.up"),
        ("layer1.0.conv1", "layer1.*.conv1"),
        ("conv2_3", "conv2_*"),
        ("block7.up", "block*.up"),
        ("decode12.layers.3.up", "decode*.layers.*.up"),
        ("fc6", "fc6"),
        ("conv1", "conv1"),
        ("", ""),
    ],
)
def test_a_pattern_leaves_out_the_index_of_the_block(name: str, folded: str) -> None:
    assert pattern(name) == folded


def test_layers_that_fit_stand_for_themselves() -> None:
    groups = grouped(samples.small().cost.layers, 5)
    assert [group.name for group in groups] == ["q_proj", "lm_head", "up_proj", "softmax", "norm"]
    assert [group.occurrences for group in groups] == [4, 1, 4, 4, 1]


def test_repeated_blocks_are_folded_when_layers_do_not_fit() -> None:
    groups = grouped(samples.large(72).cost.layers, 40)
    assert len(groups) == 8
    assert groups[0].name == "layers.*.q_proj"
    assert groups[0].layers == 72
    assert groups[-1].name == "lm_head"


def test_blocks_of_other_dimensions_are_not_folded_together() -> None:
    layers = [samples.gemm(f"layer.{index}.conv", 8, 8 + index % 2, 8) for index in range(50)]
    assert [group.layers for group in grouped(layers, 40)] == [25, 25]


def test_steps_of_a_generation_are_folded_with_the_range_of_their_sizes() -> None:
    layers = [samples.gemm(f"decode{index}.layers.0.qk", 1, 100 + index, 64, phase="decode") for index in range(50)]
    (group,) = grouped(layers, 40)
    assert group.name == "decode*.layers.*.qk"
    assert group.dims["n"] == (100, 149)


def test_the_smallest_stand_in_one_rest() -> None:
    layers = samples.mixed(100).cost.layers
    groups = grouped(layers, 10)
    assert len(groups) == 10
    assert groups[-1].name == "91 more"
    assert groups[-1].is_rest
    shown = {group.name for group in groups[:-1]}
    smallest_shown = min(group.latency_s for group in groups[:-1])
    assert all(layer.cost.latency_s <= smallest_shown for layer in layers if layer.name not in shown)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 64)), min_size=1, max_size=60),
    st.integers(2, 20),
)
def test_nothing_is_lost_by_grouping(shapes: list[tuple[str, int, int]], limit: int) -> None:
    layers = [samples.gemm(f"layers.{index}.{name}", size, 16, 16) for name, index, size in shapes]
    groups = grouped(layers, limit)
    assert len(groups) <= max(limit, 1)
    assert sum(group.layers for group in groups) == len(layers)
    assert sum(group.macs for group in groups) == sum(layer.cost.macs for layer in layers)
    assert sum(group.latency_s for group in groups) == pytest.approx(sum(layer.cost.latency_s for layer in layers))
    assert sum(group.total_energy_j for group in groups) == pytest.approx(
        sum(layer.cost.total_energy_j for layer in layers)
    )
    for group in groups:
        assert group.compute_s + group.total_stall_s == pytest.approx(group.latency_s)


def test_the_bound_of_a_mixed_group_is_marked() -> None:
    layers = [samples.gemm(f"layers.{index}.up", 512, 512, 512) for index in range(3)]
    other = samples.gemm("layers.3.up", 512, 512, 512)
    layers.append(type(other)(**{**_fields(other), "cost": samples.op_cost(512**3, 5e7)}))
    (group,) = grouped(layers, 3)
    assert group.bound == "dram*"


def _fields(layer: object) -> dict[str, object]:
    return {name: getattr(layer, name) for name in ("name", "kind", "phase", "count", "dims", "formats")}
