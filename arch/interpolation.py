"""Interpolation between positive table points, linear in the logarithms of both axes.

Between two points the result lies between their values: it never overshoots.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence


def log_log(x: float, xs: Sequence[float], ys: Sequence[float], slope: float | None = None) -> float:
    """y at `x` on the polyline through (xs, ys) in log-log axes; `xs` ascending, all values above 0.

    Outside the table the line goes on with `slope` (the exponent of a power law), or with that of its last segment.
    At a table's point its value is returned unchanged.
    """
    position = bisect_right(xs, x) - 1
    if position >= 0 and xs[position] == x:
        return ys[position]
    inside = 0 <= position < len(xs) - 1
    first = min(max(position, 0), max(len(xs) - 2, 0))
    if slope is None or inside:
        slope = math.log(ys[first + 1] / ys[first]) / math.log(xs[first + 1] / xs[first])
    anchor = first if position <= first else len(xs) - 1
    return ys[anchor] * math.pow(x / xs[anchor], slope)


def is_outside(x: float, xs: Sequence[float]) -> bool:
    """Whether `x` lies outside the table's range."""
    return not xs[0] <= x <= xs[-1]
