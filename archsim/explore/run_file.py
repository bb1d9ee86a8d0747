"""`run.json`: everything about a run but its points, to go on with it and to evaluate its designs again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import archsim
from archsim.core.errors import InputError, Problem
from archsim.core.toml import TomlDocument, parse_toml
from archsim.explore.axes import Axis
from archsim.explore.options import SearchOptions
from archsim.explore.space import Space
from archsim.explore.store import write_through
from archsim.explore.study import Constraint, EvaluatorSpec, Objective, Sweep, WeightedWorkload
from archsim.reports.values import json_text

RUN_FILE, SWEEP_FILE = "run.json", "sweep.toml"
SCHEMA = "archsim.run/1"
INCOMPLETE, COMPLETE = "incomplete", "complete"
_LIBRARIES = ("numba", "numpy", "pandas", "pyarrow", "scipy", "pymoo")


def run_hash(sweep: Sweep) -> str:
    """SHA-256 of everything that decides which points a run has and what is in their rows.

    Objectives and constraints count only where they steer the search: a grid's front is found anew from its points.
    """
    search = sweep.search
    steers = [sweep.objectives, sweep.constraints] if search.method == "evolutionary" else []
    decides: dict[str, Any] = {
        "model": sweep.spec.model_version,
        "rests_on": sweep.rests_on,
        "design": sweep.spec.design.values,
        "set": sweep.spec.overrides,
        "axes": [_axis(axis) for axis in sweep.space.axes],
        "workloads": [_workload(workload) for workload in sweep.spec.workloads],
        "search": search.written(),
        "mappings": sweep.spec.mappings,
        "columns": sweep.columns,
        "steers": [[str(item) for item in items] for items in steers],
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def run_document(sweep: Sweep, folder: Path, *, chunk: int, status: str) -> dict[str, Any]:
    """The document of a run; the design's file is named from the run's folder."""
    spec = sweep.spec
    path = None if spec.path is None else os.path.relpath(spec.path.resolve(), folder.resolve())
    return {
        "schema": SCHEMA,
        "name": sweep.name,
        "status": status,
        "hash": run_hash(sweep),
        "model_version": spec.model_version,
        "rests_on": sweep.rests_on,
        "versions": {"archsim": archsim.__version__, "python": platform.python_version()}
        | {name: found for name in _LIBRARIES if (found := _version(name)) is not None},
        "axes": [_axis(axis) for axis in sweep.space.axes],
        "objectives": {objective.name: objective.sense for objective in sweep.objectives},
        "constraints": [[item.name, item.relation, item.bound] for item in sweep.constraints],
        "search": sweep.search.written(),
        "mappings": spec.mappings,
        "workloads": [_workload(workload) for workload in spec.workloads],
        "chunk": chunk,
        "columns": list(sweep.columns),
        "set": list(spec.overrides),
        "design": {"file": path, "name": spec.design.name, "text": spec.design.text.decode(), "values": _plain(spec)},
        "sweep": {
            "name": sweep.document.name,
            "text": sweep.document.text.decode(),
            "values": None if sweep.document.text else sweep.document.values,
        },
    }


def _plain(spec: EvaluatorSpec) -> dict[str, Any] | None:
    """The values of a design that has no text."""
    return None if spec.design.text else spec.design.values


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "key": axis.key,
        "values": list(axis.values),
        "link": axis.link,
        "when": [[key, list(values)] for key, values in axis.when],
    }


def _workload(workload: WeightedWorkload) -> dict[str, Any]:
    return {"name": workload.name, "weight": workload.weight, "set": [list(pair) for pair in workload.overrides]}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_run_file(document: Mapping[str, Any], folder: Path) -> None:
    """Write a run's document; it appears complete or not at all."""
    write_through(folder / RUN_FILE, json_text(dict(document)).encode())


def read_run_file(folder: Path) -> dict[str, Any]:
    """The document of a run. Raises InputError when the folder is no run of a sweep."""
    path = folder / RUN_FILE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        what = "no such folder" if not folder.is_dir() else f"holds no {RUN_FILE}: not the run of a sweep"
        raise InputError(Problem(file=str(folder), message=what)) from None
    except NotADirectoryError:
        raise InputError(Problem(file=str(folder), message="is a file, not the folder of a run")) from None
    except (OSError, ValueError) as error:
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error}")) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(Problem(file=str(path), message=f"is not of the schema {SCHEMA}"))
    return document


def sweep_of(document: Mapping[str, Any], folder: Path) -> Sweep:
    """The sweep that a run's document describes."""
    return Sweep(
        name=document["name"],
        document=sweep_document(document),
        space=Space(tuple(_axis_of(item) for item in document["axes"])),
        objectives=tuple(Objective(name=name, sense=sense) for name, sense in document["objectives"].items()),
        constraints=tuple(
            Constraint(name=name, relation=relation, bound=bound) for name, relation, bound in document["constraints"]
        ),
        search=SearchOptions.model_validate(document["search"]),
        chunk=document["chunk"],
        spec=_spec(document, folder),
        columns=tuple(document["columns"]),
        rests_on=document["rests_on"],
    )


def sweep_document(document: Mapping[str, Any]) -> TomlDocument:
    """The sweep file of a run, as it was."""
    stored = document["sweep"]
    return _toml(stored["name"], stored["text"], stored.get("values"))


def begun_design(document: Mapping[str, Any], folder: Path) -> tuple[TomlDocument, Path | None]:
    """The base design of a run as it was, and where its file lies, or lay."""
    design = document["design"]
    path = None if design["file"] is None else folder / design["file"]
    return _toml(design["name"], design["text"], design["values"]), path


def _axis_of(item: Mapping[str, Any]) -> Axis:
    when = tuple((key, tuple(values)) for key, values in item["when"])
    return Axis(key=item["key"], values=tuple(item["values"]), link=item["link"], when=when)


def _spec(document: Mapping[str, Any], folder: Path) -> EvaluatorSpec:
    design, path = begun_design(document, folder)
    workloads = tuple(
        WeightedWorkload(
            name=item["name"], weight=item["weight"], overrides=tuple((key, value) for key, value in item["set"])
        )
        for item in document["workloads"]
    )
    return EvaluatorSpec(
        design=design,
        path=path,
        overrides=tuple(document["set"]),
        workloads=workloads,
        model_version=document["model_version"],
        mappings=document["mappings"],
    )


def _toml(name: str, text: str, values: dict[str, Any] | None) -> TomlDocument:
    if not text:
        return TomlDocument(name=name, values=values or {})
    return TomlDocument(name=name, values=parse_toml(text, name), text=text.encode())
