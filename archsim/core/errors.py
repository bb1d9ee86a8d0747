"""Errors that say where, what, what was got, what is allowed, and the nearest remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from archsim.core.spelling import brief

_WORD_KEPT = 80
_LONG_WORD = re.compile(r"\S{240,}")
"""Longer than paths and keys that make sense."""


LISTED = 40
"""Known names a hint lists at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input: its place, what it is, and a remedy."""

    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        key = _cut(self.key) if self.key else None
        text = ": ".join(part for part in (place, key, _cut(self.message)) if part)
        return f"{text}\nhint: {_cut(self.hint)}" if self.hint else text


def _cut(text: str) -> str:
    """Text whose overlong words, quoted from an input, end after their first characters."""
    return _LONG_WORD.sub(lambda match: f"{match[0][:_WORD_KEPT]}...", text)


class ArchsimError(Exception):
    """The run failed, or the answer is no (exit code 1)."""

    exit_code = 1


class InputError(ArchsimError):
    """The input was wrong (exit code 2); carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InfeasibleError(ArchsimError):
    """No legal answer exists: the message names both sides of the constraint that cannot be met."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when nothing resembles it.

    >>> nearest("lama-2-7b", ["llama-2-7b", "opt-1.3b"])
    'llama-2-7b'
    """
    matches = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str], **place: str | int | None) -> Problem:
    """The problem "unknown <kind>" with the nearest known name, or the list of all, as its hint."""
    names = sorted(known)
    near = nearest(name, names)
    shown = names if len(names) <= LISTED else [*names[:LISTED], f"and {len(names) - LISTED} more"]
    hint = f"did you mean {near!r}?" if near else f"known: {', '.join(shown)}"
    return Problem(
        message=f"unknown {kind} {brief(name)!r}",
        hint=hint,
        file=_text(place.get("file")),
        line=place["line"] if isinstance(place.get("line"), int) else None,  # type: ignore[arg-type]
        key=_text(place.get("key")),
    )


def _text(value: str | int | None) -> str | None:
    return None if value is None else str(value)
