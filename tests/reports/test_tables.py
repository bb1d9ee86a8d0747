from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from archsim.reports.tables import (
    evaluation_tables,
    layer_cells,
    layer_note,
    layer_table,
    plain_table,
    short_dims,
    summary_lines,
)
from tests.reports import samples

SUMMARY = """\
sample: 256 PEs at 1.00 GHz
latency                14.7 ms  (14,663,617 cycles)
energy                 1.73 mJ
power                  118 mW
area                   0.5256 mm²
energy-delay product   25.4 µJ·s
MACs                   2.70 G
throughput             368 Gop/s
efficiency             3.12 TOPS/W
utilization            50.0 %
DRAM traffic           28.4 MiB
peak memory            1.00 GiB
inferences             68.2 per second
"""
COMPONENTS = """\
By component
component   energy    share         area
────────────────────────────────────────
mac         540 µJ   31.2 %   0.0256 mm²
dram        952 µJ   55.0 %            -
glb         238 µJ   13.8 %      0.5 mm²
network          -        -            -
"""
LAYERS = """\
Layers (time, energy and DRAM over all runs of a layer)
layer     phase     runs   dimensions           time    share   stalled     util   bound     energy       DRAM
──────────────────────────────────────────────────────────────────────────────────────────────────────────────
q_proj    prefill      4   m512 n512 k512    2.62 ms   17.9 %     0.0 %   80.0 %   compute   296 µJ   4.50 MiB
lm_head   prefill      1   n32000 k512       1.03 ms    7.0 %    92.2 %    6.2 %   dram      334 µJ   7.87 MiB
up_proj   prefill      4   m512 n2048 k512   10.5 ms   71.5 %     0.0 %   80.0 %   compute   933 µJ   12.0 MiB
softmax   prefill      4   elements 262144    524 µs    3.6 %   100.0 %        -   vector    168 µJ   4.00 MiB
norm      prefill      1   elements 512      1.00 ns    0.0 %     0.0 %        -   vector       0 J        0 B
"""


def rendered(table: RenderableType, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in console.file.getvalue().splitlines())


NOTE = "rests on 1 estimate: `estimates` in the JSON lists them\n"


def test_the_tables_of_a_short_trace_show_every_layer() -> None:
    assert [rendered(table) for table in evaluation_tables(samples.small())] == [
        SUMMARY,
        COMPONENTS,
        LAYERS,
        NOTE,
    ]


def test_a_long_trace_says_what_it_leaves_out() -> None:
    mixed = samples.mixed(100)
    cells = layer_cells(mixed, rows=10)
    assert len(cells) == 10
    assert cells[-1][0] == "91 more"
    assert layer_note(mixed, rows=10) == "100 layers shown in 10 rows; all of them: layers.csv of the run folder"
    assert layer_note(samples.small()) is None


def test_names_steer_neither_markup_nor_the_terminal() -> None:
    evil = samples.evaluation((samples.gemm("[red]x[/red]\x1b[2J", 8, 8, 8),))
    text = rendered(evaluation_tables(evil)[2])
    assert "[red]x[/red]\\x1b[2J" in text
    assert "\x1b" not in text


def test_numbers_are_never_cut_on_a_narrow_terminal() -> None:
    table = plain_table("t", [("name", "left"), ("value", "right")], [("n" * 60, "123.456 ms")])
    assert "123.456 ms" in rendered(table, width=30)


def test_dimensions_of_one_are_left_out() -> None:
    conv = {"n": 1, "k": 64, "r": 3, "stride_h": 2, "stride_w": 2, "dilation_h": 1, "dilation_w": 1, "groups": 1}
    assert short_dims({name: (size, size) for name, size in conv.items()}) == "k64 r3 stride 2"
    assert short_dims({"stride_h": (2, 2), "stride_w": (1, 1)}) == "stride_h 2"
    assert short_dims({}) == ""


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_narrow_terminal_drops_columns_and_breaks_no_name(width: int) -> None:
    text = rendered(layer_table(samples.small(), width=width), width=width)
    lines = text.splitlines()[3:]
    names = {layer.name for layer in samples.small().cost.layers}
    assert all(line.split()[0] in names for line in lines if line.strip())
    assert max(len(line.rstrip()) for line in lines) <= width


def test_decode_is_counted_in_tokens() -> None:
    sample = samples.small()
    decode = replace(sample, cost=replace(sample.cost, tpot_s=0.01, throughput_per_s=100.0))
    assert dict(summary_lines(decode))["tokens"] == "100 per second"
