"""The page as text: what is in it, that it is safe, and that the record survives the packing to the bit."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.reports.page import document
from archsim.reports.page.document import page_html
from archsim.reports.page.encode import encoded
from archsim.reports.page.quantities import Quantity, axis_labels, total
from archsim.reports.page.record import Column, SweepPage
from tests.reports.page.samples import BREAKING, HOSTILE, sweep_page

ARRAYS = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "f64": np.float64}


def unpacked(text: str) -> tuple[dict, bytes]:
    block = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(block[:4], "little")
    return json.loads(block[4 : 4 + length]), block[4 + length :]


def array(place: dict, data: bytes) -> npt.NDArray:
    kind = np.dtype(ARRAYS[place["type"]])
    raw = np.frombuffer(data, np.uint8, kind.itemsize * place["length"], place["offset"])
    return np.ascontiguousarray(raw.reshape(kind.itemsize, -1).T).view(kind).reshape(-1)


def values(column: dict, points: int, data: bytes) -> npt.NDArray:
    stored = column["values"]
    if "array" in stored:
        return array(stored["array"], data)
    if "codes" in stored:
        return array(stored["distinct"], data)[array(stored["codes"], data)]
    return np.full(points, np.nan if stored["constant"] is None else stored["constant"])


def one_column(numbers: list[float]) -> SweepPage:
    column = Column(key="x_s", quantity=total("x_s"), role="total", values=np.array(numbers, np.float64))
    size = len(numbers)
    index = np.arange(size)
    return SweepPage(
        title="t", columns=(column,), index=index, reason=np.zeros(size, int), feasible=np.ones(size, bool)
    )


class TestPacking:
    @settings(max_examples=40)
    @given(st.lists(st.one_of(st.floats(allow_infinity=False), st.sampled_from([0.0, 1.0, float("nan")])), max_size=60))
    def test_columns_survive_to_the_bit(self, numbers: list[float]) -> None:
        head, data = unpacked(encoded(one_column(numbers)))
        found = values(head["columns"][0], len(numbers), data)
        np.testing.assert_array_equal(found, np.array(numbers))

    def test_a_whole_page_survives(self) -> None:
        page = sweep_page(300)
        head, data = unpacked(encoded(page))
        for column, stored in zip(page.columns, head["columns"], strict=True):
            np.testing.assert_array_equal(values(stored, page.points, data), column.values)
        np.testing.assert_array_equal(array(head["index"], data), page.index)
        np.testing.assert_array_equal(array(head["fronts"][0]["rows"], data), page.fronts[0].rows)

    def test_axes_take_a_byte_a_point(self) -> None:
        small, large = (len(encoded(one_column([float(i % 7) for i in range(size)]))) for size in (1000, 11000))
        assert (large - small) / 10000 < 0.2

    def test_the_same_record_gives_the_same_text(self) -> None:
        assert encoded(sweep_page(50)) == encoded(sweep_page(50))

    def test_lengths_that_differ_are_refused(self) -> None:
        with pytest.raises(ValueError, match="300 points, but 299 of feasible"):
            replace(sweep_page(300), feasible=np.ones(299, bool))

    def test_an_index_without_its_category_is_refused(self) -> None:
        with pytest.raises(ValueError, match="2 categories"):
            Column(key="a", quantity=total("a"), role="axis", values=np.array([0.0, 2.0]), categories=("x", "y"))


@pytest.fixture(scope="module")
def text() -> str:
    return page_html(sweep_page(60))


class TestSafety:
    def test_nothing_of_the_record_is_markup(self, text: str) -> None:
        assert HOSTILE not in text
        assert BREAKING not in text
        assert "\u2028" not in text
        assert text.count("<script") == 2
        assert text.count("</script>") == 2

    def test_no_attribute_is_a_script(self, text: str) -> None:
        body = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert not re.search(r"\son\w+\s*=|javascript:|style\s*=", body)

    def test_the_policy_knows_script_and_style_by_their_hashes(self, text: str) -> None:
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
        assert policy is not None
        assert "default-src 'none'" in policy[1]
        assert "unsafe" not in policy[1]
        for kind, tag in (("script", "<script>"), ("style", "<style>")):
            inside = text.split(tag)[1].split(f"</{kind}>")[0]
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert f"{kind}-src 'sha256-{digest}'" in policy[1]

    def test_nothing_is_loaded_from_elsewhere(self, text: str) -> None:
        named = set(re.findall(r"https?://[\w./-]+", text))
        assert named == {"http://www.w3.org/2000/svg"}

    def test_a_page_without_points_is_small(self) -> None:
        assert len(page_html(SweepPage(title="nothing"))) < 150_000

    def test_control_characters_of_a_title_are_spelled(self) -> None:
        assert "a\\x1b[2Jb\\u2028" in page_html(SweepPage(title="a\x1b[2Jb\u2028"))

    def test_every_script_is_in_the_page(self) -> None:
        folder = document.resources.files("archsim.reports.page").joinpath("scripts")
        assert sorted(path.name for path in folder.iterdir()) == sorted(document.SCRIPTS)


class TestWords:
    def test_labels_are_as_long_as_they_must_be(self) -> None:
        keys = ("hardware.memory.glb.capacity", "hardware.memory.wbuf.capacity", "quantization.weights", "a.weights")
        assert list(axis_labels(keys).values()) == [
            "glb capacity",
            "wbuf capacity",
            "quantization weights",
            "a weights",
        ]

    @pytest.mark.parametrize(
        ("key", "quantity"),
        [
            ("latency_s", Quantity(label="latency", unit="s", style="si")),
            ("area_mm2.glb", Quantity(label="area: glb", unit="mm²")),
            ("prefill.energy_j", Quantity(label="energy: prefill", unit="J", style="si")),
            ("load_time_s", Quantity(label="load time", unit="s", style="si")),
            ("goodput", Quantity(label="goodput")),
        ],
    )
    def test_totals_are_named_with_their_units(self, key: str, quantity: Quantity) -> None:
        assert total(key) == quantity
