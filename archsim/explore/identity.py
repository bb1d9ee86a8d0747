"""What identifies a point: everything that determines its row, as one text."""

from __future__ import annotations

import json
from typing import Any


def canonical(value: Any) -> str:
    """Plain values as JSON that is the same for equal values: keys sorted, no spaces.

    >>> canonical({"b": 1, "a": [True, "x"]})
    '{"a":[true,"x"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
