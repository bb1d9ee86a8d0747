"""Ticks of axes that show totals: few enough to be read, with the unit beside each."""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from archsim.reports.quantity_text import quantity_text

FEW = 20
"""Largest over smallest value of a logarithmic axis up to which a decade gets three labels."""
MOST = 6


def label_ticks(axis: Axis, name: str, *, log: bool) -> None:
    """Label an axis, whose limits and scale are set, with values of the total `name`."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(name, value)))
    if not log:
        axis.set_major_locator(MaxNLocator(nbins=MOST - 1, steps=[1, 2, 2.5, 5, 10]))
        return
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if low > 0 and high < FEW * low else (1.0,), numticks=MOST))
    axis.set_minor_formatter(NullFormatter())


def tick_text(name: str, value: float) -> str:
    """A value beside a tick: no more digits than it has.

    >>> tick_text("latency_s", 0.005), tick_text("area_mm2", 1.5), tick_text("energy_j", 0.0)
    ('5 ms', '1.5 mm²', '0 J')
    """
    number, space, unit = quantity_text(name, value).partition(" ")
    if "." in number and "e" not in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number}{space}{unit}"
