"""The page as a user has it: opened from a file in headless Chromium, with mouse and keyboard."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from archsim.reports.page.detail import design_detail
from archsim.reports.page.record import Column, Evidence, SweepPage, Table
from tests.reports import samples
from tests.reports.page.conftest import Opened
from tests.reports.page.samples import BREAKING, FORMATS, HOSTILE, sweep_page

Open = Callable[..., Opened]
PLOT = "#figure-pareto .plot"


@pytest.fixture(scope="module")
def record() -> SweepPage:
    return sweep_page()


@pytest.fixture
def opened(open_page: Open, record: SweepPage) -> Opened:
    return open_page(record)


def column(record: SweepPage, key: str) -> Column:
    return next(found for found in record.columns if found.key == key)


def finite(record: SweepPage) -> np.ndarray:
    return np.flatnonzero(record.reason == 0)


class TestOpening:
    def test_every_section_is_there_and_nothing_is_complained_about(self, opened: Opened) -> None:
        titles = opened.page.locator("h2").all_inner_texts()
        assert titles == [
            "Design space",
            "Parallel coordinates",
            "Along the front",
            "Inside a design",
            "All points",
            "Failed points",
            "What the numbers rest on",
        ]
        assert opened.complaints == []

    def test_the_only_request_is_for_the_file_itself(self, opened: Opened) -> None:
        opened.settle()
        assert opened.requests == [opened.address]

    def test_the_policy_refuses_what_a_script_would_fetch(self, opened: Opened) -> None:
        code = "fetch('data:text/plain,x').then(() => 'fetched', () => 'refused')"
        assert opened.page.evaluate(code) == "refused"

    def test_a_name_with_markup_stays_text(self, opened: Opened) -> None:
        assert opened.page.inner_text("h1") == f"sweep of {HOSTILE}"
        assert opened.page.title() == f"sweep of {HOSTILE} · archsim"
        assert opened.page.locator("img").count() == 0
        assert opened.page.locator("script").count() == 1
        assert BREAKING.split("\u2028")[0] in opened.page.inner_text("#failed")
        assert HOSTILE in opened.page.inner_text("#evidence")
        assert [text for text in opened.complaints if text.startswith("dialog")] == []

    def test_points_are_painted(self, opened: Opened) -> None:
        code = """() => {
            const canvas = document.querySelector("#figure-pareto canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const colours = new Set();
            for (let i = 0; i < data.length; i += 4) colours.add(data[i] * 65536 + data[i + 1] * 256 + data[i + 2]);
            return colours.size;
        }"""
        assert opened.page.evaluate(code) > 50

    def test_dark_readers_get_a_dark_page(self, open_page: Open, record: SweepPage) -> None:
        dark = open_page(record, color_scheme="dark")
        assert dark.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 29)"
        dark.page.click("button.theme")
        assert dark.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert dark.complaints == []

    def test_an_empty_sweep_says_so(self, open_page: Open) -> None:
        empty = open_page(sweep_page(0))
        assert "the sweep has no points yet" in empty.page.inner_text(PLOT)
        assert empty.complaints == []

    @pytest.mark.parametrize("points", [1, 2])
    def test_a_sweep_of_almost_nothing_is_shown(self, open_page: Open, points: int) -> None:
        small = open_page(sweep_page(points))
        assert small.number_of_points().startswith(f"{points} of {points}")
        assert small.complaints == []

    def test_one_evaluation_has_its_layers_roofline_and_timeline(self, open_page: Open) -> None:
        detail = design_detail(samples.small(), name=HOSTILE)
        single = open_page(SweepPage(title=HOSTILE, designs=(detail,), evidence=Evidence(estimates=detail.estimates)))
        assert single.page.locator("h3").all_inner_texts()[:6] == [
            "Time by layer",
            "Energy by layer",
            "Roofline",
            "Timeline",
            "Energy by component",
            "Area by component",
        ]
        assert "lm_head" in single.page.inner_text("#figure-layers-time")
        assert "512 Gop/s" in single.page.inner_text("#figure-roofline")
        assert single.complaints == []

    def test_tables_of_a_comparison_are_shown(self, open_page: Open) -> None:
        table = Table(
            title="Totals", note="b over a", head=("", "a", "b"), rows=(("latency", "1 ms", HOSTILE),), numeric=(1, 2)
        )
        page = open_page(SweepPage(title="a and b", findings=("b takes 2 times the time of a",), tables=(table,)))
        assert page.page.locator("td").all_inner_texts() == ["latency", "1 ms", HOSTILE]
        assert "b takes 2 times" in page.page.inner_text(".findings")


class TestDesignSpace:
    def hover_front(self, opened: Opened) -> str:
        """Hover the first design of the front by keyboard, then by mouse."""
        opened.page.focus(PLOT)
        opened.page.keyboard.press("ArrowRight")
        x, y = opened.ring()
        opened.page.mouse.move(x + 1, y + 1)
        return opened.page.inner_text(".tip")

    def test_hover_shows_the_design(self, opened: Opened, record: SweepPage) -> None:
        text = self.hover_front(opened)
        latency = column(record, "latency_s").values
        fastest = record.fronts[0].rows[np.argmin(latency[record.fronts[0].rows])]
        assert text.startswith(f"#{fastest}")
        assert f"{latency[fastest] * 1e6:.4g} µs" in text
        assert "on the Pareto front" in text
        assert FORMATS[int(column(record, "quantization.weights").values[fastest])] in text

    def test_click_shows_values_and_layers(self, opened: Opened, record: SweepPage) -> None:
        row = record.designs[1].row
        opened.page.locator(".designhead select").select_option("1")
        assert f"#{row}" in opened.page.inner_text(".card h3")
        # Figures are drawn after the choice: in another frame.
        opened.page.locator("#figure-layers-time", has_text="layers.*.q_proj").wait_for(timeout=10_000)
        opened.page.evaluate("scrollTo(0, 0)")
        self.hover_front(opened)
        opened.page.mouse.down()
        opened.page.mouse.up()
        assert f"#{row}" not in opened.page.inner_text(".card h3")
        assert "--set hardware.array.rows=" in opened.page.inner_text(".card .command")

    def test_objectives_switch(self, opened: Opened) -> None:
        selects = opened.page.locator("#figure-pareto select")
        selects.nth(0).select_option(label="area")
        selects.nth(1).select_option(label="DRAM traffic")
        selects.nth(2).select_option(label="weights")
        opened.settle()
        text = opened.drawing("pareto")
        assert "area" in text
        assert "DRAM traffic" in text
        assert "int4:g128" in text

    def test_axes_become_logarithmic_and_linear(self, opened: Opened) -> None:
        box = opened.page.get_by_label("logarithmic y")
        before = opened.drawing("pareto")
        box.set_checked(not box.is_checked())
        opened.settle()
        assert opened.drawing("pareto") != before
        assert "energy (mJ)" in before

    def test_a_box_filters_table_and_parallel_coordinates(self, opened: Opened, record: SweepPage) -> None:
        canvas = "document.querySelector('#figure-parallel canvas').toDataURL()"
        before = opened.page.evaluate(canvas)
        opened.page.mouse.move(*opened.to_page(0.1, 0.5))
        opened.page.mouse.down()
        opened.page.mouse.move(*opened.to_page(0.4, 0.7), steps=3)
        opened.page.mouse.move(*opened.to_page(0.5, 0.8))
        opened.page.mouse.up()
        opened.settle()
        kept = int(opened.number_of_points().split()[0])
        assert 0 < kept < record.points
        assert opened.page.locator(".chip").count() == 2
        assert opened.page.evaluate(canvas) != before
        opened.page.get_by_role("button", name="Clear all").click()
        assert opened.number_of_points() == "400 of 400 points"

    def test_without_a_mouse_a_design_is_reached_and_selected(self, opened: Opened) -> None:
        opened.page.focus(PLOT)
        opened.page.keyboard.press("ArrowRight")
        opened.page.keyboard.press("ArrowRight")
        assert opened.page.inner_text(".unseen").startswith("#")
        opened.page.keyboard.press("Enter")
        assert opened.page.inner_text(".card h3").startswith("#")

    def test_zoom_by_keyboard_and_back(self, opened: Opened) -> None:
        before = opened.drawing("pareto")
        opened.page.focus(PLOT)
        for _ in range(6):
            opened.page.keyboard.press("+")
        opened.settle()
        assert opened.drawing("pareto") != before
        opened.page.keyboard.press("0")
        opened.settle()
        assert opened.drawing("pareto") == before


class TestParallelCoordinates:
    def test_a_brushed_range_filters_and_is_let_go(self, opened: Opened, record: SweepPage) -> None:
        plot = opened.page.locator("#figure-parallel .plot")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box is not None
        x = box["x"] + 56
        opened.page.mouse.move(x, box["y"] + 40)
        opened.page.mouse.move(x, box["y"] + 52)
        opened.page.mouse.down()
        opened.page.mouse.move(x, box["y"] + 150, steps=4)
        opened.page.mouse.up()
        rows = column(record, "hardware.array.rows").values
        assert opened.number_of_points() == f"{int((rows >= 64).sum())} of 400 points"
        opened.page.mouse.down()
        opened.page.mouse.up()
        assert opened.number_of_points() == "400 of 400 points"

    def test_the_keyboard_moves_the_end_of_a_range(self, opened: Opened) -> None:
        handle = opened.page.get_by_role("slider", name="weights, upper end")
        handle.focus()
        opened.page.keyboard.press("ArrowDown")
        opened.settle()
        opened.page.keyboard.press("ArrowDown")
        opened.settle()
        assert "weights:" in opened.page.inner_text(".chip")
        assert int(opened.number_of_points().split()[0]) < 400


class TestTable:
    def rows(self, opened: Opened) -> list[str]:
        return opened.page.locator(".rows .tr .td:first-child").all_inner_texts()

    def test_only_rows_in_sight_are_in_the_page(self, opened: Opened) -> None:
        assert len(self.rows(opened)) < 40
        opened.page.evaluate("document.querySelector('.grid').scrollTop = 1e6")
        opened.settle()
        assert "399" in self.rows(opened)

    def test_a_click_on_a_heading_sorts_up_then_down(self, opened: Opened, record: SweepPage) -> None:
        latency = column(record, "latency_s").values
        opened.page.locator(".titles button", has_text="latency").click()
        assert self.rows(opened)[0] == str(np.nanargmin(latency))
        opened.page.locator(".titles button", has_text="latency").click()
        assert self.rows(opened)[0] == str(np.nanargmax(latency))

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("array rows", "64", lambda record: column(record, "hardware.array.rows").values == 64),
            ("latency", "<= 2 ms", lambda record: column(record, "latency_s").values <= 2e-3),
            ("energy", "2mJ..5mJ", lambda record: np.abs(column(record, "energy_j").values - 3.5e-3) <= 1.5e-3),
            (
                "glb capacity",
                ">= 512 KiB",
                lambda record: column(record, "hardware.memory.glb.capacity").values >= 2**19,
            ),
            ("weights", "INT4", lambda record: column(record, "quantization.weights").values == 1),
        ],
    )
    def test_columns_filter(self, opened: Opened, record: SweepPage, name: str, text: str, expected: Callable) -> None:
        field = opened.page.get_by_label(f"Filter {name}", exact=True)
        field.fill(text)
        field.press("Enter")
        assert opened.number_of_points() == f"{int(expected(record).sum())} of 400 points"

    def test_nonsense_in_a_filter_is_refused(self, opened: Opened) -> None:
        field = opened.page.get_by_label("Filter latency", exact=True)
        field.fill("soon")
        field.press("Enter")
        assert opened.page.evaluate("document.querySelector('input:invalid') !== null")
        assert opened.number_of_points() == "400 of 400 points"

    def test_csv_holds_the_rows_shown_with_every_column(self, opened: Opened, record: SweepPage) -> None:
        field = opened.page.get_by_label("Filter latency", exact=True)
        field.fill("<= 2 ms")
        field.press("Enter")
        opened.page.locator(".titles button", has_text="latency").click()
        with opened.page.expect_download() as download:
            opened.page.get_by_role("button", name="Save these rows as CSV").click()
        assert download.value.suggested_filename == "sweep-of-script-alert-1-script.csv"
        found = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_bytes().decode(), newline="")))
        latency = column(record, "latency_s").values
        expected = [row for row in np.argsort(latency, kind="stable") if latency[row] <= 2e-3]
        assert [int(row["index"]) for row in found] == expected
        assert [float(row["latency_s"]) for row in found] == latency[expected].tolist()
        codes = column(record, "quantization.weights").values[expected].astype(int)
        assert [row["quantization.weights"] for row in found] == [FORMATS[code] for code in codes]
        assert list(found[0]) == ["index", "status", *(each.key for each in record.columns)]

    def test_the_arrow_keys_walk_the_rows(self, opened: Opened) -> None:
        opened.page.focus(".grid")
        opened.page.keyboard.press("ArrowDown")
        opened.page.keyboard.press("ArrowDown")
        assert opened.page.inner_text(".card h3") == "#1"
        assert opened.page.locator(".rows [aria-selected=true]").count() == 1

    def test_failed_points_are_counted_by_reason_and_shown(self, opened: Opened, record: SweepPage) -> None:
        assert opened.page.locator(".reasons button").all_inner_texts() == ["9 points", "9 points"]
        opened.page.locator(".reasons button").first.click()
        assert opened.number_of_points() == "9 of 400 points"


class TestSaving:
    def save(self, opened: Opened, figure: str, kind: str) -> bytes:
        with opened.page.expect_download() as download:
            opened.page.locator(f"#figure-{figure}").get_by_role("button", name=f"as {kind}").click()
        return Path(download.value.path()).read_bytes()

    @pytest.mark.parametrize("figure", ["pareto", "parallel", "front-energy", "layers-time", "roofline", "timeline"])
    def test_figures_are_saved_as_png(self, opened: Opened, figure: str) -> None:
        content = self.save(opened, figure, "PNG")
        assert content.startswith(b"\x89PNG\r\n")
        assert int.from_bytes(content[16:20], "big") > 1500

    def test_an_svg_is_a_document_by_itself_with_its_texts_escaped(self, opened: Opened) -> None:
        drawing = ElementTree.fromstring(self.save(opened, "parallel", "SVG"))
        texts = [node.text or "" for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
        assert "array rows" in texts
        assert any(text.startswith("<script>") for text in texts)
        assert not list(drawing.iter("{http://www.w3.org/2000/svg}script"))
        assert opened.complaints == []

    def test_points_of_a_small_sweep_are_circles_in_its_svg(self, opened: Opened, record: SweepPage) -> None:
        content = self.save(opened, "pareto", "SVG").decode()
        assert content.count("<circle") >= finite(record).size


class TestMany:
    def test_a_hundred_thousand_points_are_found_under_the_pointer(self, open_page: Open) -> None:
        many = open_page(sweep_page(100_000, designs=2))
        many.page.focus(PLOT)
        many.page.keyboard.press("ArrowRight")
        x, y = many.ring()
        many.page.mouse.move(x, y)
        assert many.page.inner_text(".tip").startswith("#")
        assert many.number_of_points() == "100,000 of 100,000 points"
        assert many.complaints == []
