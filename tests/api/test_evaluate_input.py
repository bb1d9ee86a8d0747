"""What `evaluate`, `compare` and `plot` accept, and what they say of anything else."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import archsim
from archsim.api.design import load_design
from archsim.core.errors import ArchsimError, InputError
from tests.reports import samples

Write = Callable[..., Path]


def test_a_single_override_may_be_a_plain_text(design_text: str, write: Write) -> None:
    assert load_design(write(design_text), "hardware.cores=2").accelerator.cores == 2


def test_values_are_a_design(design_text: str) -> None:
    with pytest.raises(InputError, match=r"workload\.model: unknown model"):
        archsim.evaluate(tomllib.loads(design_text), overrides=["workload.model=resnet-5000"])


@pytest.mark.parametrize("given", [5, None, [1]])
def test_anything_else_is_said_to_be_none(given: Any) -> None:
    with pytest.raises(InputError, match=r"a design is a path of a design\.toml, a mapping of its values, or a Design"):
        archsim.evaluate(given)
    with pytest.raises(InputError, match="a side is an Evaluation"):
        archsim.compare(given, given)


def test_an_override_that_is_no_text(design_text: str, write: Write) -> None:
    overrides: Any = [5]
    with pytest.raises(InputError, match="an override is a text"):
        load_design(write(design_text), overrides)


def test_a_plot_of_no_kind() -> None:
    kind: Any = None
    with pytest.raises(InputError, match="unknown plot"):
        samples.small().plot(kind)


def test_a_batch_beyond_dram(design_text: str, write: Write) -> None:
    path = write(design_text.replace("lpddr4", "lpddr5"))
    with pytest.raises(ArchsimError) as caught:
        archsim.evaluate(path, overrides=["workload.batch=1000000000"])
    text = str(caught.value)
    assert caught.value.exit_code == 1
    assert "more than dram holds" in text
    assert "TiB" in text
    assert "e+" not in text


def test_operands_that_a_bandwidth_table_does_not_name(design_text: str, write: Write) -> None:
    table = 'capacity = "64 KiB"\nbandwidth = {weights = "32 B/cycle"}'
    path = write(design_text.replace('capacity = "64 KiB"', table))
    start = "hardware.memory.glb.bandwidth does not name inputs, outputs: "
    assert start + "theirs is unlimited" in load_design(path).warnings
    stated = load_design(path, ["hardware.memory.glb.read_bandwidth=8 B/cycle"]).warnings
    assert start + "they share read_bandwidth" in stated
