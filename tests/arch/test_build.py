"""From hardware options to an accelerator: places, bandwidths, energies, widths."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from archsim.api.design import design_from_dict
from archsim.arch.build import build_accelerator
from archsim.arch.catalog import hardware, hardware_names
from archsim.arch.components.dram import dram_cost
from archsim.arch.components.sram import sram_cost
from archsim.arch.kinds import KINDS
from archsim.arch.memory import EnergyBasis, MemoryLevel
from archsim.arch.options import HardwareOptions
from archsim.core.errors import InputError

ARRAY = {"rows": 4, "cols": 8, "count": 3}
AXES = [{"size": 2, "dims": ["m"]}, {"size": 3, "dims": ["n"]}, {"name": "depth", "size": 5, "dims": ["k"]}]


def options(memory: dict[str, Any], **keys: Any) -> HardwareOptions:
    table: dict[str, Any] = {"kind": "systolic", "clock": "2 GHz", "node": "28 nm", "cores": 2, "array": ARRAY}
    return HardwareOptions.model_validate(table | {"memory": [{"name": "m", "technology": "sram"} | memory]} | keys)


def level(memory: dict[str, Any], **keys: Any) -> MemoryLevel:
    return build_accelerator(options({"capacity": "64 KiB"} | memory, **keys), name="x").memories[0]


@pytest.mark.parametrize(
    ("per", "expected"),
    [("chip", 1), ("core", 2), ("array", 6), ("row", 24), ("column", 48), ("pe", 192)],
)
def test_instances_of_an_array_of_rows_and_columns(per: str, expected: int) -> None:
    assert level({"per": per}).instances == expected


@pytest.mark.parametrize(("per", "expected"), [("row", 4), ("column", 6), ("depth", 10), ("pe", 60)])
def test_instances_along_axes(per: str, expected: int) -> None:
    assert level({"per": per}, kind="spatial", array={"axes": AXES}).instances == expected


def test_bandwidth_per_second_counts_in_cycles_of_the_clock() -> None:
    memory = level({"bandwidth": "64 GB/s"})
    assert memory.read_bits_per_cycle == memory.write_bits_per_cycle == 64e9 * 8 / 2e9


def test_reads_and_writes_have_their_own() -> None:
    memory = level({"bandwidth": "8 B/cycle", "write_bandwidth": "2 B/cycle"})
    assert (memory.read_bits_per_cycle, memory.write_bits_per_cycle) == (64, 16)


def test_bandwidth_by_operand() -> None:
    memory = level({"bandwidth": {"weights": "4 B/cycle"}})
    assert memory.operand_bits_per_cycle == (("weights", 32.0),)
    assert memory.read_bits_per_cycle == math.inf


def test_stated_ports_carry_what_they_are_wide() -> None:
    memory = level({"read_width": "64 bit", "write_width": "32 bit", "read_ports": 2, "banks": 4})
    assert (memory.read_bits_per_cycle, memory.write_bits_per_cycle) == (512, 128)


def test_off_chip_memory_takes_bandwidth_capacity_and_energy_from_its_technology() -> None:
    memory = level({"technology": "ddr4", "capacity": None})
    cost = dram_cost("ddr4")
    assert memory.read_bits_per_cycle == cost.bandwidth_bytes_per_s * 8 / 2e9
    assert memory.capacity_bits == cost.capacity_bytes * 8
    assert memory.read_energy.per_element_pj(8) == cost.read_pj_per_bit * 8
    assert memory.area_mm2 is None
    assert memory.off_chip


def test_sram_takes_energy_and_area_from_one_bank() -> None:
    memory = level({"banks": 4, "width": "64 bit"})
    bank = sram_cost(16 * 1024 * 8, 64, 28)
    assert memory.read_energy.value_pj == bank.read_pj_per_bit
    assert memory.area_mm2 == bank.area_mm2 * 4


def test_unlimited_sram_is_free_and_says_so() -> None:
    memory = level({"capacity": "unlimited"})
    assert memory.capacity_bits == math.inf
    assert memory.read_energy.value_pj == 0
    assert "unlimited capacity" in memory.estimates[0]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"read_energy": "6 pJ/element"}, 6.0),
        ({"read_energy": "0.5 pJ/bit"}, 8.0),
        ({"read_energy": "8 pJ/B"}, 16.0),
        ({"read_energy": "64 pJ", "width": "64 bit"}, 16.0),
        ({"read_energy": "64 pJ", "read_width": "128 bit"}, 8.0),
        ({"read_energy": {"64 bit": "64 pJ", "128 bit": "96 pJ"}, "width": "128 bit"}, 12.0),
        ({"read_energy": {"64 bit": "64 pJ", "128 bit": "96 pJ"}, "read_bandwidth": "8 B/cycle"}, 16.0),
        ({"read_energy": {"64 bit": "64 pJ"}}, 16.0),
    ],
)
def test_stated_energy_of_a_16_bit_element(keys: dict[str, Any], expected: float) -> None:
    assert level(keys).read_energy.per_element_pj(16) == pytest.approx(expected)


def test_energy_per_access_keeps_its_width() -> None:
    energy = level({"read_energy": "64 pJ", "width": "64 bit"}).read_energy
    assert (energy.basis, energy.width_bits) == (EnergyBasis.ACCESS, 64)


def test_a_table_of_energies_needs_the_width_of_the_port() -> None:
    with pytest.raises(InputError, match="64 bit"):
        level({"read_energy": {"32 bit": "1 pJ", "128 bit": "2 pJ"}, "width": "64 bit"})


def test_roles_narrow_what_a_memory_serves() -> None:
    memory = level({"operands": ["kv"]})
    assert memory.serves("weights", "kv")
    assert not memory.serves("weights", "parameter")


def test_rates_by_format_name_hold_for_its_class() -> None:
    table = options({"capacity": "1 KiB"}, array=ARRAY | {"rates": {"bf16": 0.5, "int8": 2}})
    assert table.array.rates == {"fp16": 0.5, "int8": 2.0}


def test_an_unstated_node_and_vector_unit_are_estimates() -> None:
    table = options({"capacity": "1 KiB"}).model_dump(exclude_unset=True)
    del table["node"]
    accelerator = build_accelerator(HardwareOptions.model_validate(table), name="x")
    assert accelerator.estimates == ("estimate: the design states no node; 28 nm assumed",)
    assert any("vector lanes" in text for text in accelerator.vector.estimates)


@pytest.mark.parametrize("name", hardware_names())
def test_every_catalog_entry_states_its_sources(name: str) -> None:
    table = hardware(name)
    assert table["name"] == name
    assert table["source"]


def test_an_unknown_catalog_entry_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'eyeriss'"):
        hardware("eyeris")


def test_a_kind_that_is_not_there_names_what_does_its_work() -> None:
    with pytest.raises(InputError, match="kind 'tensor-core' is not available yet") as caught:
        design_from_dict({"hardware": {"kind": "tensor-core"}}, workload_required=False)
    (problem,) = [found for found in caught.value.problems if found.key == "hardware.kind"]
    named = re.findall(r"'([a-z0-9-]+)'", problem.hint or "")
    assert {"dot-product", "sparse", "sparse-tensor-core", "block-dot-28nm"} <= set(named)
    assert set(named) <= {*KINDS, *hardware_names()}
