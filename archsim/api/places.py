"""Where each value of a merged design comes from, so that a problem names the file and line it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from archsim.core.errors import InputError, Problem
from archsim.core.options import key_text
from archsim.core.toml import KeyPath, TomlDocument

COMMAND_LINE = TomlDocument(name="--set", values={})
PYTHON = TomlDocument(name="", values={})


@dataclass(frozen=True, slots=True)
class Origin:
    """A document and a path in it."""

    document: TomlDocument
    path: KeyPath

    def below(self, *keys: str | int) -> Origin:
        return Origin(self.document, (*self.path, *keys))

    def placed(self, problem: Problem) -> Problem:
        """The problem with this file and line, where it has none."""
        if problem.file is not None:
            return problem
        return replace(problem, file=self.document.name or None, line=self.document.line(self.path))


@dataclass(slots=True, kw_only=True)
class Merged:
    """A design under construction: plain values, and the origin of each subtree that was not in the file itself."""

    values: dict[str, Any]
    origins: dict[KeyPath, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    layers: list[TomlDocument] = field(default_factory=list)
    """Documents of the hardware, the last base first and the design last; what is set over them is in none."""
    files: dict[str, str] = field(default_factory=dict)
    """Where the files lie that values name."""

    def origin(self, path: KeyPath) -> Origin:
        """Where the value at `path`, or its nearest enclosing table, is written."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]].below(*path[length:])
        return Origin(PYTHON, path)

    def report(self, path: KeyPath, problem: Problem) -> None:
        """Note a problem at `path`, named as a user writes it; one of another file keeps the place it has."""
        if problem.file is not None:
            self.problems.append(problem)
            return
        named = replace(problem, key=key_text(path, self.values) or None)
        self.problems.append(self.origin(path).placed(named))

    def reject(self) -> None:
        """Raise all problems noted, in the order of the files' lines."""
        if self.problems:
            raise InputError(ordered(self.problems))


def ordered(problems: list[Problem]) -> list[Problem]:
    """Problems by file (as first met) and line, each once."""
    files = list(dict.fromkeys(problem.file for problem in problems))
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (files.index(problem.file), problem.line or 0))


def table(values: object) -> Mapping[str, Any]:
    """A table, or an empty one where something else stands."""
    return values if isinstance(values, Mapping) else {}
