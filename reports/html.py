"""An evaluation as a fragment of HTML, for notebooks. Every name is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from archsim.reports import tables
from archsim.reports.values import printable

if TYPE_CHECKING:
    from archsim.reports.evaluation import Evaluation


def evaluation_html(evaluation: Evaluation) -> str:
    """Summary, layers, warnings and estimates; the layer table is cut as the terminal's is."""
    cost = evaluation.cost
    parts = [
        f"<h3>{_text(evaluation.design_name)}</h3>",
        _table((), tables.summary_lines(evaluation)),
        _table([name for name, _ in tables.LAYER_HEADER], tables.layer_cells(evaluation)),
        _paragraph(tables.layer_note(evaluation, complete="<evaluation>.layers")),
        _listing("Warnings", cost.warnings),
        _listing("Estimates these figures rest on", cost.estimates),
    ]
    return f'<div class="archsim-evaluation">{"".join(parts)}</div>'


def _text(value: str) -> str:
    return escape(printable(value))


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = f"<thead>{_row(heading, 'th')}</thead>" if heading else ""
    return f"<table>{head}<tbody>{''.join(_row(row, 'td') for row in rows)}</tbody></table>"


def _row(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def _paragraph(text: str | None) -> str:
    return f"<p>{_text(text)}</p>" if text else ""


def _listing(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<details><summary>{_text(title)} ({len(lines)})</summary><ul>{items}</ul></details>"
