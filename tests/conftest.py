"""What all tests share: how Hypothesis runs, and a terminal without a width.

Hypothesis has no deadlines, since the first call of a kernel compiles it. In CI it tries the same examples every time,
so that a change is judged by what it changed; every run by hand seeks new ones.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("archsim", deadline=None)
settings.register_profile("archsim-ci", deadline=None, derandomize=True)
settings.load_profile("archsim-ci" if os.environ.get("CI") else "archsim")

os.environ.pop("COLUMNS", None)  # pytest-xdist states its terminal's; tables would fold to it
