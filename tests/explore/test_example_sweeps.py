"""The sweeps that ship, the page about them, and their schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archsim.explore.options import (
    LinkOptions,
    RangeOptions,
    RunOptions,
    SearchOptions,
    SweepOptions,
    ValuesOptions,
    WeightedWorkloadOptions,
)
from archsim.explore.read import read_sweep
from archsim.explore.schema import SWEEP_SCHEMA_FILE, sweep_schema
from tests.explore import sweeps

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "designs" / "sweeps").glob("*.toml"))
TABLES = (
    SweepOptions,
    RangeOptions,
    ValuesOptions,
    LinkOptions,
    SearchOptions,
    WeightedWorkloadOptions,
    RunOptions,
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_right_and_name_their_schema(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith(f"#:schema ../{SWEEP_SCHEMA_FILE}\n")
    assert read_sweep(path).space.size > 30
    assert path.name in PAGE


def test_the_schema_beside_the_examples_is_the_one_archsim_prints() -> None:
    """After a change of the sweep file: make schema."""
    assert json.loads((ROOT / "designs" / SWEEP_SCHEMA_FILE).read_text(encoding="utf-8")) == sweep_schema()


@pytest.mark.parametrize("number", range(2))
def test_sweeps_shown_on_the_page_are_right(tmp_path: Path, number: int) -> None:
    block = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[number]
    design = sweeps.DESIGN.replace('trace = "work.csv"', 'model = "gpt-2"')
    assert read_sweep(sweeps.write(tmp_path, block, design=design)).space.size >= 2


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_every_key_of_a_sweep_file_is_explained(model: type[SweepOptions]) -> None:
    keys = [field.alias or name for name, field in model.model_fields.items()]
    code = " ".join(re.findall(r"`([^`\n]+)`", PAGE))
    assert [key for key in keys if not re.search(rf"\b{key}\b", code)] == []
