"""Plots and the folder of a trace: every byte is in a bar, points stand where their table row says."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archsim.api.trace import with_policies
from archsim.reports.plots import write_png
from archsim.reports.trace_folder import write_trace_folder
from archsim.reports.trace_plots import bytes_bars, draw_bytes, draw_intensity, intensity_points
from archsim.workloads.models import model
from archsim.workloads.op import Op, Transfer
from archsim.workloads.summary import trace_summary
from archsim.workloads.table import read_trace
from archsim.workloads.trace import Trace

PNG = b"\x89PNG\r\n"


def document(trace: Trace) -> dict[str, Any]:
    return trace_summary(with_policies(trace, [])[0])


@pytest.mark.parametrize("limit", [3, 24, 1000])
def test_bars_hold_all_bytes_of_the_trace(limit: int) -> None:
    shown = document(model("resnet-50"))
    bars = bytes_bars(shown, limit)
    for series, key in (("weights", "weight_bytes"), ("inputs", "input_bytes"), ("outputs", "output_bytes")):
        assert math.fsum(bars.series[series]) == pytest.approx(sum(op[key] * op["count"] for op in shown["ops"]))
    assert len(bars.labels) <= limit + 1
    assert (bars.rest is not None) == (limit < 100)


def test_totals_are_the_sum_of_the_ops() -> None:
    shown = document(model("gpt-2", phase="generate", context=9, output_tokens=12))
    assert shown["weight_bytes"] == pytest.approx(sum(op["weight_bytes"] * op["count"] for op in shown["ops"]))
    moved = sum((op["input_bytes"] + op["output_bytes"]) * op["count"] for op in shown["ops"])
    assert shown["activation_bytes"] == pytest.approx(moved)


def test_totals_without_formats_are_not_known() -> None:
    shown = trace_summary(model("resnet-50"))
    assert (shown["weight_bytes"], shown["activation_bytes"], shown["ops_per_byte"]) == (None, None, None)
    assert intensity_points(shown) == ()


def test_the_intensity_of_a_single_product() -> None:
    (point,) = intensity_points(document(Trace(name="t", ops=(Op.gemm("a", m=2, n=3, k=4),), parameters=12)))
    assert point.operations == 2 * 24
    assert point.operations_per_byte == pytest.approx(48 / (8 + 12 + 6))


@pytest.mark.parametrize("trace", [model("mobilenet-v2"), Trace(name="t", ops=(), parameters=0)])
def test_plots_are_drawn_whatever_is_in_them(trace: Trace) -> None:
    moved = Transfer(name="$x$ _", bytes=8, link="pcie")
    shown = document(replace(trace, name="a $\\frac$ name", ops=(*trace.ops, moved)))
    for draw in (draw_bytes, draw_intensity):
        buffer = io.BytesIO()
        write_png(draw(shown), buffer)
        assert buffer.getvalue().startswith(PNG)


def test_the_folder_holds_a_trace_that_reads_back_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    trace = replace(model("mobilenet-v1"), name="../m v1")
    files = write_trace_folder(trace, document(trace), tmp_path / "a", {"design.toml": "x = 1\n"})
    again = write_trace_folder(trace, document(trace), tmp_path / "b")
    assert [file.name for file in files] == [
        "m-v1.csv",
        "m-v1.parquet",
        "m-v1.json",
        "m-v1-bytes.png",
        "m-v1-intensity.png",
        "design.toml",
    ]
    assert read_trace(files[0]) == read_trace(files[1]) == trace
    for one, other in zip(files, again, strict=False):
        assert one.read_bytes() == other.read_bytes()
