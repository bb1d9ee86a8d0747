"""`archsim report`: a run as one HTML page, with its figures as PNG and SVG for papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import archsim
from archsim.api.runs import read_evaluation, read_json
from archsim.core.errors import InputError, Problem
from archsim.explore.front import front_of
from archsim.explore.load import open_run
from archsim.explore.questions import run_table
from archsim.explore.report_columns import numbers, page_columns
from archsim.explore.report_designs import BASE, Evaluated, Progress, Wanted, evaluate_again
from archsim.explore.run_file import RUN_FILE, read_run_file
from archsim.explore.runs import Run
from archsim.explore.tally import feasible_rows, kind_of
from archsim.reports.evaluation import Evaluation
from archsim.reports.page.detail import design_detail
from archsim.reports.page.document import page_html
from archsim.reports.page.figures import evaluation_figures, sweep_figures
from archsim.reports.page.quantities import total
from archsim.reports.page.record import OK, Bound, DesignDetail, Evidence, Front, SweepPage
from archsim.reports.quantity_text import condition_text
from archsim.reports.run_folder import RESOLVED, SUMMARY, write_files, write_text
from archsim.reports.sweep_front import SweepFront
from archsim.reports.values import counted, engineering

PAGE, FIGURES = "report.html", "figures"
SCHEMA = "archsim.report/1"
DESIGNS = 200
"""Points that are evaluated again unless told otherwise."""
Writer = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """A page and the figures beside it, ready to be written."""

    page: SweepPage
    figures: Mapping[str, Writer]
    """File name to what writes it."""
    file: str = PAGE
    """The page's name."""

    @cached_property
    def html(self) -> str:
        """The page as text."""
        return page_html(self.page)

    def save(self, folder: str | Path) -> dict[str, Any]:
        """Write ``report.html`` and ``figures/`` into a folder; the document `archsim.report/1` says what was written.

        Raises:
            OSError: something cannot be written; files that were there stay as they are.
        """
        target = Path(folder)
        text = self.html
        if self.figures:
            write_files(target / FIGURES, dict(self.figures))
        write_files(target, {self.file: lambda path: write_text(path, text)})
        return self.document(target)

    def document(self, folder: Path | None) -> dict[str, Any]:
        """The document `archsim.report/1` of a report in a folder, or of one that was not written."""
        return {
            "schema": SCHEMA,
            "page": None if folder is None else str(folder / self.file),
            "bytes": len(self.html.encode()),
            "figures": [] if folder is None else [str(folder / FIGURES / name) for name in self.figures],
            "points": self.page.points,
            "designs": len(self.page.designs),
        }


def report(run: str | Path | Run | Evaluation, *, designs: int = DESIGNS, progress: Progress | None = None) -> Report:
    """The report of a sweep's run or of an evaluation, by its folder or as it is in memory.

    The layers and rooflines of up to `designs` points of a sweep (its front, then the others in order) come by
    evaluating them again; `progress` is told how many are done, of how many.

    Raises:
        InputError: the folder holds no run.
        ArchsimError: a chunk of the run is damaged.
    """
    if isinstance(run, Evaluation):
        return evaluation_report(run)
    if isinstance(run, Run):
        return sweep_report(run, designs, progress)
    folder = Path(run)
    if (folder / RUN_FILE).is_file():
        return sweep_report(open_run(folder), designs, progress)
    if (folder / SUMMARY).is_file():
        return evaluation_report(read_evaluation(folder), versions_of(read_json(folder / RESOLVED)))
    message = f"holds neither {RUN_FILE} nor {SUMMARY}" if folder.is_dir() else "no such folder"
    hint = "pass the folder that archsim sweep or archsim evaluate wrote"
    raise InputError(Problem(file=str(run), message=message, hint=hint))


def evaluation_report(evaluation: Evaluation, versions: Mapping[str, str] | None = None) -> Report:
    """The report of one design."""
    detail = design_detail(evaluation)
    stated = versions or {"archsim": evaluation.archsim_version}
    page = SweepPage(
        title=evaluation.design_name,
        subtitle=f"{evaluation.accelerator.pes:,} PEs at {engineering(evaluation.accelerator.clock_hz, 'Hz')}",
        designs=(detail,),
        evidence=Evidence(estimates=detail.estimates, sources=detail.sources, versions=tuple(stated.items())),
    )
    return Report(page=page, figures=evaluation_figures(evaluation))


def sweep_report(run: Run, designs: int = DESIGNS, progress: Progress | None = None) -> Report:
    """The report of a sweep's run; of one that is not complete, of the points that are there."""
    document = read_run_file(run.folder)
    page, evaluated = _sweep_page(run, document, designs, progress)
    return Report(page=page, figures=sweep_figures(page, *_drawn(page, evaluated)))


def _drawn(page: SweepPage, evaluated: Evaluated) -> list[Evaluation]:
    """The design whose layers are figures, named by the sweep and its point: the base design's name is all points'."""
    named = []
    for detail, evaluation in zip(evaluated.details[:1], evaluated.evaluations[:1], strict=True):
        point = [] if detail.row is None else [f"point {page.index[detail.row]}"]
        workload = [detail.name] if detail.name else []
        named.append(replace(evaluation, design_name=", ".join([page.title, *point, *workload])))
    return named


def _sweep_page(
    run: Run, document: Mapping[str, Any], designs: int, progress: Progress | None
) -> tuple[SweepPage, Evaluated]:
    sweep, table = run.sweep, run.table()
    index = np.asarray(table["index"].to_numpy(), np.int64)
    front = front_of(run_table(table.to_pandas(), sweep)) if table.num_rows else None
    rows = _rows(index, [design.design.index for design in front.designs] if front else [])
    names, codes = reasons_of(table["status"].to_pylist(), table["reason"].to_pylist())
    wanted = _wanted(run, table, index, rows, np.flatnonzero(codes == 0), designs)
    evaluated = evaluate_again(sweep, wanted, progress)
    page = SweepPage(
        title=sweep.name,
        subtitle=_subtitle(run),
        facts=tuple(_facts(run, front, codes)),
        columns=page_columns(table, sweep.space.axes, sweep.objectives),
        index=index,
        reason=codes,
        reasons=names,
        feasible=feasible_rows(table, sweep),
        fronts=(Front(name="Pareto front", rows=rows),) if rows.size else (),
        knees=tuple(int(row) for row, design in zip(rows, front.designs, strict=True) if design.knee) if front else (),
        command=_command(document, sweep.spec.overrides),
        base=_known(evaluated.base),
        bounds=tuple(
            Bound(
                key=one.name,
                operator=one.relation,
                value=one.bound,
                text=condition_text(str(one)),
            )
            for one in sweep.constraints
        ),
        designs=evaluated.details,
        evidence=_evidence(evaluated, versions_of(document)),
    )
    return page, evaluated


def _rows(index: npt.NDArray[np.int64], numbers_of: Sequence[int | None]) -> npt.NDArray[np.int64]:
    """Rows of points by their numbers, which ascend."""
    return np.searchsorted(index, np.array([number for number in numbers_of if number is not None], np.int64)).astype(
        np.int64
    )


def reasons_of(status: Sequence[str], reasons: Sequence[str | None]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Kinds of reasons, and each point's place among them; 0 for one that did not fail."""
    places = {OK: 0}
    codes = [
        0 if state == OK else places.setdefault(kind_of(reason or "failed"), len(places))
        for state, reason in zip(status, reasons, strict=True)
    ]
    return tuple(places), np.array(codes, np.int64)


def _wanted(run: Run, table: Any, index: Any, front: Any, ok: Any, designs: int) -> list[Wanted]:
    """The base design and the first `designs` points: the front's, then, of a small run, all others."""
    others = [row for row in ok.tolist() if row not in set(front.tolist())] if ok.size <= designs else []
    points = run_table(table.to_pandas(), run.sweep) if table.num_rows else None
    places = {} if points is None else {int(number): place for place, number in enumerate(points.indices)}
    objectives = {one.name: numbers(table, one.name) for one in run.sweep.objectives}
    wanted = []
    for row in [*front.tolist(), *others][:designs]:
        place = places.get(int(index[row]))
        if points is None or place is None:
            continue
        point = points.space.point(points.genes[place].tolist(), int(index[row]))
        wanted.append(Wanted(point, row, {name: float(values[row]) for name, values in objectives.items()}))
    return [*wanted, Wanted(BASE)] if designs else []


def _subtitle(run: Run) -> str:
    sweep = run.sweep
    method = {"grid": "grid", "random": "random points", "sobol": "Sobol points", "evolutionary": "evolutionary search"}
    axes = f"{len(sweep.space.axes)} {'axis' if len(sweep.space.axes) == 1 else 'axes'}"
    what = ", ".join(one.name for one in sweep.spec.workloads if one.name)
    parts = [f"{method[sweep.search.method]} over {axes} of {sweep.space.size:,} points"]
    parts += [f"design {Path(sweep.spec.design.name).name}"] + ([f"workloads {what}"] if what else [])
    return "; ".join(parts)


def _facts(run: Run, front: SweepFront | None, codes: Any) -> list[tuple[str, str]]:
    failed = int((codes > 0).sum())
    facts = [("points", f"{codes.size:,}"), ("failed", f"{failed:,}")]
    if front is None:
        return [*facts, ("status", run.status)]
    if run.sweep.constraints:
        facts.append(("within the constraints", f"{front.feasible:,}"))
    facts.append(("Pareto front", counted(len(front.designs), "design")))
    if front.covered_fraction is not None:
        facts.append(("box covered", f"{100 * front.covered_fraction:.1f} %"))
    facts += [("objectives", ", ".join(f"{total(one.name).label} ({one.sense})" for one in front.objectives))]
    return [*facts, ("status", run.status)]


def _command(document: Mapping[str, Any], overrides: Sequence[str]) -> str:
    """What evaluates the base design again; empty when it is in no file."""
    design = document["design"]["file"]
    if design is None:
        return ""
    return " ".join(["archsim evaluate", _word(design), *(f"--set {_word(text)}" for text in overrides)])


def _word(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _known(values: Mapping[str, float | None] | None) -> Mapping[str, float] | None:
    return None if values is None else {key: value for key, value in values.items() if value is not None}


def _evidence(evaluated: Evaluated, versions: Mapping[str, str]) -> Evidence:
    return Evidence(
        estimates=_shared(evaluated.details, lambda detail: detail.estimates),
        sources=_shared(evaluated.details, lambda detail: detail.sources),
        warnings=evaluated.warnings,
        versions=(*versions.items(), ("this page", f"archsim {archsim.__version__}")),
    )


def _shared(details: Sequence[DesignDetail], texts: Callable[[DesignDetail], Sequence[str]]) -> tuple[str, ...]:
    """Each text once, with how many of the designs it holds for where that is not all."""
    counts = Counter(text for detail in details for text in dict.fromkeys(texts(detail)))
    whole = len(details)
    return tuple(
        text if number == whole else f"{text} ({number} of the {whole} designs looked into)"
        for text, number in counts.items()
    )


def versions_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Versions of what computed a run, from its document."""
    versions = document.get("versions")
    return {str(key): str(value) for key, value in versions.items()} if isinstance(versions, Mapping) else {}
