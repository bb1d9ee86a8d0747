"""From design.toml to a Design: defaults, inheritance, overrides, paths, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from archsim.api.design import Design, design_from_dict, load_design
from archsim.arch.catalog import hardware_names
from archsim.arch.engines.spatial import SpatialEngine
from archsim.arch.engines.systolic import SystolicEngine
from archsim.workloads.op import Op

Write = Callable[..., Path]
DESIGNS = sorted((Path(__file__).resolve().parents[2] / "designs").glob("*.toml"))

FULL = """\
[design]
name = "edge-array"

[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"
cores = 1

[hardware.array]
rows = 16
cols = 32
dataflows = ["ws"]
fold_overlap = false
weight_double_buffer = false
mac_energy = "0.2 pJ"
axes = []

[[hardware.memory]]
name = "dram"
technology = "lpddr5"
bandwidth = "64 GB/s"

[[hardware.memory]]
name = "wbuf"
technology = "sram"
capacity = "64 KiB"
operands = ["weights"]
per = "array"
read_bandwidth = "32 B/cycle"
write_bandwidth = "32 B/cycle"
ports = "separate"
double_buffer = true
read_energy = "6 pJ/element"
write_energy = "7 pJ/element"

[workload]
model = "llama-2-7b"
phase = "decode"
batch = 1
context = 2048
output_tokens = 128

[quantization]
weights = "int4:g128"
inputs = "fp16"
outputs = "fp16"
kv_cache = "int8:head"
accumulator = "int32"
[quantization.layers]
"*.down_proj" = { weights = "int8:g128" }

[sparsity]
weights = "2:4"

[mapper]
objective = "edp"
dataflows = ["ws", "os"]
factors = "any"
budget = "2 s"

[simulation]
fidelity = "analytic"
convention = "archsim"
"""


def matrices(design: Design) -> dict[str, Op]:
    return {op.name: op for op in design.trace.ops if isinstance(op, Op)}


def test_every_key_of_the_documented_example(write: Write) -> None:
    design = load_design(write(FULL))
    engine = design.accelerator.engine
    dram, wbuf = design.accelerator.memories
    assert design.name == "edge-array"
    assert isinstance(engine, SystolicEngine)
    assert (engine.rows, engine.columns, engine.permitted) == (16, 32, ("ws",))
    assert engine.unit.overrides.mac_energy_pj == 0.2
    assert dram.read_bits_per_cycle == dram.write_bits_per_cycle == 64 * 8
    assert (wbuf.capacity_bits, wbuf.operands, wbuf.per) == (64 * 1024 * 8, frozenset({"weights"}), "array")
    assert (wbuf.read_energy.value_pj, wbuf.read_energy.basis) == (6.0, "element")
    assert wbuf.double_buffer
    assert not wbuf.shared_ports
    assert design.accumulator.name == "int32"
    assert design.mapper.budget_s == 2.0
    formats = {name: str(op.weights.format) for name, op in matrices(design).items()}
    down = [name for name in formats if name.endswith("down_proj")]
    other = [name for name in formats if name.endswith("up_proj")]
    assert {formats[name] for name in down} == {"int8:g128"}
    assert {formats[name] for name in other} == {"int4:g128"}


def test_defaults(design_text: str, write: Write) -> None:
    design = load_design(write(design_text))
    dram, glb = design.accelerator.memories
    assert (dram.per, dram.instances, dram.shared_ports, dram.double_buffer) == ("chip", 1, False, False)
    assert dram.off_chip
    assert dram.read_bits_per_cycle < float("inf")
    assert glb.read_bits_per_cycle == float("inf")
    quantization = {"weights": "int8", "inputs": "int8", "outputs": "int8", "kv_cache": "int8", "accumulator": "int32"}
    assert quantization == design.resolved["quantization"]
    assert design.resolved["hardware"]["vector"]["lanes"] == 16


def test_outputs_and_cache_follow_the_inputs(design_text: str, write: Write) -> None:
    design = load_design(write(design_text + '[quantization]\ninputs = "fp16"\n'))
    assert design.resolved["quantization"] == {
        "weights": "int8",
        "inputs": "fp16",
        "outputs": "fp16",
        "kv_cache": "fp16",
        "accumulator": "fp32",
    }


def test_activations_are_inputs_and_outputs_unless_one_is_said(design_text: str, write: Write) -> None:
    text = '[quantization]\nactivations = "int16"\noutputs = "fp16"\n'
    resolved = load_design(write(design_text + text)).resolved["quantization"]
    assert (resolved["inputs"], resolved["outputs"]) == ("int16", "fp16")


def test_stored_bits_of_a_format(design_text: str, write: Write) -> None:
    text = '[quantization]\nweights = { format = "int4", storage_bits = 4.0625 }\n'
    design = load_design(write(design_text + text))
    weights = next(iter(matrices(design).values())).weights.format
    assert weights is not None
    assert float(weights.bits_per_element) == 4.0625


@pytest.mark.parametrize("path", DESIGNS, ids=lambda path: path.stem)
def test_example_designs_load(path: Path) -> None:
    design = load_design(path)
    assert design.trace.macs > 0
    assert path.read_text().startswith("#:schema design.schema.json\n")


@pytest.mark.parametrize("path", DESIGNS, ids=lambda path: path.stem)
def test_a_resolved_design_reads_back_as_itself(path: Path) -> None:
    design = load_design(path)
    again = design_from_dict(json.loads(json.dumps(design.resolved)))
    assert again.resolved == design.resolved
    assert again.accelerator == design.accelerator
    assert again.trace == design.trace


@pytest.mark.parametrize("name", hardware_names())
def test_catalog_entries_are_bases(name: str) -> None:
    design = design_from_dict({"hardware": {"base": name}, "workload": {"model": "mobilenet-v1"}})
    assert design.accelerator.name == name
    assert design.accelerator.sources or design.accelerator.estimates


def test_no_workload_where_none_is_needed(design_text: str, write: Write) -> None:
    design = load_design(write(design_text.split("[workload]")[0]), workload_required=False)
    assert design.trace.ops == ()


def test_phase_overrides_of_the_array(write: Write) -> None:
    text = FULL + '[hardware.array.phase.decode]\ndataflow = "os"\nrows = 8\n'
    design = load_design(write(text), ["mapper.dataflows=[]"])
    decode, prefill = design.accelerator_for("decode").engine, design.accelerator_for("prefill").engine
    assert isinstance(decode, SystolicEngine)
    assert isinstance(prefill, SystolicEngine)
    assert (decode.rows, decode.columns, decode.permitted) == (8, 32, ("os",))
    assert (prefill.rows, prefill.permitted) == (16, ("ws",))


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
def test_a_spatial_array_of_rows_and_columns_takes_its_axes_from_the_dataflow(
    dataflow: str, design_text: str, write: Write
) -> None:
    text = design_text.replace("systolic", "spatial").replace('"ws"', f'"{dataflow}"')
    spatial = load_design(write(text)).accelerator.engine
    systolic = load_design(write(design_text.replace('"ws"', f'"{dataflow}"'))).accelerator.engine
    assert isinstance(spatial, SpatialEngine)
    assert systolic.dataflows[0].axes == spatial.axes


class TestOverrides:
    def test_list_entries_by_name_and_bare_text(self, design_text: str, write: Write) -> None:
        design = load_design(write(design_text), ["hardware.memory.glb.capacity=8 KiB", "hardware.array.rows=4"])
        assert design.accelerator.memory("glb").capacity_bits == 8 * 1024 * 8
        assert design.accelerator.engine.units == 4 * 16

    def test_later_ones_win(self, design_text: str, write: Write) -> None:
        design = load_design(write(design_text), ["hardware.clock=2 GHz", "hardware.clock=3 GHz"])
        assert design.accelerator.clock_hz == 3e9

    def test_keys_of_a_base(self, write: Write) -> None:
        path = write('[hardware]\nbase = "edge-array"\n[workload]\nmodel = "resnet-50"\n')
        design = load_design(path, ["hardware.memory.buffer.capacity=2 MiB"])
        assert design.accelerator.memory("buffer").capacity_bits == 2 * 2**20 * 8

    def test_what_a_design_states_of_the_array_holds_in_every_phase_of_its_base(self, write: Write) -> None:
        work = '[workload]\nmodel = "opt-125m"\nphase = "decode"\n'
        own = load_design(write(f'[hardware]\nbase = "bitmod-28nm"\narray.rows = 8\n{work}'))
        assert own.resolved["hardware"]["array"]["phase"]["decode"] == {"cols": 16}
        assert own.accelerator_for("decode").units == 8 * 16
        base = load_design(write(f'[hardware]\nbase = "bitmod-28nm"\n{work}'))
        assert base.accelerator_for("decode").engine != base.accelerator.engine

    def test_the_resolved_design_has_by_phase_what_is_stated_by_phase(self, write: Write) -> None:
        design = load_design(write('[hardware]\nbase = "bitmod-28nm"\n[workload]\nmodel = "opt-125m"\n'))
        again = design_from_dict(design.resolved)
        assert again.resolved == design.resolved
        assert again.accelerator_for("decode") == design.accelerator_for("decode")

    def test_keys_of_another_kind_of_engine_are_warned_of(self, write: Write) -> None:
        text = '[hardware]\nbase = "bitmod-28nm"\nkind = "systolic"\n[workload]\nmodel = "opt-125m"\n'
        said = [warning for warning in load_design(write(text)).warnings if "says nothing for kind" in warning]
        assert "hardware.array.step_energy says nothing for kind 'systolic'" in said

    def test_the_base_itself(self, write: Write) -> None:
        path = write('[hardware]\nbase = "edge-array"\n[workload]\nmodel = "resnet-50"\n')
        assert load_design(path, ["hardware.base=gemmini-16x16"]).accelerator.name == "gemmini-16x16"

    def test_quoted_keys(self, design_text: str, write: Write) -> None:
        design = load_design(write(design_text), ['quantization.layers."*conv1*".weights=int4'])
        assert design.resolved["quantization"]["layers"] == {"*conv1*": {"weights": "int4"}}

    def test_another_workload_takes_the_place_of_the_first(
        self, design_text: str, write: Write, tmp_path: Path
    ) -> None:
        write("name,kind,m,n,k\na,gemm,1,2,3\n", "elsewhere/t.csv")
        path = write(design_text, "here/design.toml")
        relative = load_design(path, ["workload.trace=elsewhere/t.csv"])
        absolute = load_design(path, [f"workload.trace={tmp_path / 'elsewhere' / 't.csv'}"])
        assert relative.trace.macs == absolute.trace.macs == 6


class TestBases:
    OTHER = """\
[hardware]
base = "edge-array"
clock = "2 GHz"
[[hardware.memory]]
name = "buffer"
capacity = "2 MiB"
read_bandwidth = "1 B/cycle"
"""

    def load(self, write: Write, own: str) -> Design:
        write(self.OTHER, "other.toml")
        return load_design(write(f'[hardware]\nbase = "other.toml"\n{own}\n[workload]\nmodel = "resnet-50"\n'))

    def test_a_file_whose_base_is_in_the_catalog(self, write: Write) -> None:
        design = self.load(write, "")
        buffer = design.accelerator.memory("buffer")
        assert design.accelerator.clock_hz == 2e9
        assert [memory.name for memory in design.accelerator.memories] == ["dram", "buffer", "accumulators"]
        assert (buffer.capacity_bits, buffer.read_bits_per_cycle) == (2 * 2**20 * 8, 8)
        assert buffer.write_bits_per_cycle == 128 * 8

    def test_a_memory_of_the_same_name_overrides_key_by_key(self, write: Write) -> None:
        buffer = self.load(write, '[[hardware.memory]]\nname = "buffer"\ncapacity = "3 MiB"').accelerator.memory(
            "buffer"
        )
        assert (buffer.capacity_bits, buffer.read_bits_per_cycle) == (3 * 2**20 * 8, 8)

    def test_bandwidth_replaces_those_of_reads_and_writes(self, write: Write) -> None:
        buffer = self.load(write, '[[hardware.memory]]\nname = "buffer"\nbandwidth = "2 B/cycle"').accelerator.memory(
            "buffer"
        )
        assert buffer.read_bits_per_cycle == buffer.write_bits_per_cycle == 16

    def test_remove_before_and_append(self, write: Write) -> None:
        own = """
[[hardware.memory]]
name = "accumulators"
remove = true
[[hardware.memory]]
name = "l2"
technology = "sram"
capacity = "8 MiB"
before = "buffer"
[[hardware.memory]]
name = "registers"
technology = "register"
capacity = "4 B"
per = "pe"
"""
        design = self.load(write, own)
        assert [memory.name for memory in design.accelerator.memories] == ["dram", "l2", "buffer", "registers"]
        assert design.accelerator.memory("registers").instances == 32 * 32


def test_unused_keys_beside_a_trace_are_a_warning(design_text: str, write: Write) -> None:
    write("name,kind,m,n,k\na,gemm,1,2,3\n", "t.csv")
    design = load_design(write(design_text.replace('model = "resnet-50"', 'trace = "t.csv"\nphase = "decode"')))
    assert design.warnings == ("workload.phase says nothing beside trace: its rows state their own",)
