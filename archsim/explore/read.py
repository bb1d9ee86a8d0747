"""A sweep file read: every mistake in it found, with its line, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.api.places import Merged, Origin
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.options import validation_problems
from archsim.core.spelling import listed, spelled
from archsim.core.toml import KeyPath, TomlDocument, parse_key, read_toml
from archsim.explore.axis_options import axes_of
from archsim.explore.checks import Checked, check_designs
from archsim.explore.options import SearchOptions, SweepOptions, WeightedWorkloadOptions
from archsim.explore.results import TOTALS
from archsim.explore.scales import parse_bound
from archsim.explore.space import Space
from archsim.explore.study import Constraint, EvaluatorSpec, Objective, Relation, Sweep, WeightedWorkload
from archsim.explore.version import model_version
from archsim.workloads.options import WorkloadOptions

_BOUND = re.compile(r"\s*(<=|>=|==|<|>)\s*(\S.*?)\s*", re.ASCII)
_DEFAULT_OBJECTIVES = {"latency_s": "min", "energy_j": "min"}


def read_sweep(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> Sweep:
    """The sweep in a file, or that plain values describe, with ``dotted.key=value`` overrides over its base design.

    The design and each value of each axis are tried. Raises InputError with every problem found, each with its line.
    """
    document, path = _document(source)
    return sweep_from(document, path, overrides, name="sweep" if path is None else path.stem)


def sweep_from(
    document: TomlDocument,
    path: Path | None,
    overrides: Sequence[str],
    *,
    name: str,
    design: tuple[TomlDocument, Path | None] | None = None,
) -> Sweep:
    """The sweep that a document describes, called `name` if it does not say; `design` takes the place of its file."""
    if "hardware" in document.values and "axes" not in document.values:
        hint = 'archsim evaluate takes it; a sweep file names it, design = "...", and has [axes]'
        raise InputError(Problem(file=document.name or None, message="is a design, not a sweep of designs", hint=hint))
    merged = Merged(values=document.values, origins={(): Origin(document, ())})
    options = _options(merged)
    axes, places = axes_of(merged)
    space = Space(tuple(axes))
    if options is None:
        merged.reject()
        raise AssertionError("a sweep file that cannot be read has problems")
    _check_search(options.search, merged)
    if axes:
        _check_size(space, options.search, merged)
    base, base_path = design or _design(options.design, path, merged)
    spec = EvaluatorSpec(
        design=base,
        path=base_path,
        overrides=tuple(overrides),
        workloads=_workloads(options.workloads, merged),
        model_version=model_version(),
        mappings=options.mappings,
    )
    checked = check_designs(spec, space, merged, places) if axes and _usable(merged) else None
    columns = _columns(spec, checked)
    objectives = tuple(_objectives(options, columns, merged))
    constraints = tuple(_constraints(options, columns, merged))
    if checked is not None:
        _check_existence(checked, [("objectives", item.name) for item in objectives], merged)
        _check_existence(checked, [("constraints", item.name) for item in constraints], merged)
    merged.reject()
    assert checked is not None
    return Sweep(
        name=options.name or name,
        document=document,
        space=space,
        objectives=objectives,
        constraints=constraints,
        search=options.search,
        chunk=options.run.chunk,
        spec=spec,
        columns=columns,
        rests_on=checked.rests_on,
    )


def _usable(merged: Merged) -> bool:
    """Whether designs can be tried in spite of what is wrong: not without good axes and workloads."""
    return not any((problem.key or "").startswith(("axes", "workloads")) for problem in merged.problems)


def _document(source: str | Path | Mapping[str, Any]) -> tuple[TomlDocument, Path | None]:
    if isinstance(source, Mapping):
        return TomlDocument(name="", values=dict(source)), None
    if not isinstance(source, str | Path):
        message = f"a sweep is a path of a sweep.toml, or a mapping of its values (got {spelled(source)})"
        raise InputError(Problem(message=message))
    return read_toml(source), Path(source)


def _options(merged: Merged) -> SweepOptions | None:
    """The tables, axes left as they are; None when something is wrong, which is noted in `merged`."""
    values = dict(merged.values)
    if isinstance(values.get("workloads"), list):
        values["workloads"] = [_own_keys(entry) for entry in values["workloads"]]
        _check_workloads(merged)
    wrong: set[KeyPath] = set()
    for _ in range(2):  # the second time without what was wrong, to find what else is
        try:
            return SweepOptions.model_validate(values)
        except ValidationError as error:
            found = [item for item in validation_problems(error, SweepOptions, values) if item[0][:1] not in wrong]
            for path, problem in found:
                merged.report(path, problem)
                values.pop(str(path[0]) if path else "", None)
            wrong.update(path[:1] for path, _ in found)
    return None


def _own_keys(entry: Any) -> Any:
    """The keys of a `[[workloads]]` entry that are not those of `[workload]`."""
    if not isinstance(entry, Mapping):
        return entry
    return {key: value for key, value in entry.items() if key in WeightedWorkloadOptions.own}


def _check_workloads(merged: Merged) -> None:
    """Keys that no table has, and names that two workloads share; values are checked with the design."""
    known = [*sorted(WeightedWorkloadOptions.own), *WorkloadOptions.model_fields]
    names: list[object] = []
    for index, entry in enumerate(merged.values["workloads"]):
        if not isinstance(entry, Mapping):
            continue
        for key in entry:
            if key not in known:
                near = nearest(key, known)
                hint = f"did you mean '{near}'?" if near else f"known keys: {listed(known)}"
                merged.report(("workloads", index, key), Problem(message="unknown key", hint=hint))
        name = entry.get("name")
        if name in names or name in _TAKEN:
            why = "names two workloads" if name in names else "is the name of a table of results"
            merged.report(("workloads", index, "name"), Problem(message=f"{spelled(name)} {why}"))
        names.append(name)


_TAKEN = ("energy_j", "area_mm2", "resources")


def _workloads(entries: Sequence[WeightedWorkloadOptions], merged: Merged) -> tuple[WeightedWorkload, ...]:
    if not entries:
        return (WeightedWorkload(),)
    found = []
    for index, entry in enumerate(entries):
        stated = merged.values["workloads"][index]
        own = {f"workload.{key}": value for key, value in stated.items() if key not in WeightedWorkloadOptions.own}
        for key in entry.set:
            if parse_key(key) is None:
                merged.report(("workloads", index, "set", key), Problem(message="is not a dotted key"))
        overrides = tuple((own | entry.set).items())
        found.append(WeightedWorkload(name=entry.name, weight=entry.weight, overrides=overrides))
    return tuple(found)


def _check_search(search: SearchOptions, merged: Merged) -> None:
    """Keys of `[search]` that a method needs or that say nothing to it."""
    if search.method == "grid":
        idle = [key for key in ("points", "population", "seed", "algorithm") if key in search.model_fields_set]
        hint = 'method = "random", "sobol" or "evolutionary" take a part of the space'
    else:
        own = search.method == "evolutionary"
        idle = [] if own else [key for key in ("population", "algorithm") if key in search.model_fields_set]
        hint = "it belongs to method = 'evolutionary'"
        if own and find_spec("pymoo") is None:
            problem = Problem(message="evolutionary search needs pymoo", hint="pip install 'archsim[search]'")
            merged.report(("search", "method"), problem)
        if search.points is None:
            merged.report(("search",), Problem(message=f"method '{search.method}' needs points: how many to evaluate"))
    for key in idle:
        merged.report(("search", key), Problem(message=f"says nothing for method '{search.method}'", hint=hint))


def _check_size(space: Space, search: SearchOptions, merged: Merged) -> None:
    """A space that can be counted, and has as many points as are asked for."""
    try:
        size = space.size
    except ValueError as error:
        merged.report(("axes",), Problem(message=str(error)))
        return
    if search.method == "grid" and size > LARGEST_GRID:
        hint = 'take a part of it: [search] with method = "sobol", "random" or "evolutionary"'
        merged.report(("axes",), Problem(message=f"a grid of {size} points, more than {LARGEST_GRID}", hint=hint))
    if search.method in ("random", "sobol") and search.points is not None and search.points > size:
        hint = "leave [search] out for all of them"
        message = f"the space has {size} (got {search.points})"
        merged.report(("search", "points"), Problem(message=message, hint=hint))


LARGEST_GRID = 100_000_000
"""Points that a run may have: beyond it takes years, and their numbers more digits than the files' names have."""


def _design(stated: Any, path: Path | None, merged: Merged) -> tuple[TomlDocument, Path | None]:
    """The base design's values with its file; a mapping in the place of a file's name is the design itself."""
    if isinstance(stated, Mapping):
        return TomlDocument(name="", values={"design": {"name": "design"}} | dict(stated)), None
    if not isinstance(stated, str) or not stated:
        merged.report(("design",), Problem(message=f"must be the name of a design file (got {spelled(stated)})"))
        merged.reject()
    file = Path(stated) if path is None else path.parent / stated
    try:
        return read_toml(file), file
    except InputError as error:
        missing = [problem for problem in error.problems if problem.message == "no such file"]
        for problem in missing:
            message = f"no such file '{problem.file}'"
            merged.report(("design",), Problem(message=message, hint=problem.hint))
        merged.reject()
        raise


def _columns(spec: EvaluatorSpec, checked: Checked | None) -> tuple[str, ...]:
    """Names of the values that a row may have."""
    memories = () if checked is None else checked.memories
    energy = [f"energy_j.{name}" for name in ("mac", *memories, "vector", "network", "leakage", "idle")]
    area = [f"area_mm2.{name}" for name in ("mac", *memories, "vector", "network")]
    each = [f"{workload.name}.{name}" for workload in spec.workloads for name in TOTALS if workload.name]
    return tuple(dict.fromkeys([*TOTALS, *energy, *area, *each]))


def _objectives(options: SweepOptions, columns: Sequence[str], merged: Merged) -> Iterator[Objective]:
    for name, sense in (options.objectives or _DEFAULT_OBJECTIVES).items():
        _check_total(name, ("objectives", name), columns, merged)
        yield Objective(name=name, sense="min" if sense == "min" else "max")


def _constraints(options: SweepOptions, columns: Sequence[str], merged: Merged) -> Iterator[Constraint]:
    for name, bounds in options.constraints.items():
        _check_total(name, ("constraints", name), columns, merged)
        if name not in columns:
            continue  # which units it may have, nobody knows
        for text in bounds if isinstance(bounds, list) else [bounds]:
            constraint = parse_constraint(name, text)
            if isinstance(constraint, Problem):
                merged.report(("constraints", name), constraint)
            else:
                yield constraint


_PHASE_OF = {"ttft_s": "prefill", "tpot_s": "decode"}
"""Phase that a total is the time of."""


def _check_existence(checked: Checked, stated: Iterable[tuple[str, str]], merged: Merged) -> None:
    """Note totals that no point has: not modelled, or of a phase that nothing runs in."""
    for table, name in dict.fromkeys(stated):
        workload, _, total = name.rpartition(".")
        if total == "accuracy":
            hint = "bound what costs accuracy by the formats of an axis"
            merged.report((table, name), Problem(message="is not modelled: no point has it", hint=hint))
        phase = _PHASE_OF.get(total)
        known = [found for key, found in checked.phases.items() if workload in ("", key)]
        if phase is not None and known and not any(phase in found for found in known):
            message = f"no point has it: nothing runs in phase '{phase}'"
            ran = listed(sorted(set().union(*known)))
            merged.report((table, name), Problem(message=message, hint=f"phases of the workload: {ran}"))


def parse_constraint(name: str, text: object) -> Constraint | Problem:
    """The constraint that a bound such as ``<= 10`` or ``<= 50 ms`` puts on a total."""
    match = _BOUND.fullmatch(text) if isinstance(text, str) else None
    try:
        bound = None if match is None else parse_bound(name, match[2])
    except InputError as error:
        return replace(error.problems[0], key=None)
    if match is None or bound is None:
        return Problem(message=f"must be a bound such as '<= 10' (got {spelled(text)})")
    relation: Any = match[1]
    checked: Relation = relation
    return Constraint(name=name, relation=checked, bound=bound)


def _check_total(name: str, path: KeyPath, columns: Sequence[str], merged: Merged) -> None:
    if name in columns:
        return
    if not _usable(merged) and name.startswith(("energy_j.", "area_mm2.")):
        return  # which components there are, only designs say
    near = nearest(name, columns)
    hint = f"did you mean '{near}'?" if near else f"known: {listed(TOTALS)}, energy_j.<component>, area_mm2.<component>"
    merged.report(path, Problem(message="unknown total", hint=hint))
