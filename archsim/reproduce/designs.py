"""Recomputations that evaluate designs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from archsim.core.errors import InfeasibleError, InputError, Problem, unknown_name
from archsim.reproduce.options import DesignsOptions


def evaluated(options: DesignsOptions, folder: Path) -> float:
    """The number of the design, or of it against the baseline; design files lie in `folder`."""
    design = number(options.metric, folder / options.design, options.set)
    if options.baseline is None:
        return design
    baseline = number(options.metric, folder / options.baseline, options.baseline_set)
    match options.quantity:
        case "ratio":
            return baseline / design
        case "overhead":
            return 100 * (design / baseline - 1)
        case _:
            return 100 * (1 - design / baseline)


def number(metric: str, design: Path, overrides: tuple[str, ...]) -> float:
    """The number at a dotted place in the evaluation of a design; InputError where there is none."""
    value: object = _document(design, overrides)
    for key in metric.split("."):
        if not isinstance(value, Mapping) or key not in value:
            known = value if isinstance(value, Mapping) else ()
            raise InputError(unknown_name("metric", metric, [str(name) for name in known]))
        value = value[key]
    if value is None:
        raise InfeasibleError(f"{design.name}: {metric} does not exist for this design")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(Problem(message=f"metric {metric!r} is not a number"))
    return float(value)


@lru_cache(maxsize=1024)
def _document(design: Path, overrides: tuple[str, ...]) -> Mapping[str, object]:
    """The evaluation of a design without its layers: claims that differ in the metric share it."""
    from archsim.api.evaluate import evaluate

    document = evaluate(design, overrides=overrides).to_dict()
    return {key: value for key, value in document.items() if key != "layers"}
