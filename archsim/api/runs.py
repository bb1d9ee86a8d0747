"""Reading run folders back: what `archsim evaluate` left on disk, as the evaluation it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.api.design import design_from_dict
from archsim.core.errors import InputError, Problem
from archsim.reports.document import SCHEMA
from archsim.reports.evaluation import Evaluation
from archsim.reports.run_folder import RESOLVED, SUMMARY
from archsim.sim.records import LayerCost, OpCost, Stall, TraceCost, Traffic

LAYERS = "layers.csv"
_LAYER_KEYS = frozenset(
    {"name", "phase", "count", "formats", "macs", "cycles", "compute_cycles", "stall_cycles"}
    | {"latency_s", "energy_j", "bound", "dram_bytes", "mapping"}
)


def read_evaluation(folder: str | Path) -> Evaluation:
    """The evaluation in a run folder; mappings and fused chains are left out.

    Raises:
        InputError: the folder holds no run, or files of it cannot be read or do not belong together.
    """
    path = Path(folder)
    document = read_summary(path / SUMMARY)
    resolved = read_resolved(path / RESOLVED)
    if resolved is None:
        raise wrong(path / RESOLVED, "no such file", "pass a run folder of archsim evaluate")
    energies = _layer_energies(path / LAYERS, document["layers"])
    hardware = {key: table for key, table in resolved.items() if key != "workload"}
    try:
        accelerator = design_from_dict(hardware, workload_required=False).accelerator
        cost = _trace_cost(document, energies)
    except (KeyError, TypeError, ValueError) as error:
        raise wrong(path / SUMMARY, f"is not the summary of a run ({type(error).__name__}: {error})") from None
    return Evaluation(
        design_name=document["design"],
        resolved=resolved,
        accelerator=accelerator,
        cost=cost,
        archsim_version=document["archsim"],
    )


def read_summary(path: Path) -> dict[str, Any]:
    """The `archsim.evaluation/1` document in a file, checked for what comparisons and reports read of it."""
    document = read_json(path)
    if document.get("schema") != SCHEMA:
        raise wrong(path, f"is not an {SCHEMA} document (its schema: {document.get('schema')!r})")
    _check_document(document, path)
    return document


def read_resolved(path: Path) -> dict[str, Any] | None:
    """The values of a resolved design; None where there is no such file."""
    if not path.is_file():
        return None
    design = read_json(path).get("design")
    if not isinstance(design, dict):
        raise wrong(path, "has no table 'design'")
    return design


def read_json(path: Path) -> dict[str, Any]:
    """The one JSON object in a file.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise wrong(path, "no such file", "pass a design file, a run folder or its summary.json") from None
    except UnicodeDecodeError as error:
        raise wrong(path, f"is not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise InputError(Problem(file=str(path), line=error.lineno, message=f"is not JSON: {error.msg}")) from None
    except RecursionError:
        raise wrong(path, "is nested too deeply") from None
    if not isinstance(document, dict):
        raise wrong(path, "must hold one JSON object")
    return document


def wrong(path: Path, message: str, hint: str | None = None) -> InputError:
    """The error that a file is not what it should be."""
    return InputError(Problem(file=str(path), message=message, hint=hint))


def _check_document(document: dict[str, Any], path: Path) -> None:
    """What is read later must be there: a summary edited by hand may lack it."""
    problems = [
        Problem(file=str(path), key=key, message=f"must be {words}")
        for key, kind, words in (
            ("design", str, "a text"),
            ("archsim", str, "a text"),
            ("totals", dict, "a table"),
            ("energy_j", dict, "a table"),
            ("layers", list, "a list"),
        )
        if not isinstance(document.get(key), kind)
    ]
    if not problems:
        for index, layer in enumerate(document["layers"]):
            missing = sorted(_LAYER_KEYS - set(layer)) if isinstance(layer, dict) else ["a table"]
            if missing:
                problems.append(Problem(file=str(path), key=f"layers[{index}]", message=f"lacks {', '.join(missing)}"))
    if problems:
        raise InputError(problems)


def _layer_energies(path: Path, layers: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Joules by component of one occurrence of each layer, from the layer table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        hint = "a run folder of archsim evaluate holds one"
        raise wrong(path, f"cannot be read: {error.strerror}", hint) from None
    except (UnicodeDecodeError, csv.Error):
        raise wrong(path, "is not a layer table") from None
    if [row.get("name") for row in rows] != [layer["name"] for layer in layers]:
        raise wrong(path, f"does not list the layers of {SUMMARY}", "evaluate the design again")
    try:
        return [{key[len("energy_") : -len("_j")]: float(text) for key, text in _energies(row)} for row in rows]
    except ValueError as error:
        raise wrong(path, f"holds an energy that is not a number ({error})") from None


def _energies(row: Mapping[str, str | None]) -> list[tuple[str, str]]:
    return [(key, text) for key, text in row.items() if key.startswith("energy_") and key.endswith("_j") and text]


def _trace_cost(document: Mapping[str, Any], energies: Sequence[Mapping[str, float]]) -> TraceCost:
    totals = document["totals"]
    return TraceCost(
        layers=tuple(_layer(row, energy) for row, energy in zip(document["layers"], energies, strict=True)),
        cycles=totals["cycles"],
        latency_s=totals["latency_s"],
        energy_j=document["energy_j"],
        area_mm2=document["area_mm2"],
        macs=totals["macs"],
        utilization=totals["utilization"],
        dram_bytes=totals["dram_bytes"],
        peak_memory_bytes=totals["peak_memory_bytes"],
        ttft_s=totals["ttft_s"],
        tpot_s=totals["tpot_s"],
        throughput_per_s=totals["throughput_per_s"],
        warnings=tuple(document["warnings"]),
        estimates=tuple(document["estimates"]),
        resources=totals["resources"],
    )


def _layer(row: Mapping[str, Any], energy_j: Mapping[str, float]) -> LayerCost:
    return LayerCost(
        name=row["name"],
        kind=row["kind"],
        phase=row["phase"],
        count=row["count"],
        dims=row["dims"],
        formats=row["formats"],
        cost=OpCost(
            cycles=row["cycles"],
            compute_cycles=row["compute_cycles"],
            stall_cycles=row["stall_cycles"],
            latency_s=row["latency_s"],
            energy_j=energy_j,
            macs=row["macs"],
            utilization=row["utilization"],
            compute_utilization=row["compute_utilization"],
            mapping_utilization=row["mapping_utilization"],
            bound=row["bound"],
            dram_bytes=row["dram_bytes"],
            traffic=tuple(Traffic(**item) for item in row["traffic"]),
            stalls=tuple(Stall(**item) for item in row["stalls"]),
        ),
    )
