"""Wrong input: the exact message of every case, exit code 2, and all errors of a file at once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archsim.api.design import load_design
from archsim.core.errors import InputError

Write = Callable[..., Path]
CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("wrong_input.toml").read_text())["case"]


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_design(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_wrong_input_brings_its_message(case: dict[str, Any], design_text: str, write: Write) -> None:
    text = case.get("file", design_text)
    if "by" in case:
        old = case.get("replace")
        assert old is None or old in text
        text = text + case["by"] if old is None else text.replace(old, case["by"], 1)
    overrides = [case["override"]] if "override" in case else []
    assert case["message"] == message(write(text), *overrides)


def test_the_fixture_itself_is_right(design_text: str, write: Write) -> None:
    assert load_design(write(design_text)).name == "design"


def test_all_errors_of_a_file_are_reported_in_the_order_of_its_lines(write: Write) -> None:
    path = write(
        """\
[hardware]
kind = "systolik"
clock = 1
[hardware.array]
row = 4
cols = -1
[[hardware.memory]]
name = "a"
technology = "dddr4"
capacity = "0 KiB"
[workload]
model = "llama-2-8b"
batch = 0
[quantization]
weights = "int99"
[sparsty]
[simulation.counting]
os_drian = true
"""
    )
    assert message(path) == (
        "design.toml:2: hardware.kind: unknown kind 'systolik'\n"
        "hint: did you mean 'systolic'?\n"
        "design.toml:3: hardware.clock: needs a unit, such as '1 GHz' (got 1)\n"
        "design.toml:5: hardware.array.row: unknown key\n"
        "hint: did you mean 'rows'?\n"
        "design.toml:6: hardware.array.cols: must be at least 1 (got -1)\n"
        "design.toml:9: hardware.memory.a.technology: unknown technology 'dddr4'\n"
        "hint: did you mean 'ddr4'?\n"
        "design.toml:10: hardware.memory.a.capacity: must be above 0 (got '0 KiB')\n"
        "design.toml:12: workload.model: unknown model 'llama-2-8b'\n"
        "hint: did you mean 'llama-3-8b'?\n"
        "design.toml:13: workload.batch: must be at least 1 (got 0)\n"
        "design.toml:15: quantization.weights: format 'int99': integers have 1 to 48 bits (got 99)\n"
        "design.toml:16: sparsty: unknown table\n"
        "hint: did you mean 'sparsity'?\n"
        "design.toml:18: simulation.counting.os_drian: unknown switch 'os_drian'\n"
        "hint: did you mean 'os_drain'?"
    )


def test_every_wrong_override_is_reported(design_text: str, write: Write) -> None:
    assert message(write(design_text), "x", "hardware.clock=1 GHz", "y") == (
        "--set: must be dotted.key=value (got 'x')\n"
        "hint: such as --set hardware.array.rows=16\n"
        "--set: must be dotted.key=value (got 'y')\n"
        "hint: such as --set hardware.array.rows=16"
    )


class TestFiles:
    def test_missing(self, write: Write) -> None:
        write("", "quickstart.toml")
        assert message(Path("quickstar.toml")) == "quickstar.toml: no such file\nhint: did you mean 'quickstart.toml'?"

    def test_folder(self, write: Write) -> None:
        write("", "design.toml/inner.txt")
        assert message(Path("design.toml")) == "design.toml: is a folder, not a TOML file"

    def test_name_that_no_file_can_have(self, write: Write) -> None:
        write("")
        assert message(Path("a\0b")).startswith("a\0b: cannot be read: ")

    def test_not_utf_8(self, design_text: str, write: Write) -> None:
        path = write(design_text.encode() + b"# \xff\n")
        assert message(path) == "design.toml:22: is not UTF-8 text (byte 0xff)\nhint: save it as UTF-8"

    def test_fifty_megabytes(self, write: Write) -> None:
        path = write(b"#" * 50_000_000)
        assert message(path) == "design.toml: is larger than 1 MB; a design takes a few kB"

    def test_nested_too_deeply(self, write: Write) -> None:
        assert message(write("a = " + "[" * 5000)) == "design.toml: arrays or tables are nested too deeply"

    def test_broken_trace_row(self, design_text: str, write: Write) -> None:
        write("name,kind,m,n,k\na,gemm,1,2,3\nb,gemm,1,x,3\n", "t.csv")
        path = write(design_text.replace('model = "resnet-50"', 'trace = "t.csv"'))
        assert message(path) == "t.csv:3: n: must be an integer (got 'x')"

    def test_broken_trace_and_broken_design_are_both_reported(self, design_text: str, write: Write) -> None:
        write("name,kind,m,n,k\nb,gemm,1,x,3\n", "t.csv")
        path = write(design_text.replace('model = "resnet-50"', 'trace = "t.csv"').replace("rows = 16", "rows = 0"))
        assert message(path) == (
            "design.toml:7: hardware.array.rows: must be at least 1 (got 0)\nt.csv:2: n: must be an integer (got 'x')"
        )

    def test_unknown_architecture_of_a_configuration(self, design_text: str, write: Write) -> None:
        write('{"model_type": "lama"}', "config.json")
        path = write(design_text.replace('model = "resnet-50"', 'config = "config.json"'))
        assert message(path) == ("config.json: model_type: unknown model_type 'lama'\nhint: did you mean 'llama'?")

    def test_link_that_leads_out_of_the_folder(self, design_text: str, write: Write) -> None:
        write("name,kind,m,n,k\na,gemm,1,2,3\n", "t.csv")
        path = write(design_text.replace('model = "resnet-50"', 'trace = "link.csv"'), "inner/design.toml")
        (path.parent / "link.csv").symlink_to(Path("t.csv").resolve())
        assert message(path) == (
            "inner/design.toml:21: workload.trace: 'link.csv' lies outside the design's folder\n"
            "hint: copy it beside the design, or name it with --set"
        )


WORKLOAD = '[workload]\nmodel = "resnet-50"\n'


class TestBases:
    def test_cycle(self, write: Write) -> None:
        write('[hardware]\nbase = "design.toml"\n', "b.toml")
        path = write('[hardware]\nbase = "b.toml"\n' + WORKLOAD)
        assert message(path) == "b.toml:2: hardware.base: base is cyclic: design.toml -> b.toml -> design.toml"

    def test_itself(self, write: Write) -> None:
        path = write('[hardware]\nbase = "design.toml"\n' + WORKLOAD)
        assert message(path) == "design.toml:2: hardware.base: base is cyclic: design.toml -> design.toml"

    def test_file_without_hardware(self, write: Write) -> None:
        write('[design]\nname = "x"\n', "b.toml")
        path = write('[hardware]\nbase = "b.toml"\n' + WORKLOAD)
        assert message(path) == "b.toml: has no [hardware] table to inherit"

    def test_syntax_error_names_the_base(self, write: Write) -> None:
        write("[hardware\n", "b.toml")
        path = write('[hardware]\nbase = "b.toml"\n' + WORKLOAD)
        assert message(path) == "b.toml:1: not valid TOML: expected ']' at the end of a table declaration"

    def test_errors_stand_in_the_file_that_holds_them(self, write: Write) -> None:
        write(
            """\
[hardware]
kind = "systolic"
clock = "1 GHz"
[hardware.array]
rows = -1
cols = 4
[[hardware.memory]]
name = "dram"
technology = "ddr4"
bandwidth = "1 GB"
""",
            "b.toml",
        )
        own = '[hardware]\nbase = "b.toml"\n[[hardware.memory]]\nname = "dram"\ncapacity = "4"\n'
        assert message(write(own + WORKLOAD)) == (
            "b.toml:5: hardware.array.rows: must be at least 1 (got -1)\n"
            "b.toml:10: hardware.memory.dram.bandwidth: must be a bandwidth such as '64 GB/s' or '32 B/cycle'"
            " (got '1 GB')\n"
            "design.toml:5: hardware.memory.dram.capacity: needs a unit, such as '64 KiB' (got '4')"
        )

    def test_unknown_memory_to_remove(self, write: Write) -> None:
        own = '[hardware]\nbase = "edge-array"\n[[hardware.memory]]\nname = "bufer"\nremove = true\n'
        assert message(write(own + WORKLOAD)) == (
            "design.toml:3: hardware.memory.bufer: there is no memory 'bufer' in the base to remove\n"
            "hint: did you mean 'buffer'?"
        )

    def test_nothing_left(self, write: Write) -> None:
        names = ("dram", "buffer", "accumulators")
        removed = "".join(f'[[hardware.memory]]\nname = "{name}"\nremove = true\n' for name in names)
        assert message(write(f'[hardware]\nbase = "edge-array"\n{removed}{WORKLOAD}')) == (
            "design.toml:1: hardware: no memory: give at least one [[hardware.memory]], outermost first"
        )

    def test_flag_of_another_type(self, write: Write) -> None:
        own = '[hardware]\nbase = "edge-array"\n[[hardware.memory]]\nname = "buffer"\nremove = "yes"\n'
        assert message(write(own + WORKLOAD)) == (
            "design.toml:5: hardware.memory.buffer.remove: must be true or false (got 'yes')"
        )


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "override",
    [
        f"hardware.{LONG}=1",
        f"{LONG}=1",
        f"hardware.clock={LONG}",
        f"hardware.memory.{LONG}.capacity=1",
        f"workload.model={LONG}",
        f"workload.trace={LONG}",
        f"quantization.weights={LONG}",
        f"quantization.layers.{LONG}.weights=int8",
        f"sparsity.weights={LONG}",
        f"mapper.objective={LONG}",
        f"hardware.array.rates.{LONG}=1",
        f"hardware.array.phase.{LONG}.rows=1",
        f"hardware.memory.glb.name='{LONG[:30_000]} {LONG[:30_000]}'",
        f"hardware.base={LONG}",
    ],
    ids=lambda text: text[:30],
)
def test_what_is_quoted_is_cut(override: str, design_text: str, write: Write) -> None:
    assert len(message(write(design_text), override)) < 1000
