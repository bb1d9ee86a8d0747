from __future__ import annotations

import io
import math

import pytest

from archsim.reports import plot_data
from archsim.reports.evaluation import Evaluation
from archsim.reports.plots import Chart, write_png
from tests.reports import samples

KINDS = ("latency", "energy", "roofline")
PNG = b"\x89PNG\r\n"


def test_the_roofline_has_the_accelerators_peak_and_bandwidth() -> None:
    data = plot_data.roofline(samples.small())
    assert data.compute_ops_per_s == (2 * samples.PEAK_MACS * samples.CLOCK_HZ,)
    assert data.memory is not None
    assert data.memory.bytes_per_s == samples.DRAM_BITS_PER_CYCLE / 8 * samples.CLOCK_HZ
    assert data.ridge_ops_per_byte == pytest.approx(64.0)
    assert data.memory_both_ways is None


def test_roofline_points_are_operations_over_bytes_and_seconds() -> None:
    data = plot_data.roofline(samples.small())
    assert [point.name for point in data.points] == ["q_proj", "lm_head", "up_proj"]
    layer = samples.small().cost.layers[1]
    point = data.points[1]
    assert point.intensity_ops_per_byte == pytest.approx(2 * layer.cost.macs / layer.cost.dram_bytes)
    assert point.performance_ops_per_s == pytest.approx(2 * layer.cost.macs / layer.cost.latency_s)
    assert point.bound == "dram"


def test_no_point_lies_above_the_roofs() -> None:
    data = plot_data.roofline(samples.mixed(60))
    assert data.memory is not None
    for point in data.points:
        roof = min(data.compute_ops_per_s[0], point.intensity_ops_per_byte * data.memory.bytes_per_s)
        assert point.performance_ops_per_s <= roof * 1.001


def test_points_that_coincide_are_one_with_the_time_of_all() -> None:
    large = samples.large(72)
    data = plot_data.roofline(large)
    assert len(data.points) == 4
    up_and_down = next(point for point in data.points if point.name.startswith("layers.*.up"))
    assert up_and_down.name == "layers.*.up (+1)"
    of_both = [layer for layer in large.cost.layers if layer.name.endswith((".up", ".down"))]
    assert up_and_down.time_s == pytest.approx(sum(layer.cost.latency_s for layer in of_both))


def test_a_layer_without_dram_traffic_has_infinite_intensity() -> None:
    layer = samples.gemm("onchip", 8, 8, 8)
    inside = samples.LayerCost(
        name="onchip",
        kind="gemm",
        phase="forward",
        count=1,
        dims=layer.dims,
        formats=layer.formats,
        cost=samples.op_cost(512, 0.0),
    )
    evaluation = samples.evaluation((inside,))
    assert math.isinf(plot_data.roofline(evaluation).points[0].intensity_ops_per_byte)
    assert png(evaluation, "roofline").startswith(PNG)


@pytest.mark.parametrize("bars", [plot_data.latency_bars, plot_data.energy_bars])
@pytest.mark.parametrize("evaluation", [samples.small(), samples.large(), samples.mixed(500)])
def test_bars_add_up_to_the_trace(bars: object, evaluation: Evaluation) -> None:
    data = bars(evaluation)  # type: ignore[operator]
    assert len(data.labels) <= plot_data.BARS
    assert len(data.labels) == len(data.runs) == len(data.totals)
    expected = evaluation.totals["latency_s" if data.unit == "s" else "energy_j"]
    assert sum(data.totals) == pytest.approx(expected)


def test_latency_bars_tell_computing_from_waiting() -> None:
    data = plot_data.latency_bars(samples.small())
    assert set(data.series) == {"compute", "waiting for dram"}
    head = data.labels.index("lm_head")
    stalled = samples.small().cost.layers[1].cost
    assert data.series["waiting for dram"][head] == pytest.approx(stalled.stall_cycles / samples.CLOCK_HZ)


def test_the_bars_that_are_shown_are_the_largest() -> None:
    data = plot_data.energy_bars(samples.mixed(100), limit=10)
    assert data.rest == 9
    energies = sorted((layer.cost.total_energy_j for layer in samples.mixed(100).cost.layers), reverse=True)
    assert sorted(data.totals[:9], reverse=True) == pytest.approx(energies[:9])


def png(evaluation: Evaluation, kind: str) -> bytes:
    buffer = io.BytesIO()
    write_png(evaluation.plot(kind), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "evaluation",
    [
        samples.small(),
        samples.mixed(500),
        samples.evaluation((samples.vector("norm", 10),)),
        samples.evaluation((samples.gemm("$x_{$ \u4e2d\u6587 <&>" * 9, 4, 4, 4),), name="$\\frac{$"),
        samples.evaluation((samples.vector("free", 1),)),
    ],
)
def test_every_plot_of_every_result_can_be_drawn(evaluation: Evaluation, kind: str) -> None:
    assert png(evaluation, kind).startswith(PNG)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_result_gives_the_same_bytes(kind: str) -> None:
    assert png(samples.small(), kind) == png(samples.small(), kind)


def test_a_png_says_neither_software_nor_date() -> None:
    image = png(samples.small(), "latency")
    assert b"Software" not in image
    assert b"tEXt" not in image


def test_a_notebook_gets_a_picture() -> None:
    drawing = samples.small().plot("latency")
    assert isinstance(drawing, Chart)
    assert drawing._repr_png_().startswith(PNG)
