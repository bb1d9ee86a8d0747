"""Narrower operands leave no fewer legal mappings and cost no more, in whole spaces of real layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from archsim.api.evaluate import mapper_settings
from archsim.api.map import chosen_design, chosen_work
from archsim.arch.formats import format
from archsim.mappers.enumerate import enumerate_space
from archsim.workloads.op import OPERANDS

WIDTHS = (16, 8, 6, 4, 2)
# Constraints that leave each space some thousand mappings: what lies side by side, and what passes a memory by.
ROWS: dict[str, Any] = {
    "spatial": {"row": {"conv": {"r": 3}}, "column": {"conv": {"p": 7}}},
    "bypass": {"input_spad": ["inputs"], "filter_glb": ["weights"], "glb": ["outputs"]},
}
LANES: dict[str, Any] = {
    "spatial": {"tile": {"gemm": {"k": 16}}, "vector": {"gemm": {"n": 8}}, "lane": {"gemm": {"k": 8}}},
    "bypass": {"glb": ["inputs", "outputs"], "weight_register": ["weights"]},
}


def spaces(machine: str, network: str, layer: str, constraints: dict[str, Any], operands: tuple[str, ...]) -> list[Any]:
    """(legal mappings, least energy in pJ) for each width of some operands, the others of 8 bits."""
    passing = [{"name": name, "bypass": passed} for name, passed in constraints["bypass"].items()]
    table = {
        "hardware": {"base": machine, "memory": passing},
        "workload": {"model": network},
        "quantization": {"accumulator": "int24"},
        "mapper": {"objective": "energy", "factors": "perfect", "constraints": constraints},
    }
    design = chosen_design(table, (), workload_required=True)
    (work,) = chosen_work(design, layer, None)
    found = []
    for bits in WIDTHS:
        formats = {name: format(f"int{bits if name in operands else 8}") for name in OPERANDS}
        space = enumerate_space(
            work.op.with_formats(**formats),
            design.accelerator,
            mapper_settings(design),
            design.simulation.switches,
            design.accumulator,
        )
        found.append((space.legal, space.best["energy"].energy_pj))
    return found


@pytest.mark.parametrize(
    ("machine", "network", "layer", "constraints", "operands", "more"),
    [
        ("eyeriss", "mobilenet-v1", "conv10.dw", ROWS, ("inputs",), True),
        ("eyeriss", "mobilenet-v1", "conv10.dw", ROWS, ("weights",), True),
        ("simba", "resnet50", "fc", LANES, ("weights",), True),
        ("simba", "resnet50", "fc", LANES, ("outputs",), False),
        ("simba", "resnet50", "fc", LANES, OPERANDS, True),
    ],
)
def test_narrower_operands_leave_no_fewer_mappings_and_no_more_energy(
    machine: str, network: str, layer: str, constraints: dict[str, Any], operands: tuple[str, ...], more: bool
) -> None:
    found = spaces(machine, network, layer, constraints, operands)
    assert all(wide[0] <= narrow[0] for wide, narrow in pairwise(found))
    assert all(wide[1] >= narrow[1] for wide, narrow in pairwise(found))
    # Where tiles of these operands compete for room the number grows, and in all cases energy falls.
    assert (found[0][0] < found[-1][0]) == more
    assert found[0][1] > found[-1][1]
