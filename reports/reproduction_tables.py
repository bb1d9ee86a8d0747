"""Claims as terminal tables and as the scoreboard page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.reports.reproduction import ClaimResult, Reproduction, by_field, counts
from archsim.reports.tables import plain_table
from archsim.reports.values import MISSING

if TYPE_CHECKING:
    from rich.console import RenderableType

DETAILED = 5
"""Up to so many claims are shown with their sources and assumptions."""

_BOUNDS = {"=": "", "range": "", "<=": "up to ", ">=": "at least ", "<": "below ", ">": "above ", "~": "about "}
_COLUMNS = (
    ("claim", "left"),
    ("system", "left"),
    ("metric", "text"),
    ("published", "right"),
    ("simulated", "right"),
    ("error", "right"),
    ("status", "left"),
    ("of which", "text"),
)
_ABSENT_COLUMNS = (
    ("claim", "left"),
    ("system", "left"),
    ("metric", "text"),
    ("published", "right"),
    ("why", "text"),
)
_HEAD = """# Scoreboard

Made by `make scoreboard`; do not edit. What each column means, and how a claim is recomputed:
[reproduce.md](reproduce.md).
"""


def reproduction_tables(reproduction: Reproduction) -> list[RenderableType]:
    """What `archsim reproduce` prints: the claims, then their details when they are few, else a summary by field."""
    claims = reproduction.claims
    tables = []
    if modelled := [claim for claim in claims if claim.parts]:
        tables.append(plain_table("Recomputed", _COLUMNS, [_row(claim) for claim in modelled]))
    if absent := [claim for claim in claims if not claim.parts]:
        tables.append(plain_table("Not modelled yet", _ABSENT_COLUMNS, [_absent_row(claim) for claim in absent]))
    if len(claims) <= DETAILED:
        return tables + [_details(claim) for claim in claims]
    return [*tables, plain_table("Summary", _summary_columns(), _summary(claims))]


def scoreboard(reproduction: Reproduction) -> str:
    """The claims as a Markdown page: a summary by field, what is recomputed, and what is not yet."""
    claims = reproduction.claims
    modelled = [claim for claim in claims if claim.parts]
    page = _HEAD + "\n" + _markdown(_summary_columns(), _summary(claims))
    page += "\n## Recomputed\n\n" + _markdown(_COLUMNS, [_row(claim) for claim in modelled])
    page += "\n## What the recomputed claims assume\n\n"
    page += "".join(_assumed(claim) for claim in modelled if claim.assumptions)
    for field, members in by_field([claim for claim in claims if not claim.parts]).items():
        page += f"\n## Not modelled yet: {field}\n\n"
        page += _markdown(_ABSENT_COLUMNS, [_absent_row(claim) for claim in members])
    return page


def _numbers(claim: ClaimResult) -> tuple[str, str, str]:
    """Texts of the published number, the simulated one and the error."""
    worst = claim.worst
    if worst is None:
        return _published(claim), MISSING, MISSING
    return _published(claim), f"{worst.simulated:.4g}", f"{100 * worst.error:+.1f} %"


def _published(claim: ClaimResult) -> str:
    value = claim.value if isinstance(claim.value, str) else f"{claim.value:g}"
    return f"{_BOUNDS[claim.relation]}{value} {claim.unit}".strip()


def _details(claim: ClaimResult) -> RenderableType:
    rows = [
        ("technique", f"{claim.family} ({claim.field})"),
        ("compared with", claim.baseline),
        ("platform", claim.platform),
        ("condition", claim.condition),
        ("source", f"{claim.source} ({claim.kind})"),
        *(("assumes", assumption) for assumption in claim.assumptions),
    ]
    return plain_table(claim.id, [("", "left"), ("", "text")], [row for row in rows if row[1]])


def _summary_columns() -> tuple[tuple[str, str], ...]:
    numbers = ("claims", "reproduced", "off", "not modelled")
    return (("field", "left"), *((name, "right") for name in numbers))


def _summary(claims: Sequence[ClaimResult]) -> list[tuple[str, ...]]:
    groups = [*by_field(claims).items(), ("all", list(claims))]
    return [
        (name, str(len(members)), *(str(number) for number in counts(members).values())) for name, members in groups
    ]


def _row(claim: ClaimResult) -> tuple[str, ...]:
    return (claim.id, claim.system, claim.metric, *_numbers(claim), claim.status, claim.why)


def _absent_row(claim: ClaimResult) -> tuple[str, ...]:
    return (claim.id, claim.system, claim.metric, _published(claim), claim.missing)


def _assumed(claim: ClaimResult) -> str:
    lines = "".join(f"  - {_escaped(assumption)}\n" for assumption in claim.assumptions)
    return f"- {_escaped(claim.id)} ({_escaped(claim.source)})\n{lines}"


def _markdown(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars and angle brackets in cells are escaped."""
    head = " | ".join(name for name, _ in columns)
    rule = "|".join("---:" if kind == "right" else "---" for _, kind in columns)
    body = "".join("| " + " | ".join(_escaped(cell) for cell in row) + " |\n" for row in rows)
    return f"| {head} |\n|{rule}|\n{body}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
