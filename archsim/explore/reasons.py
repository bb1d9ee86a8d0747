"""Why a point failed, in words that many points share."""

from __future__ import annotations

from archsim.core.errors import ArchsimError, InputError


def reason_of(error: ArchsimError) -> str:
    """An error in one line without places: every point of a sweep has the same."""
    if isinstance(error, InputError):
        return "; ".join(": ".join(filter(None, (problem.key, problem.message))) for problem in error.problems)
    return "; ".join(str(error).splitlines())
