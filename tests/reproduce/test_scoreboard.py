"""The scoreboard page is what the claims give today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archsim.reports.reproduction import Reproduction
from archsim.reports.reproduction_tables import scoreboard
from archsim.reproduce import reproduce

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scoreboard.md"


def test_the_page_is_current() -> None:
    """After a change of a claim or of what recomputes it: make scoreboard."""
    assert PAGE.read_text(encoding="utf-8") == scoreboard(reproduce())


def test_the_page_names_every_claim() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [claim.id for claim in reproduce().claims if f"| {claim.id} |" not in page] == []


def test_text_cannot_break_the_table() -> None:
    (claim,) = reproduce(["onebit-adam"]).claims
    page = scoreboard(Reproduction(claims=(replace(claim, system="a|b <script> *c*"),)))
    assert "| a\\|b &lt;script> \\*c\\* |" in page
