"""Figures of a PE that a base states, where a design changes what the PE is made of."""

from __future__ import annotations

from typing import Any

import pytest

from archsim.api.design import Design, design_from_dict


def pragmatic(*overrides: str, **array: Any) -> Design:
    hardware = {"base": "pragmatic-28nm", **({"array": array} if array else {})}
    return design_from_dict({"hardware": hardware, "workload": {"model": "resnet-20"}}, overrides)


def told(design: Design) -> list[str]:
    return [warning for warning in design.warnings if "were stated for a PE" in warning]


@pytest.mark.parametrize("design", [pragmatic(lanes=32), pragmatic("hardware.array.lanes=32")])
def test_kept_figures_of_another_pe_are_told(design: Design) -> None:
    (warning,) = told(design)
    assert warning.startswith(
        "hardware.array.lanes is 32, but pe_area and step_energy were stated for a PE where it is 8"
    )


@pytest.mark.parametrize(
    "design",
    [
        pragmatic(),
        pragmatic(lanes=8, rows=64),
        pragmatic(lanes=32, pe_area="3000 um^2", step_energy="2 pJ/cycle"),
    ],
)
def test_figures_of_the_same_pe_are_not_told(design: Design) -> None:
    assert told(design) == []


def test_the_energy_of_a_mac_takes_the_place_of_that_of_a_step() -> None:
    for design in (pragmatic(mac_energy="0.2 pJ"), pragmatic("hardware.array.mac_energy=0.2 pJ")):
        assert "step_energy" not in design.resolved["hardware"]["array"]
