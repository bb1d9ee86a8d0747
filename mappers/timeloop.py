"""Timeloop mappings: YAML with `problem`, `mapping` and, where given, `architecture`, as an op and its mapping.

Every data space is read by its projection, whatever its dimensions are called: a product of two read tensors and one
written. A and B, or Inputs and Weights, tell which is which; else the first listed is the inputs. Permutations list the
innermost loop first; of a spatial permutation the first `split` loops lie on the mesh's X, the others on Y.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import listed, spelled
from archsim.mappers.timeloop_problem import TimeloopProblem, read_problem
from archsim.mappers.yaml_nodes import LINES, YamlTable, collecting, read_yaml
from archsim.sim.mapping import Loop, Mapping
from archsim.workloads.op import OPERANDS, Op

_FACTOR = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*?)\s*=?\s*(\d+)\s*(?:,\s*(\d+))?\s*")
TEMPORAL, SPATIAL = "temporal", "spatial"
KEEPING = ("bypass", "datatype", "dataspace")
"""Names of the directive that says which tensors a level keeps."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """Names of the axes that Timeloop's X and Y are."""

    x: str = "x"
    y: str = "y"


@dataclass(slots=True)
class _Level:
    """What the directives say of one level; loops outermost first."""

    name: str
    temporal: tuple[Loop, ...] = ()
    spatial: tuple[Loop, ...] = ()
    bypassed: frozenset[str] = frozenset()


def read_timeloop_mapping(
    path: str | Path, *, levels: Sequence[str] = (), mesh: Mesh | None = None, dataflow: str = "spatial"
) -> tuple[Op, Mapping]:
    """The op and mapping in a Timeloop YAML file.

    Levels take the names in `levels` that equal theirs but for case, else their own in lower case. X and Y take the
    names in `mesh`. The op has no formats and is called after the file.

    Raises:
        InputError: every problem found, each with its line and key.
    """
    root = read_yaml(path)
    problem = read_problem(root.table("problem"), Path(path).stem)
    problems: list[Problem] = []
    read = _levels(root, problem, _level_order(root), mesh or Mesh(), problems)
    if not problems:
        problems += _uncovered(root, problem, read)
    if problems:
        raise InputError(problems)
    return problem.op, _mapping(read, levels, dataflow)


def _level_order(root: YamlTable) -> list[str]:
    """Names of the levels, outermost first: as the architecture nests them, else as the mapping first names them."""
    targets = list(dict.fromkeys(item.text("target") for item in root.tables("mapping")))
    architecture = root.get("architecture")
    if architecture is None:
        return targets
    names = [_plain_name(name) for name in _names(architecture)]
    if missing := [target for target in targets if target not in names]:
        near = nearest(missing[0], names)
        hint = f"did you mean '{near}'?" if near else f"its names: {listed(names)}"
        raise root.error("mapping", f"the architecture has no level {spelled(missing[0])}", hint)
    return sorted(targets, key=names.index)


def _names(value: Any) -> Iterator[str]:
    """Every `name` of a tree in the order it is written, which is outermost first."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str):
            yield value["name"]
        for key, inner in value.items():
            if key != LINES:
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _plain_name(name: str) -> str:
    """A name without its count: ``PE[0..255]`` is ``PE``."""
    return name.partition("[")[0].strip()


def _levels(
    root: YamlTable, problem: TimeloopProblem, order: list[str], mesh: Mesh, problems: list[Problem]
) -> list[_Level]:
    levels = {name: _Level(name) for name in order}
    for item in root.tables("mapping"):
        with collecting(problems):
            level = levels[item.text("target")]
            match item.text("type"):
                case "temporal":
                    level.temporal += tuple(_loops(item, problem))
                case "spatial":
                    level.spatial += tuple(_spatial_loops(item, problem, mesh))
                case kind if kind in KEEPING:
                    level.bypassed = _bypassed(item, problem)
                case kind:
                    known = [TEMPORAL, SPATIAL, *KEEPING]
                    near = nearest(kind, known)
                    hint = f"did you mean '{near}'?" if near else f"known: {listed(known)}"
                    raise item.error("type", f"unknown directive {spelled(kind)}", hint)
    return list(levels.values())


def _loops(item: YamlTable, problem: TimeloopProblem) -> Iterator[Loop]:
    """The loops of a directive that iterate, outermost first."""
    factors = _factors(item, problem)
    for name in reversed(_permutation(item, problem, factors)):
        if factors.get(name, 1) > 1:
            yield Loop(problem.dims[name], factors[name])


def _spatial_loops(item: YamlTable, problem: TimeloopProblem, mesh: Mesh) -> Iterator[Loop]:
    factors = _factors(item, problem)
    inner_first = _permutation(item, problem, factors)
    split = item.whole("split", default=len(inner_first), least=0)
    for position, name in reversed(list(enumerate(inner_first))):
        if factors.get(name, 1) > 1:
            yield Loop(problem.dims[name], factors[name], mesh.x if position < split else mesh.y)


def _factors(item: YamlTable, problem: TimeloopProblem) -> dict[str, int]:
    """Factor of each dimension; 0 stands for all of the dimension."""
    stated = item.get("factors")
    texts = stated if isinstance(stated, list) else str("" if stated is None else stated).split()
    factors: dict[str, int] = {}
    for text in texts:
        match = _FACTOR.fullmatch(str(text))
        if match is None:
            raise item.error("factors", f"must be such as 'M=2 N=4' (got {spelled(text)})")
        name, factor, residual = match.groups()
        name = _dim(item, "factors", name, problem)
        if residual is not None and residual != factor:
            hint = "state the factor alone: the last tile is cut to the dimension's size"
            raise item.error("factors", f"residual factors are not read (got {spelled(text)})", hint)
        if name in factors:
            raise item.error("factors", f"names {name} twice")
        factors[name] = int(factor[:12]) or problem.sizes[name]
    return factors


def _permutation(item: YamlTable, problem: TimeloopProblem, factors: Iterable[str]) -> list[str]:
    """Dimensions innermost first; those that the permutation leaves out follow outside, as they are listed."""
    stated = item.get("permutation")
    texts = [str(text) for text in stated] if isinstance(stated, list) else _split(str(stated or ""), problem)
    names = [_dim(item, "permutation", text, problem) for text in texts]
    if len(set(names)) < len(names):
        raise item.error("permutation", f"names a dimension twice (got {spelled(stated)})")
    return names + [name for name in factors if name not in names]


def _split(text: str, problem: TimeloopProblem) -> list[str]:
    """``KNM``, ``K N M`` or ``K,N,M`` as names."""
    words = text.replace(",", " ").split()
    if len(words) == 1 and words[0] not in problem.dims:
        return list(words[0])
    return words


def _dim(item: YamlTable, key: str, name: str, problem: TimeloopProblem) -> str:
    if name not in problem.dims:
        near = nearest(name, problem.dims)
        hint = f"did you mean '{near}'?" if near else f"the problem's: {', '.join(problem.dims)}"
        raise item.error(key, f"unknown dimension {spelled(name)}", hint)
    return name


def _bypassed(item: YamlTable, problem: TimeloopProblem) -> frozenset[str]:
    """Operands that a level lets pass by: those that `bypass` lists; everything else is kept."""
    stated = {key: item.names(key) for key in ("keep", "bypass")}
    for key, names in stated.items():
        for name in names or ():
            if name not in problem.spaces:
                near = nearest(name, problem.spaces)
                hint = f"did you mean '{near}'?" if near else f"the problem's: {listed(problem.spaces)}"
                raise item.error(key, f"unknown data space {spelled(name)}", hint)
    kept, passing = stated["keep"] or [], stated["bypass"]
    if both := set(kept) & set(passing or ()):
        raise item.error("bypass", f"{listed(both)} cannot be both kept and bypassed")
    return frozenset(problem.spaces[name] for name in passing or ())


def _uncovered(root: YamlTable, problem: TimeloopProblem, levels: list[_Level]) -> Iterator[Problem]:
    """The factors of each dimension must cover it."""
    covered = dict.fromkeys(problem.dims.values(), 1)
    for level in levels:
        for loop in (*level.temporal, *level.spatial):
            covered[loop.dim] *= loop.factor
    for name, dim in problem.dims.items():
        if covered[dim] < problem.sizes[name]:
            message = f"factors of {name} multiply to {covered[dim]}, the problem has {problem.sizes[name]}"
            yield from root.error("mapping", message, f"raise a factor of {name}").problems


def _mapping(levels: list[_Level], names: Sequence[str], dataflow: str) -> Mapping:
    loops: list[Loop] = []
    tiles: dict[str, dict[str, int]] = {}
    by_lower = {name.lower(): name for name in names}
    for level in levels:
        held = {str(operand): len(loops) for operand in OPERANDS if operand not in level.bypassed}
        if held:
            tiles[by_lower.get(level.name.lower(), level.name.lower())] = held
        loops += [*level.temporal, *level.spatial]
    return Mapping(dataflow=dataflow, loops=tuple(loops), tiles=tiles)
