"""Designs at equal compute area: how arrays are scaled, what is compared, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import archsim
from archsim.core.errors import InputError
from archsim.reports.iso_area import IsoAreaComparison

DESIGN = """
[hardware]
base = "{base}"
[workload]
model = "opt-125m"
phase = "prefill"
context = 32
[quantization]
weights = "{weights}"
inputs = "fp16"
outputs = "fp16"
kv_cache = "fp16"
[simulation]
convention = "bitmod-2024"
"""
Write = Callable[[str, str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, base: str, weights: str) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(DESIGN.format(base=base, weights=weights), encoding="utf-8")
        return path

    return written


@pytest.fixture
def paths(write: Write) -> list[Path]:
    return [write("ours", "bitmod-28nm", "bitmod-fp4:g128"), write("theirs", "fp16-28nm", "fp16")]


def arrays(result: IsoAreaComparison) -> list[tuple[str, dict[str, str]]]:
    return [(design.array, dict(design.phases)) for design in result.designs]


def test_the_first_design_keeps_its_array_and_the_others_fill_its_area(paths: list[Path]) -> None:
    """1024 PEs of 1507.7 um2 and 128 term encoders of 302.375 um2: 1.5826 mm2, or 803.8 PEs of 1968.7 um2."""
    result = archsim.compare_iso_area(paths)
    assert result.area_mm2 == pytest.approx((1024 * 1507.7 + 128 * 302.375) / 1e6)
    assert arrays(result) == [("32x32", {"decode": "64x16"}), ("33x24", {"decode": "66x12"})]
    assert result.designs[1].area_mm2 <= result.area_mm2
    first, second = (entry["unused_fraction"] for entry in result.to_dict()["designs"])
    assert first == 0.0
    assert second == pytest.approx(1 - 792 * 1968.7 / (1024 * 1507.7 + 128 * 302.375))


def test_other_wirings_of_an_array_shrink_with_it(write: Write) -> None:
    """512 PEs of 532.8 um2 hold 388 of 702.4 um2: 24 rows of 16, and three quarters of the lanes of every wiring."""
    result = archsim.compare_iso_area([write("one", "stripes-28nm", "int8"), write("two", "bitwave-28nm", "int8")])
    assert arrays(result) == [("32x16", {}), ("24x16", {})]


def test_one_more_row_would_not_fit(paths: list[Path]) -> None:
    theirs = archsim.compare_iso_area(paths).designs[1]
    assert theirs.area_mm2 + 24 * 1968.7e-6 > archsim.compare_iso_area(paths).area_mm2


def test_a_stated_area_scales_all_and_doubles_columns_where_it_is_several_times_theirs(paths: list[Path]) -> None:
    result = archsim.compare_iso_area(paths, area_mm2=6.0)
    assert arrays(result)[0] == ("60x64", {"decode": "121x32"})
    assert all(5.8 < design.area_mm2 <= 6.0 for design in result.designs)


def test_gains_are_over_the_first_design(paths: list[Path]) -> None:
    document = archsim.compare_iso_area(paths).to_dict()
    assert document["schema"] == "archsim.iso-area/1"
    (work,) = document["workloads"]
    ours, theirs = work["results"]
    assert (ours["speedup"], ours["energy_gain"]) == (1.0, 1.0)
    assert theirs["speedup"] == pytest.approx(ours["latency_s"] / theirs["latency_s"])
    assert [design["speedup"] for design in document["designs"]] == pytest.approx([1.0, theirs["speedup"]])


def test_models_and_phases_make_the_list_of_workloads(paths: list[Path]) -> None:
    result = archsim.compare_iso_area(paths, models=["opt-125m", "opt-350m"], phases=["prefill", "decode"])
    assert [(work.name, work.phase) for work in result.workloads] == [
        ("opt-125m", "prefill"),
        ("opt-125m", "decode"),
        ("opt-350m", "prefill"),
        ("opt-350m", "decode"),
    ]


def test_equal_designs_gain_nothing(write: Write) -> None:
    paths = [write(name, "fp16-28nm", "fp16") for name in ("a", "b")]
    second = archsim.compare_iso_area(paths).to_dict()["designs"][1]
    assert (second["speedup"], second["energy_gain"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("take", "area_mm2", "message"),
    [(1, None, "needs two designs or more"), (2, 1e-6, "no array of ours fits"), (3, None, "names of their own")],
)
def test_what_cannot_be_compared(paths: list[Path], take: int, area_mm2: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        archsim.compare_iso_area([*paths, paths[0]][:take], area_mm2=area_mm2)


def test_no_area_is_refused(paths: list[Path]) -> None:
    with pytest.raises(InputError, match="area_mm2: must be above 0"):
        archsim.compare_iso_area(paths, area_mm2=0.0)
