"""archsim: what an accelerator costs on a quantized or sparse network, and what to change.

The package is lazy: importing it costs nothing, the public names below load on first use.
In a checkout the rooms (`arch`, `workloads`, `sim`, ...) lie beside this folder; in a wheel they lie inside it.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parent.parent
if (_ROOT / "pyproject.toml").is_file() and (_ROOT / "arch").is_dir():
    __path__.append(str(_ROOT))

__version__ = "0.1.0"

if TYPE_CHECKING:
    from archsim.api.compare import compare
    from archsim.api.dataflows import compare_dataflows
    from archsim.api.design import Design, load_design
    from archsim.api.evaluate import evaluate
    from archsim.api.explain import explain
    from archsim.api.formats import compare_formats
    from archsim.api.front import mapping_front
    from archsim.api.iso_area import compare_iso_area
    from archsim.api.map import map_ops
    from archsim.api.space import mapping_space
    from archsim.arch.formats import format
    from archsim.core.errors import ArchsimError, InputError
    from archsim.explore.answers import pareto
    from archsim.explore.load import load_run
    from archsim.explore.report import report
    from archsim.explore.run import sweep
    from archsim.reports.evaluation import Evaluation
    from archsim.workloads.models import model
    from archsim.workloads.trace import Trace

_LAZY = {
    "ArchsimError": "archsim.core.errors",
    "Design": "archsim.api.design",
    "Evaluation": "archsim.reports.evaluation",
    "InputError": "archsim.core.errors",
    "Trace": "archsim.workloads.trace",
    "compare": "archsim.api.compare",
    "compare_dataflows": "archsim.api.dataflows",
    "compare_iso_area": "archsim.api.iso_area",
    "compare_formats": "archsim.api.formats",
    "evaluate": "archsim.api.evaluate",
    "explain": "archsim.api.explain",
    "format": "archsim.arch.formats",
    "load_design": "archsim.api.design",
    "load_run": "archsim.explore.load",
    "map_ops": "archsim.api.map",
    "mapping_front": "archsim.api.front",
    "mapping_space": "archsim.api.space",
    "model": "archsim.workloads.models",
    "pareto": "archsim.explore.answers",
    "report": "archsim.explore.report",
    "sweep": "archsim.explore.run",
}

__all__ = [
    "ArchsimError",
    "Design",
    "Evaluation",
    "InputError",
    "Trace",
    "__version__",
    "compare",
    "compare_dataflows",
    "compare_formats",
    "compare_iso_area",
    "evaluate",
    "explain",
    "format",
    "load_design",
    "load_run",
    "map_ops",
    "mapping_front",
    "mapping_space",
    "model",
    "pareto",
    "report",
    "sweep",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'archsim' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
