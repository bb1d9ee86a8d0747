"""Values of totals as text, with the unit that their name says."""

from __future__ import annotations

from archsim.reports.page.quantities import total
from archsim.reports.values import MISSING, binary_bytes, engineering, percent


def quantity_text(name: str, value: float | None, digits: int = 3) -> str:
    """A value of a total for people.

    >>> quantity_text("latency_s", 0.0012), quantity_text("area_mm2", 1.5), quantity_text("utilization", 0.5)
    ('1.20 ms', '1.5 mm²', '50.0 %')
    """
    if value is None:
        return MISSING
    quantity = total(name)
    match quantity.style:
        case "si":
            return engineering(value, quantity.unit, digits)
        case "bytes":
            return binary_bytes(value)
        case "percent":
            return percent(value)
        case _:
            return f"{value:.{digits + 1}g} {quantity.unit}".rstrip()


def condition_text(condition: str) -> str:
    """A bound on a total for people, with its label and unit.

    >>> condition_text("latency_s <= 0.01"), condition_text("area_mm2 < 2.5"), condition_text("utilization > 0.5")
    ('latency <= 10 ms', 'area < 2.5 mm²', 'utilization > 0.5')
    """
    name, relation, number = condition.split(" ", 2)
    quantity, bound = total(name), float(number)
    if quantity.style == "si" and bound:
        value, _, unit = engineering(bound, quantity.unit, 6).partition(" ")
        return f"{quantity.label} {relation} {float(value):g} {unit}".rstrip()
    unit = "" if quantity.style == "percent" else quantity.unit
    return f"{quantity.label} {relation} {number} {unit}".rstrip()


def times_text(factor: float | None) -> str:
    """A ratio for people.

    >>> times_text(0.5), times_text(2.0), times_text(1.0), times_text(None)
    ('-50.0 %', 'x2.00', '=', '-')
    """
    if factor is None:
        return MISSING
    if factor == 1:
        return "="
    if factor >= 2:
        return f"x{factor:.3g}" if factor >= 10 else f"x{factor:.2f}"
    change = 100 * (factor - 1)
    return f"{change:+.1f} %" if abs(change) >= 0.05 else f"{change:+.2g} %"
