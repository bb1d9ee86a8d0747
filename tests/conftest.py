"""What all tests share: Hypothesis runs without deadlines, since the first call of a kernel compiles it."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("archsim", deadline=None)
settings.load_profile("archsim")


@pytest.fixture(autouse=True)
def _no_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables take the width they have in a pipe, also where a test runner's worker sets COLUMNS."""
    monkeypatch.delenv("COLUMNS", raising=False)
