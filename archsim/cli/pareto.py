"""`archsim pareto`: the front of a run, and questions about its designs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli import output
from archsim.cli.options import Options
from archsim.cli.requests import ParetoRequest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.explore.answers import Answers
    from archsim.explore.further import EvaluatePoints
    from archsim.explore.runs import Run


def run(folder: Path, request: ParetoRequest, options: Options) -> int:
    """Answer, print, and write where `--out` says. Exit code 1 when `--find` has no answer."""
    from archsim.explore.answers import Asked, answer, ask
    from archsim.explore.load import open_run

    output.refuse_overrides("pareto", options)
    asked: Asked = ask(
        objectives=request.objectives,
        where=request.where,
        log=request.log,
        colour=request.color,
        knees=request.knees,
        sensitivity=request.sensitivity,
        around=request.around,
        dominate=request.dominate,
        find=request.find,
        minimize=request.minimize,
        maximize=request.maximize,
        evaluate=request.evaluate,
        seed=request.seed,
    )
    opened = open_run(folder)
    with _evaluating(opened, request, options) as evaluate:
        answers = answer(opened, asked, evaluate)
    document = answers.to_dict()
    _write(answers, options)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(_tables(answers))
    return 1 if answers.finding is not None and answers.finding.answer is None else 0


@contextmanager
def _evaluating(opened: Run, request: ParetoRequest, options: Options) -> Iterator[EvaluatePoints | None]:
    """What evaluates further points, where the request allows any."""
    if request.evaluate < 1:
        yield None
        return
    from archsim.explore.questions import evaluating

    output.note_compilation(quiet=options.quiet)

    def note(text: str) -> None:
        output.note(text, quiet=options.quiet)

    with evaluating(opened, request.evaluate, workers=request.workers, cluster=request.cluster, note=note) as evaluate:
        yield evaluate


def _write(answers: Answers, options: Options) -> None:
    if options.folder is not None:
        from archsim.reports.pareto_folder import write_pareto

        write_pareto(answers.to_dict(), answers.front, answers.sensitivity, options.folder)
        output.note(f"wrote {options.folder}", quiet=options.quiet)


def _tables(answers: Answers) -> Iterator[RenderableType]:
    from archsim.reports import sweep_front_tables as tables

    questions = (answers.finding, answers.dominance, answers.sensitivity)
    if not any(one is not None for one in questions):
        yield from tables.front_tables(answers.front)
    if answers.finding is not None:
        yield from tables.finding_tables(answers.finding, answers.front.axes)
    if answers.dominance is not None:
        yield from tables.dominance_tables(answers.dominance)
    if answers.sensitivity is not None:
        yield from tables.sensitivity_tables(answers.sensitivity)
