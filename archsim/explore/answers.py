"""`archsim.pareto`: a run's front and everything that can be asked about its designs, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.core.errors import InputError, Problem
from archsim.core.spelling import spelled
from archsim.explore.base_point import base_genes
from archsim.explore.dominate import dominators_of, row_named
from archsim.explore.find import find_design
from archsim.explore.front import front_of, parse_objectives
from archsim.explore.further import EvaluatePoints
from archsim.explore.questions import table_of_run
from archsim.explore.results import PointResult
from archsim.explore.run_table import RunTable
from archsim.explore.scales import parse_condition
from archsim.explore.sensitivity import sensitivity_of
from archsim.explore.study import Constraint, Objective

if TYPE_CHECKING:
    from archsim.explore.runs import Run
    from archsim.explore.space import Point
    from archsim.reports.dominance import Dominance
    from archsim.reports.finding import Finding
    from archsim.reports.sensitivity import Sensitivity
    from archsim.reports.sweep_front import SweepFront

CENTRES = ("knee", "best", "base")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Questions about a run, read and checked as far as that goes without it."""

    objectives: str | None
    conditions: tuple[Constraint, ...]
    log: tuple[str, ...] | None
    colour: str | None
    knees: int
    sensitivity: bool
    around: str | None
    dominate: str | None
    find: tuple[Constraint, ...]
    optimum: Objective | None
    evaluate: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The front, and the answers to what was asked."""

    front: SweepFront
    sensitivity: Sensitivity | None = None
    dominance: Dominance | None = None
    finding: Finding | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.pareto/1`; parts that were not asked for are null."""
        parts = {"sensitivity": self.sensitivity, "dominate": self.dominance, "find": self.finding}
        return self.front.to_dict() | {name: None if one is None else one.to_dict() for name, one in parts.items()}


def ask(
    *,
    objectives: str | None = None,
    where: Sequence[str] = (),
    log: str | None = None,
    colour: str | None = None,
    knees: int = 1,
    sensitivity: bool = False,
    around: str | None = None,
    dominate: str | int | None = None,
    find: str | Sequence[str] = (),
    minimize: str | None = None,
    maximize: str | None = None,
    evaluate: int = 0,
    seed: int = 0,
) -> Asked:
    """Questions from texts. Raises InputError with everything that is wrong with them."""
    problems: list[Problem] = []
    conditions = _conditions((where,) if isinstance(where, str) else where, "--where", problems)
    wanted = _conditions((find,) if isinstance(find, str) else find, "--find", problems)
    if minimize is not None and maximize is not None:
        problems.append(Problem(key="--maximize", message="stands beside --minimize: one total at a time"))
    if find and minimize is None and maximize is None:
        hint = "such as --minimize area_mm2"
        problems.append(Problem(key="--find", message="needs what to minimize or maximize", hint=hint))
    for key, value, least in (("--knees", knees, 0), ("--evaluate", evaluate, 0), ("--seed", seed, 0)):
        if value < least:
            problems.append(Problem(key=key, message=f"must be at least {least} (got {spelled(value)})"))
    asks = sensitivity or dominate is not None or minimize is not None or maximize is not None
    if evaluate > 0 and not asks:
        hint = "--sensitivity, --dominate, or --find with --minimize"
        problems.append(Problem(key="--evaluate", message="needs a question to evaluate points for", hint=hint))
    if around is not None and not sensitivity:
        problems.append(Problem(key="--around", message="says where --sensitivity looks, which is not asked for"))
    if problems:
        raise InputError(problems)
    total = minimize if maximize is None else maximize
    return Asked(
        objectives=objectives,
        conditions=conditions,
        log=None if log is None else tuple(filter(None, (name.strip() for name in log.split(",")))),
        colour=colour,
        knees=knees,
        sensitivity=sensitivity,
        around=around,
        dominate=None if dominate is None else str(dominate),
        find=wanted,
        optimum=None if total is None else Objective(name=total, sense="min" if maximize is None else "max"),
        evaluate=evaluate,
        seed=seed,
    )


def _conditions(texts: Sequence[str], key: str, problems: list[Problem]) -> tuple[Constraint, ...]:
    """Conditions, several in a text joined by commas or `and`."""
    found = []
    for text in texts:
        for part in text.replace(" and ", ",").split(","):
            try:
                found.append(parse_condition(part, key))
            except InputError as error:
                problems += error.problems
    return tuple(found)


def answer(run: Run, asked: Asked, evaluate: EvaluatePoints | None = None) -> Answers:
    """The answers to questions about a run; `evaluate` evaluates further points where `asked` allows some.

    Raises:
        InputError: a total, an axis or a point that the run does not have; an empty run.
    """
    table = table_of_run(run)
    objectives = None if asked.objectives is None else parse_objectives(asked.objectives, table)
    front = front_of(table, objectives, asked.conditions, log=asked.log, knees=asked.knees, colour=asked.colour)
    chosen = [Objective(name=one.name, sense=one.sense) for one in front.objectives]
    kept = _Kept(evaluate)
    more: dict[str, Any] = {"evaluate": None if evaluate is None else kept, "budget": asked.evaluate}
    sensitivity, dominance, finding = None, None, None
    if asked.sensitivity:
        (table, centre), name = _centre(run, table, front, asked.around, evaluate)
        sensitivity = sensitivity_of(table, centre, chosen, centre_name=name, log=asked.log, seed=asked.seed, **more)
        table = table.extended(kept.results)
    if asked.dominate is not None:
        row = row_named(table, asked.dominate)
        dominance = dominators_of(table, row, chosen, asked.conditions, log=asked.log, **more)
        table = table.extended(kept.results)
    if asked.optimum is not None:
        wanted = (*asked.conditions, *asked.find)
        finding = find_design(table, asked.optimum, wanted, seed=asked.seed, known=chosen, **more)
    return Answers(front=front, sensitivity=sensitivity, dominance=dominance, finding=finding)


class _Kept:
    """Further points, kept for the next question of the same command."""

    def __init__(self, evaluate: EvaluatePoints | None) -> None:
        self._evaluate = evaluate
        self.results: list[PointResult] = []

    def __call__(self, points: Sequence[Point]) -> Sequence[PointResult]:
        assert self._evaluate is not None
        found = self._evaluate(points)
        self.results += found
        return found


def _centre(
    run: Run, table: RunTable, front: SweepFront, around: str | None, evaluate: EvaluatePoints | None
) -> tuple[tuple[RunTable, int], str]:
    """The table and row of the design that sensitivities are taken around, and its name."""
    if around is not None and around not in CENTRES:
        return (table, row_named(table, around, "--around")), "design"
    if around == "base":
        return _base(run, table, evaluate), "base design"
    if not front.designs:
        raise InputError(Problem(key="--around", message="no feasible design to look around", hint="name a point"))
    if around == "knee" and not front.knees:
        raise InputError(Problem(key="--around", message="the front has no knee", hint="best, base, or a point"))
    if around != "best" and front.knees:
        return (table, table.ids.index(front.knees[0].design.point_id)), "knee"
    return (table, table.ids.index(front.designs[0].design.point_id)), f"best {front.names[0]}"


def _base(run: Run, table: RunTable, evaluate: EvaluatePoints | None) -> tuple[RunTable, int]:
    genes = base_genes(run.sweep)
    row = table.row(genes)
    if row is None and evaluate is not None:
        table = table.extended(evaluate([table.space.point(genes, index=-1)]))
        row = table.row(genes)
    if row is None:
        message = "the base design is not among the run's points"
        raise InputError(Problem(key="--around", message=message, hint="--evaluate N evaluates it"))
    return table, row


def pareto(
    run: str | Path | Run,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    **questions: Any,
) -> Answers:
    """The front of a run folder (or a `Run`), and the answers to `questions`: those of `ask`, by name.

    `archsim.pareto("runs/sweep", dominate=17)`; `archsim.pareto("runs/sweep", find="tpot_s <= 0.05",
    minimize="area_mm2", evaluate=200)`. Further points are evaluated by `workers` processes (one for each core, fewer
    for a few points), so that a script needs ``if __name__ == "__main__":`` around the call, or ``workers=1``.

    Raises:
        InputError: a question that makes no sense, or what the run does not have.
    """
    from archsim.explore.load import open_run
    from archsim.explore.questions import evaluating

    asked = ask(**questions)
    opened = open_run(run) if isinstance(run, str | Path) else run
    if not asked.evaluate:
        return answer(opened, asked)
    with evaluating(opened, asked.evaluate, workers=workers, cluster=cluster) as evaluate:
        return answer(opened, asked, evaluate)
