from __future__ import annotations

import io
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import archsim
from archsim.arch.formats.error import RoundingError
from archsim.core.errors import InputError
from archsim.reports.format_comparison import COLUMNS, Data, FormatComparison, Measurement, format_comparison
from archsim.reports.format_plot import NAMED_FORMATS
from archsim.reports.format_tables import arithmetic_text, comparison_cells, scale_text
from archsim.reports.plots import write_png

PNG = b"\x89PNG\r\n\x1a\n"


def measurement(name: str, bits: float, sqnr_db: float, *, data: str = "d", not_finite: int = 0) -> Measurement:
    error = RoundingError(
        elements=8,
        sqnr_db=sqnr_db,
        cosine=0.5,
        max_abs_error=math.inf if not_finite else 0.0 if math.isinf(sqnr_db) else 0.25,
        not_finite=not_finite,
    )
    return Measurement(data=data, format=name, family="f", bits_per_element=Fraction(bits), error=error)


def comparison(*measurements: Measurement) -> FormatComparison:
    names = dict.fromkeys(item.data for item in measurements)
    data = tuple(Data(name=name, about="made by hand", shape=(2, 4)) for name in names)
    return format_comparison(data, list(measurements), seed=None, archsim_version="1")


def front(found: FormatComparison) -> list[str]:
    return [item.format for item in found if item.pareto]


def test_the_front_is_what_nothing_dominates() -> None:
    found = comparison(
        measurement("wide", 8, 40.0),
        measurement("worse", 8, 30.0),
        measurement("narrow", 4, 20.0),
        measurement("wasteful", 6, 20.0),
        measurement("broken", 2, math.nan, not_finite=3),
        measurement("exact", 16, math.inf),
        measurement("also-exact", 32, math.inf),
    )
    assert front(found) == ["narrow", "wide", "exact"]
    assert [item.format for item in found] == [
        "broken", "narrow", "wasteful", "wide", "worse", "exact", "also-exact",
    ]  # fmt: skip


def test_each_tensor_has_a_front_of_its_own() -> None:
    found = comparison(
        measurement("a", 4, 1.0), measurement("b", 4, 2.0),
        measurement("a", 4, 2.0, data="e"), measurement("b", 4, 1.0, data="e"),
    )  # fmt: skip
    assert [item.format for item in found.of("d") if item.pareto] == ["b"]
    assert [item.format for item in found.of("e") if item.pareto] == ["a"]


def test_the_document_holds_no_nan_and_says_what_does_not_exist() -> None:
    found = comparison(measurement("a", 4.5, math.inf), measurement("b", 4, math.nan, not_finite=2)).to_dict()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    exact, broken = found["formats"][1], found["formats"][0]
    assert (exact["sqnr_db"], exact["max_abs_error"], exact["bits_per_element_exact"]) == (None, 0.0, "9/2")
    assert (broken["sqnr_db"], broken["max_abs_error"], broken["not_finite"]) == (None, None, 2)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (measurement("a", 4, 12.345), "12.35 dB"),
        (measurement("a", 4, math.inf), "exact"),
        (measurement("a", 4, math.nan, not_finite=1234), "1,234 out of range"),
        (measurement("a", 4, math.nan), "-"),
    ],
)
def test_a_cell_says_why_there_is_no_ratio(item: Measurement, text: str) -> None:
    assert comparison_cells(item)[3] == text


def test_texts_of_arithmetic_and_scale() -> None:
    assert arithmetic_text({"kind": "float", "signed": True, "significand_bits": 4, "exponent_bits": 4}) == "e4m3"
    assert arithmetic_text({"kind": "integer", "signed": False, "integer_bits": 8}) == "uint8"
    assert arithmetic_text({"kind": "power-of-two", "signed": True, "exponent_bits": 3}) == "2^(3 bit)"
    lookup = {"kind": "lookup", "signed": True, "lookup_entries": 16, "significand_bits": 11, "exponent_bits": 5}
    assert arithmetic_text(lookup) == "lookup 16 → e5m10"
    assert arithmetic_text({"kind": "lookup", "signed": True, "lookup_entries": 16}) == "lookup 16"
    assert scale_text({"granularity": "none"}) == "-"
    assert scale_text({"granularity": "token", "group_size": 0, "kind": "fp16", "zero_point_bits": 0}) == (
        "fp16 per token"
    )


def test_the_table_is_a_frame() -> None:
    table = archsim.compare_formats(["int4", "int8"], "gaussian", elements=1024).table
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == list(COLUMNS)
    assert table["bits_per_element"].tolist() == [4.0, 8.0]


def test_the_same_comparison_is_the_same_to_the_bit() -> None:
    first, second = (archsim.compare_formats(["int4:g128", "bf16"], elements=3000, seed=5) for _ in range(2))
    assert first == second
    assert first.seed == 5


def test_what_else_is_compared_does_not_matter() -> None:
    alone = archsim.compare_formats("int4", "laplace", elements=3000)
    among = archsim.compare_formats(["int8", "int4"], ["gaussian", "laplace"], elements=3000)
    assert [item.error for item in alone] == [item.error for item in among.of("laplace") if item.format == "int4"]


@pytest.mark.parametrize(
    "data",
    [np.ones((2, 3), np.float32), [[1, 1, 1], [1, 1, 1]], {"data": [[1.0] * 3] * 2}, np.asfortranarray([[1] * 3] * 2)],
)
def test_arrays_in_any_dress(data: object) -> None:
    found = archsim.compare_formats(["fp16"], data)  # type: ignore[arg-type]
    assert found.data == (Data(name="data", about="given as an array", shape=(2, 3)),)
    assert (found.seed, found.measurements[0].error.sqnr_db) == (None, math.inf)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "names no tensor"),
        ({}, "holds no tensor"),
        ([[1.0], [1.0, 2.0]], "is not an array"),
        (np.array([1.0, np.nan]), "data: holds 1 elements that are NaN"),
        (np.array(["a", "b"]), "not real numbers"),
        (["gausian", "laplac"], r"(?s)unknown data 'gausian'.*unknown data 'laplac'"),
    ],
)
def test_what_is_no_data(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        archsim.compare_formats("int4", data)  # type: ignore[arg-type]


def test_every_unknown_format_is_reported() -> None:
    with pytest.raises(InputError) as caught:
        archsim.compare_formats(["int99", "int4", "fp9_e9m9"], "gaussian")
    assert [problem.message.split("'")[1] for problem in caught.value.problems][::2][:1] == ["int99"]
    assert len(caught.value.problems) >= 2


def test_bits_count_short_groups_and_row_scales() -> None:
    found = archsim.compare_formats(["int8:channel", "int4:g128"], np.ones((3, 130)))
    assert {item.format: item.bits_per_element for item in found} == {
        "int8:channel": 8 + Fraction(16, 130),
        "int4:g128": 4 + Fraction(2 * 16, 130),
    }


def png(found: FormatComparison) -> bytes:
    buffer = io.BytesIO()
    write_png(found.plot(), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "found",
    [
        comparison(measurement("a", 4, 12.0)),
        comparison(measurement("a", 4, math.inf)),
        comparison(measurement("a", 4, math.nan, not_finite=1)),
        comparison(measurement("$\\frac{$ \u4e2d <&>", 1, -3.0)),
        comparison(*(measurement(f"format-{index}", 4, float(index)) for index in range(50))),
        comparison(*(measurement(f"f{index}", index + 1, 6.0 * index, data=f"d{index % 5}") for index in range(30))),
    ],
)
def test_every_comparison_can_be_drawn(found: FormatComparison) -> None:
    assert png(found) == png(found)
    assert png(found).startswith(PNG)


def test_with_few_formats_all_are_named_with_many_the_front() -> None:
    few = comparison(*(measurement(f"f{index}", 2 + index, 40.0 - index) for index in range(5)))
    many = comparison(*(measurement(f"f{index}", 2 + index, 40.0 - index) for index in range(NAMED_FORMATS + 1)))
    assert len(few.plot().axes[0].texts) == 5
    assert [text.get_text() for text in many.plot().axes[0].texts] == ["f0"]


def test_names_in_a_plot_do_not_lie_on_each_other() -> None:
    found = comparison(*(measurement(f"int{index}:g128", 4 + index / 50, 20.0 + index / 5) for index in range(8)))
    chart = found.plot()
    chart.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in chart.axes[0].texts]  # without their lines
    assert len(boxes) == 8
    assert not any(a.overlaps(b) for index, a in enumerate(boxes) for b in boxes[:index])


def test_a_notebook_gets_escaped_rows() -> None:
    text = comparison(measurement("<b>", 4, 12.0))._repr_html_()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text


def test_a_saved_comparison_holds_the_documented_files(tmp_path: Path) -> None:
    found = comparison(measurement("a", 4, 12.0), measurement("b", 4, math.nan, not_finite=1))
    folder = found.save(tmp_path / "run")
    assert sorted(path.name for path in folder.iterdir()) == [
        "format-comparison.json", "formats.csv", "formats.parquet", "sqnr.png",
    ]  # fmt: skip
    assert json.loads((folder / "format-comparison.json").read_text("utf-8")) == found.to_dict()
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "formats.parquet").astype(found.table.dtypes), found.table)
