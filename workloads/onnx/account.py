"""What became of every node of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

LISTED_WARNINGS = 40
"""Nodes that are warned of one by one at most."""


class Fate(StrEnum):
    """How a node counts."""

    IMPORTED = "imported"
    """It is an op, several, or part of one."""
    FREE = "free"
    """It changes a layout or a name, or has no elements."""
    FOLDED = "folded"
    """It is the same for every input, or joins the weights of the product before it."""
    FORMAT = "format"
    """It says how a tensor is stored."""
    SKIPPED = "not taken"
    """It lies in a branch that is not taken."""
    LISTED = "listed"
    """It is not imported; its reason is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One node: its name, operator and fate, the ops it became, and the reason where it was listed."""

    node: str
    operator: str
    fate: Fate
    ops: tuple[str, ...] = ()
    why: str = ""
    inside: bool = False
    """Whether a control-flow node around it is listed, which tells the reason."""


def fates(accounts: Iterable[Account]) -> dict[Fate, int]:
    """How many nodes met each fate, without those that none met."""
    counts = Counter(account.fate for account in accounts)
    return {fate: counts[fate] for fate in Fate if counts[fate]}


def account_text(accounts: Sequence[Account]) -> str:
    """All nodes in a line.

    >>> account_text([Account(node="a", operator="Relu", fate=Fate.IMPORTED)])
    '1 nodes: 1 imported'
    """
    counts = ", ".join(f"{count} {fate}" for fate, count in fates(accounts).items())
    return f"{len(accounts)} nodes: {counts}"


def listed_warnings(accounts: Iterable[Account]) -> tuple[str, ...]:
    """A warning for each node that is not imported, the first forty in full; those inside another with it."""
    listed = [account for account in accounts if account.fate is Fate.LISTED and not account.inside]
    shown = [f"{entry.node} ({entry.operator}) is not imported: {entry.why}" for entry in listed[:LISTED_WARNINGS]]
    if len(listed) > LISTED_WARNINGS:
        more = Counter(entry.operator for entry in listed[LISTED_WARNINGS:])
        kinds = ", ".join(f"{count} {operator}" for operator, count in more.most_common(5))
        shown.append(f"{len(listed) - LISTED_WARNINGS} more nodes are not imported: {kinds}")
    return tuple(shown)
