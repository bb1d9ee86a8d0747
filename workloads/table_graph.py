"""Dependencies of a trace: every name in `after` is a row further up, and nothing goes in a circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archsim.core.errors import Problem, unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One op as the check sees it: its name, what it reads, and the line it stands in."""

    name: str
    after: tuple[str, ...]
    line: int


def graph_problems(nodes: Sequence[Node]) -> list[Problem]:
    """Duplicate names, unknown names in `after`, cycles, and rows that stand before what they read."""
    position: dict[str, int] = {}
    problems = []
    for index, node in enumerate(nodes):
        if node.name in position:
            first = nodes[position[node.name]].line
            problems.append(Problem(line=node.line, key="name", message=f"{node.name!r} is already in line {first}"))
        else:
            position[node.name] = index
    cyclic = _cyclic(nodes, position)
    for index, node in enumerate(nodes):
        for name in node.after:
            if name not in position:
                problems.append(unknown_name("op", name, position, line=node.line, key="after"))
            elif position[name] >= index and name not in cyclic:
                later = nodes[position[name]].line
                message = f"{node.name!r} stands before {name!r} (line {later}), whose result it reads"
                problems.append(Problem(line=node.line, key="after", message=message))
    return problems + _cycle_problems(nodes, position, cyclic)


def _cyclic(nodes: Sequence[Node], position: Mapping[str, int]) -> set[str]:
    """Names that lie on a cycle or behind one: what is left when rows without open inputs are taken away."""
    waiting = {node.name: {name for name in node.after if name in position} for node in nodes}
    readers: dict[str, list[str]] = {}
    for name, sources in waiting.items():
        for source in sources:
            readers.setdefault(source, []).append(name)
    ready = [name for name, sources in waiting.items() if not sources]
    while ready:
        done = ready.pop()
        for reader in readers.get(done, ()):
            waiting[reader].discard(done)
            if not waiting[reader]:
                ready.append(reader)
    return {name for name, sources in waiting.items() if sources}


def _cycle_problems(nodes: Sequence[Node], position: Mapping[str, int], cyclic: set[str]) -> list[Problem]:
    """One problem per cycle, with its path, at the line of its first op."""
    problems = []
    seen: set[str] = set()
    for name in sorted(cyclic, key=position.__getitem__):
        path: list[str] = []
        while name not in seen:
            seen.add(name)
            path.append(name)
            name = next(source for source in nodes[position[name]].after if source in cyclic)
        if name in path:
            cycle = path[path.index(name) :]
            message = f"goes in a circle: {' <- '.join([*cycle, cycle[0]])}"
            problems.append(Problem(line=nodes[position[cycle[0]]].line, key="after", message=message))
    return problems
