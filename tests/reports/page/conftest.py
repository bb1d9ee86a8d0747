"""A real browser for the tests of the page: the system's Chromium, headless; without one they are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archsim.reports.page.document import page_html
from archsim.reports.page.record import SweepPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass
class Opened:
    """A page in the browser, with all that it said and asked for."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Wait until what was asked for is drawn: figures follow with the next frame."""
        frame = "requestAnimationFrame"
        self.page.evaluate(f"() => new Promise((done) => {frame}(() => {frame}(() => {frame}(done))))")

    def drawing(self, figure: str) -> str:
        """All texts of a figure."""
        return self.page.text_content(f"#figure-{figure} .plot svg") or ""

    def number_of_points(self) -> str:
        return self.page.inner_text(".tablehost .count")

    def to_page(self, x: float, y: float) -> tuple[float, float]:
        """A place of the plot, as fractions of its width and height, in pixels of the window."""
        box = self.page.locator("#figure-pareto .plot").bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def ring(self) -> tuple[float, float]:
        """Where the ring about the hovered point stands, in pixels of the window."""
        box = self.page.locator("#figure-pareto .plot").bounding_box()
        mark = self.page.locator("#figure-pareto circle.hovered")
        assert box is not None
        return box["x"] + float(mark.get_attribute("cx") or 0), box["y"] + float(mark.get_attribute("cy") or 0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Writes a page to a file and opens it as a user would, without a network."""
    contexts = []

    def opened(record: SweepPage, **settings: object) -> Opened:
        path = tmp_path / f"report-{len(contexts)}.html"
        path.write_text(page_html(record), encoding="utf-8")
        context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True, **settings)  # type: ignore[arg-type]
        contexts.append(context)
        found = Opened(page=context.new_page(), address=path.as_uri())
        found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(found.address)
        found.page.wait_for_selector("html[data-ready]", timeout=60_000)
        return found

    yield opened
    for context in contexts:
        context.close()
