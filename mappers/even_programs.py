"""Programs in which all operands of a level share one tile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from archsim.mappers.nodes import chain
from archsim.mappers.program_writer import Ground, Step, Writer


def even_programs(ground: Ground) -> Iterator[list[Step]]:
    """Programs in which all operands of a level share one tile: any of them may be the one that is reused first.

    An operand that is reused may be so past the tiles of levels further out, whether these hold it or not.
    """
    nodes = ground.nodes.table
    for groups in _group_orders(ground):
        for reused in itertools.product(range(3), repeat=len(groups)):
            held = [{int(nodes[k, 1]) for k in group} for group in groups]
            ways = [
                [past for past in (False, True) if past <= (again == operand) and (past or again in held[i + 1])]
                for i, (operand, again) in enumerate(itertools.pairwise(reused))
            ]
            if not groups:
                yield _write_even(ground, (), (), ())
            elif reused[0] in held[0]:
                for past in itertools.product(*ways):
                    yield _write_even(ground, groups, reused, past)


def _group_orders(ground: Ground) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Nodes by level, in every order that keeps each operand's own; what a PE holds is of one operand each."""
    nodes = ground.nodes.table
    levels: dict[int, list[int]] = {}
    for k in range(len(nodes)):
        levels.setdefault(int(nodes[k, 0]) if nodes[k, 0] >= 0 else -1 - k, []).append(k)
    groups = [tuple(members) for members in levels.values()]
    rank = {k: at for j in range(3) for at, k in enumerate(chain(nodes, list(range(len(nodes))), j))}

    def inner(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        if ground.nodes.inside(a[0]) != ground.nodes.inside(b[0]):
            return ground.nodes.inside(a[0]) < ground.nodes.inside(b[0])
        return any(nodes[i, 1] == nodes[k, 1] and rank[i] < rank[k] for i in a for k in b)

    def extend(left: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if not left:
            yield ()
        for group in left:
            rest = [other for other in left if other is not group]
            if not any(inner(other, group) for other in rest):
                for tail in extend(rest):
                    yield (group, *tail)

    return extend(groups)


def _write_even(
    ground: Ground,
    groups: tuple[tuple[int, ...], ...],
    reused: tuple[int, ...],
    past: tuple[bool, ...],
) -> list[Step]:
    """One even program; `past[i]`: the operand reused at group i is reused past the next group too."""
    writer = Writer(ground)
    for i, (operand, members) in enumerate(zip(reused, groups, strict=True)):
        kept = i > 0 and past[i - 1]
        inside = ground.nodes.inside(members[0])
        _spread(writer, inside, slide=i > 0)
        before = writer.close(keep=kept) if i > 0 else -1
        if not kept:
            lacking = ground.lacking(before) if before >= 0 else []
            writer.segment += 1
            writer.grow([d for d in ground.long if d not in lacking])
        for node in sorted(members, key=lambda k: ground.nodes.table[k, 1] != operand):
            writer.place(node, beside=int(ground.nodes.table[node, 1]) != operand, together=True)
    _spread(writer, ground.nodes.n_bounds, slide=False)
    writer.close(fill=True)
    return writer.finished()


def _spread(writer: Writer, bounds: int, *, slide: bool) -> None:
    """Put in spatial loops up to `bounds`; inside the units inputs may slide along a window (any with `slide`)."""
    while writer.passed < bounds:
        writer.segment += 1
        writer.grow(writer.ground.window_dims if slide else writer.ground.slides[writer.passed])
        writer.spread_to(writer.passed + 1)
