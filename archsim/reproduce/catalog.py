"""The claims that ship: one TOML file each, named by the claim's id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.core.errors import InputError, Problem, unknown_name

if TYPE_CHECKING:
    from archsim.reproduce.options import ClaimOptions

FOLDER = Path(__file__).with_name("claims")


def claim_ids(folder: Path = FOLDER) -> tuple[str, ...]:
    """Ids of the claims in a folder, sorted. Reads no file."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def read_claim(name: str, folder: Path = FOLDER) -> ClaimOptions:
    """The claim `name`. Raises InputError for a file that is not one."""
    from pydantic import ValidationError

    from archsim.core.options import validation_problems
    from archsim.core.toml import read_toml
    from archsim.reproduce.options import ClaimOptions

    path = folder / f"{name}.toml"
    document = read_toml(path, name=path.name)
    try:
        return ClaimOptions.model_validate(document.values)
    except ValidationError as error:
        found = validation_problems(error, ClaimOptions, document.values)
        raise InputError(_placed(problem, document.name, document.line(place)) for place, problem in found) from None


@cache
def shipped_claims() -> dict[str, ClaimOptions]:
    """All claims that ship, by id, those of one field together."""
    claims = {name: read_claim(name) for name in claim_ids()}
    return dict(sorted(claims.items(), key=lambda item: (item[1].field, item[1].system.lower(), item[0])))


def chosen_claims(ids: Iterable[str], system: str | None) -> dict[str, ClaimOptions]:
    """The claims with these ids (all without any) that are about `system`, whatever its case.

    Raises InputError, with the nearest name, for every id and system that is not known, and for claims about others.
    """
    claims = shipped_claims()
    asked = list(dict.fromkeys(ids))
    problems = [unknown_name("claim", name, claims) for name in asked if name not in claims]
    systems = {claim.system.lower(): claim.system for claim in claims.values()}
    if system is not None and system.lower() not in systems:
        problems.append(unknown_name("system", system, systems.values(), key="--system"))
    if problems:
        raise InputError(problems)
    if system is not None:
        claims = {name: claim for name, claim in claims.items() if claim.system.lower() == system.lower()}
        others = [name for name in asked if name not in claims]
        if others:
            raise InputError(Problem(key="--system", message=f"{', '.join(others)}: not about {system}"))
    return {name: claims[name] for name in asked} if asked else claims


def _placed(problem: Problem, file: str, line: int | None) -> Problem:
    return replace(problem, file=file, line=line)
