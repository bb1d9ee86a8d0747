"""What all tests share: how Hypothesis runs.

No deadlines, since the first call of a kernel compiles it. In CI the same examples every time: a change is judged
by what it changed. Every run by hand seeks new ones.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("archsim", deadline=None)
settings.register_profile("archsim-ci", deadline=None, derandomize=True)
settings.load_profile("archsim-ci" if os.environ.get("CI") else "archsim")
