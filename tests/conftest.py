"""What all tests share: Hypothesis runs without deadlines, since the first call of a kernel compiles it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("archsim", deadline=None)
settings.load_profile("archsim")
