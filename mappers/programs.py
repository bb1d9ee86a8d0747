"""Programs: every order of the nodes that can matter, with the loops between them, written as one that branches.

docs/mapper.md describes the space and why nothing outside it is better.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from archsim.core.memo import Memo
from archsim.mappers.even_programs import even_programs
from archsim.mappers.nodes import Nodes, chain
from archsim.mappers.program_writer import Ground, Step, Writer
from archsim.mappers.space_kernels import BRANCH, GROW, LEAF, UNEVEN
from archsim.sim.frame import Frame, Place
from archsim.sim.kernels import ALL_RESERVE, INPUTS, NO_RESERVE, RESERVE, Ints

Program = tuple[Ints, Ints, int]
"""Steps (steps, 10), where the branches among them lead, and the number of steps on the longest way through."""

APART, INSIDE = -2, -1
"""Between two nodes: the tile of the same operand may grow; loops that reuse the inner one stand inside the units."""

_PROGRAMS: Memo[Program] = Memo(most_bytes=1 << 25, size_of=lambda program: program[0].nbytes + program[1].nbytes)


Unrolled = tuple[frozenset[int], ...]
"""Of each boundary, the dimensions that some way to begin unrolls there."""


def program_of(
    nodes: Nodes, sizes: tuple[int, ...], fixed: Ints, unrolled: Unrolled, *, perfect: bool, even: bool
) -> Program:
    """Every order of the nodes that can matter, as one program that branches, and where its branches lead.

    It depends on the hardware and on which dimensions an op has, not on their sizes: programs are kept. `fixed` (K, D):
    sizes that tiles must have; `perfect`: factors divide; `even`: all operands of a level share one tile.
    """
    frame, uneven = nodes.frame, not perfect
    if not uneven:
        slid = {int(d) for d in frame.windows[:, (0, 2)].ravel()}
        unrolled = tuple([dims & slid for dims in unrolled])
    whole_is_less = not perfect and any(_holds_two(place, frame) for place in frame.places)
    long = tuple(d for d, size in enumerate(sizes) if size > 1)
    ground = Ground(nodes=nodes, long=long, fixed=fixed, unrolled=unrolled, uneven=uneven, whole_is_less=whole_is_less)
    key = (
        nodes.table.tobytes(),
        nodes.placed.tobytes(),
        nodes.n_bounds,
        frame.relevant.tobytes(),
        frame.windows[:, (0, 2)].tobytes(),
        tuple(size > 1 for size in sizes),
        frame.counting.tobytes(),
        (fixed > 0).tobytes(),
        unrolled,
        uneven,
        # It matters to the place of operands that are never reused.
        whole_is_less and bool(ground.placed_first),
        even,
    )
    return _PROGRAMS.get(key, lambda: _written(ground, even=even))


def _holds_two(place: Place, frame: Frame) -> bool:
    """Whether a level keeps room for the next tile."""
    reserve = frame.counting[RESERVE]
    return bool(reserve == ALL_RESERVE or (place.double_buffer and reserve != NO_RESERVE))


def _written(ground: Ground, *, even: bool) -> Program:
    if even:
        return _branching(list(even_programs(ground)))
    return _branching([line for order in _orders(ground) for line in _program(ground, order)])


def _branching(lines: list[list[Step]]) -> Program:
    steps: list[Step] = []
    jumps: list[int] = []
    _write_branches(lines, 0, steps, jumps)
    return np.array(steps, np.int64), np.array(jumps or [0], np.int64), _longest(steps, jumps)


def _longest(steps: list[Step], jumps: list[int]) -> int:
    """Steps of the longest way through a program; all ways lead forward."""
    ahead = [0] * (len(steps) + 1)
    for at in reversed(range(len(steps))):
        step = steps[at]
        follow = jumps[step[1] : step[1] + step[2]] if step[0] == BRANCH else [at + 1]
        ahead[at] = 1 if step[0] == LEAF else 1 + max(ahead[i] for i in follow)
    return ahead[0]


def _write_branches(lines: list[list[Step]], at: int, steps: list[Step], jumps: list[int]) -> None:
    """Write what `lines` have in common from step `at` on, then a branch, then each way on."""
    while True:
        following = dict.fromkeys(line[at] for line in lines if at < len(line))
        if not following:
            return
        if len(following) > 1:
            break
        steps.append(next(iter(following)))
        at += 1
    first = len(jumps)
    jumps += [-1] * len(following)
    steps.append((BRANCH, first, len(following), -1, lines[0][at][4], 0, 0, 0, 0, 0))
    for i, step in enumerate(following):
        jumps[first + i] = len(steps)
        _write_branches([line for line in lines if line[at] == step], at, steps, jumps)


def _orders(ground: Ground) -> Iterator[tuple[int, ...]]:
    """Interleavings of the operands' nodes, innermost first; a node inside a boundary comes before those outside."""
    nodes = ground.nodes.table
    regions: dict[int, list[int]] = {}
    for k in range(len(nodes)):
        regions.setdefault(ground.nodes.inside(k), []).append(k)
    parts = [_orders_of([chain(nodes, members, j) for j in range(3)], ground) for _, members in sorted(regions.items())]
    for choice in itertools.product(*parts):
        yield tuple(itertools.chain.from_iterable(choice))


def _orders_of(chains: list[tuple[int, ...]], ground: Ground) -> list[tuple[int, ...]]:
    """Orders of the nodes between two boundaries: those of an operand that is never reused first, where all have some.

    Whatever its tiles it moves as much, and the smallest take the least room: but a level that keeps room for the next
    tile may hold the whole of it in less (9 elements, not twice 8). So outer ones may also come last, as the whole.
    Where some operand has no node here, loops that reuse its tile further out need one above them: any order matters.
    So it does where tiles are reused below all those of the next level alone, and this one has other levels beside it:
    one of the smallest in that level would end the reuse of tiles that pass the other levels'.
    What a PE holds of an operand that every loop indexes comes first in any case: no loop can stand inside it.
    """
    held = tuple(k for own in chains for k in own if ground.nodes.level(k) < 0 and ground.operands[k] in ground.alone)
    others = [tuple(k for k in own if k not in held) for own in chains]
    levels = {ground.nodes.level(k) for own in others for k in own}
    any_order = not all(chains) or (ground.nested and len(levels) > 1)
    orders = _interleavings_of(others, ground) if any_order else _reused_last(others, ground)
    return [(*held, *order) for order in orders]


def _interleavings_of(chains: list[tuple[int, ...]], ground: Ground) -> list[tuple[int, ...]]:
    """Every order, those first in which what is never reused comes first: most often the best."""
    return list(_interleavings(sorted(chains, key=lambda own: not own or ground.operands[own[0]] not in ground.alone)))


def _reused_last(chains: list[tuple[int, ...]], ground: Ground) -> list[tuple[int, ...]]:
    """Orders in which outer nodes of operands that are never reused come last, or none of them."""
    rest = _interleavings_of([() if j in ground.placed_first else own for j, own in enumerate(chains)], ground)
    alone = [chains[j] for j in ground.placed_first]
    orders: list[tuple[int, ...]] = []
    cuts_of = [range(0 if ground.whole_is_less else len(own), len(own) + 1) for own in alone]
    for cuts in itertools.product(*cuts_of):
        first = tuple(k for own, cut in zip(alone, cuts, strict=True) for k in own[:cut])
        last = tuple(k for own, cut in zip(alone, cuts, strict=True) for k in own[cut:])
        orders += [(*first, *order, *last) for order in rest]
    return orders


def _interleavings(chains: list[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    if not any(chains):
        yield ()
        return
    for i, own in enumerate(chains):
        if own:
            rest = [*chains]
            rest[i] = own[1:]
            for tail in _interleavings(rest):
                yield (own[0], *tail)


def _program(ground: Ground, order: tuple[int, ...]) -> list[list[Step]]:
    """The programs of an order.

    Where an operand's nodes follow each other, the outer tile may grow between them or not. Where units lie between two
    nodes, the inner one may be reused past some of those outside it: one program for each number of these.
    """
    operands, insides, bounds = ground.operands, ground.insides, ground.nodes.n_bounds
    choices: list[list[tuple[int, int]]] = []
    left = (1 << len(order)) - 1
    for i in range(1, len(order)):
        left &= ~(1 << order[i - 1])
        chained = operands[order[i]] == operands[order[i - 1]] and operands[order[i]] not in ground.alone
        if chained and any(_gains(ground, order[i], left)):
            choices.append([(i, 0), (i, APART)])
        if insides[order[i]] != insides[order[i - 1]]:
            rest = [k for k in order[i:] if insides[k] == insides[order[i]]]
            most = _most_past(ground, rest, order[i - 1])
            choices.append([(i, n) for n in _crossings(ground, insides[order[i - 1]], insides[order[i]], most)])
    if order and insides[order[-1]] < bounds:
        choices.append([(len(order), n) for n in _crossings(ground, insides[order[-1]], bounds, 0)])
    variants = []
    for inner in itertools.product(*[_inner_loops(ground, b) for b in range(bounds)]):
        for chosen in itertools.product(*choices):
            apart = {i for i, n in chosen if n == APART}
            within = {i for i, n in chosen if n == INSIDE}
            past = {i: n for i, n in chosen if n > 0}
            variants.append(_write(ground, order, apart, within, past, inner))
    return variants


def _crossings(ground: Ground, first: int, last: int, most: int) -> list[int]:
    """Past how many nodes outside the boundaries from `first` to `last` a tile inside them is reused, or INSIDE.

    Where it is lifted above the loops that reuse it, those stand inside the units. Directly outside the units they are
    the same to other tiles, but where `passes` says so.
    """
    if not ground.nested:
        return list(range(most + 1))
    return [INSIDE, *range(0 if any(ground.passes[first:last]) else 1, most + 1)]


class Inner(NamedTuple):
    """Loops in time directly inside the units of a boundary, along dimensions of windows that are unrolled there."""

    dims: tuple[int, ...]
    least: int
    """Of each factor."""
    still: bool
    """Where they end a reuse: without further loops before them, past which nothing would slide."""
    ends: bool
    """Whether they may."""


Inners = tuple[Inner | None, ...]


def _inner_loops(ground: Ground, bound: int) -> list[Inner | None]:
    dims = ground.slides[bound]
    if ground.meets and dims:
        return [None, *(Inner(tuple(dims), 1, still=False, ends=ends) for ends in (False, True))]
    return [None, *(Inner((d,), 2, still=True, ends=True) for d in dims)]


def _spread(writer: Writer, bounds: int, inner: Inners) -> bool:
    """Put in spatial loops up to `bounds`, each above the loops `inner` inside it; whether those ended a reuse."""
    ended = False
    while writer.passed < bounds:
        loops = inner[writer.passed]
        inside = _reused_inside(writer)
        if loops is not None:
            ground, operand = writer.ground, writer.operand
            dims, reused = list(loops.dims), ground.lacking(operand) if operand >= 0 else list(loops.dims)
            if loops.ends and not set(dims) <= set(reused):
                writer.close(still=loops.still and operand != INPUTS)
                ended, inside = True, []
            elif not loops.ends:
                dims = [d for d in dims if d in reused]
            if ground.meets or not set(dims) <= set(inside):
                # Any factor makes windows equal, also one that leaves no unit without work.
                writer.segment += 1
                writer.grow(dims, least=loops.least)
                inside = [d for d in inside if d not in dims]
        if inside:
            writer.segment += 1
            for d in inside:
                writer.add(GROW, d, parent=UNEVEN)
        writer.spread_to(writer.passed + 1)
    return ended


def _reused_inside(writer: Writer) -> list[int]:
    """Dimensions along which what is pending is reused inside the units of the next boundary as well as outside.

    Where the last piece of a dimension leaves units without work, loops inside leave fewer with any, and loops outside
    take less time: as many elements move only where all have work. (Tiles that are lifted have programs for either.)
    """
    ground, operand = writer.ground, writer.operand
    if not ground.uneven or ground.nested or operand < 0:
        return []
    return [d for d in ground.lacking(operand) if d in ground.unrolled[writer.passed]]


def _most_past(ground: Ground, rest: list[int], inner: int) -> int:
    """How many of the nodes `rest` the operand of the node `inner` can be reused past, in this order.

    Nodes at one tile are the same in any order: they come by their numbers, those that are never reused first, but
    where a loop may stand between two. None is passed of the level that must stand still.
    """
    pending, nodes = ground.operands[inner], ground.nodes
    if ground.nested:
        above = int(nodes.table[inner, 2])
        rest = list(itertools.takewhile(lambda k: nodes.level(k) != above, rest))
    ranks = [(ground.operands[k] not in ground.alone, k) for k in rest]
    for n in range(1, len(rest)):
        if ranks[n] < ranks[n - 1] and not any(_gains_beside(ground, rest[n], pending)):
            return n
    return len(rest)


def _write(
    ground: Ground, order: tuple[int, ...], apart: set[int], within: set[int], past: dict[int, int], inner: Inners
) -> list[Step]:
    writer = Writer(ground)
    before, waiting = -1, 0
    for i, node in enumerate(order):
        operand, inside = ground.operands[node], ground.insides[node]
        chained = writer.operand == operand and i not in apart and i not in within
        chained = chained and not writer.beside and not writer.past_alone
        if i in within:
            # Tiles are lifted above loops inside the units only.
            _end_reuse(writer, operand)
            before = -1
        waiting = past.get(i, waiting) if writer.pending else 0
        if _spread(writer, inside, inner):
            before, waiting, chained = -1, 0, False
        if waiting > 0:
            waiting -= 1
            if writer.operand >= 0:
                _grow_beside(writer, node, writer.operand)
            writer.place(node, beside=True)
            continue
        if writer.operand >= 0 and not chained:
            before = _end_reuse(writer, operand)
        if not chained:
            _grow_before(writer, node, before)
        writer.place(node)
        if not writer.pending:
            before = -1
    if len(order) in within:
        writer.close()
    _spread(writer, ground.nodes.n_bounds, inner)
    return writer.ended()


def _end_reuse(writer: Writer, following: int) -> int:
    """Close what is pending, before a tile of the operand `following` is placed; its operand."""
    before, windows = writer.close(), writer.ground.window_dims
    if before == INPUTS and following != INPUTS and windows:
        # Inputs may slide along a window before the next tile is placed.
        writer.segment += 1
        writer.grow([d for d in windows if d not in writer.ground.lacking(following)])
    return before


def _grow_before(writer: Writer, node: int, before: int) -> None:
    """Loops over dimensions that a node's tile gains from though they index it."""
    reused = writer.ground.lacking(before) if before >= 0 else []
    gains, filled = _gains(writer.ground, node, writer.left)
    writer.segment += 1
    writer.grow([d for d in gains if d not in reused])
    for d in filled:
        if d not in (*reused, *gains):
            writer.add(GROW, d, parent=node)


def _gains(ground: Ground, node: int, left: int) -> tuple[list[int], list[int]]:
    """Dimensions that index a node and that it gains from: (in any case, as long as words are to be filled).

    The former: windows, fixed sizes, and those along which an operand is reused whose next tile lies beyond the units
    above this node (elsewhere that tile would come before these loops). `left`: a bit for each node not placed yet.
    """
    known = ground.gains.get((node, left))
    if known is None:
        known = ground.gains[node, left] = _found_gains(ground, node, left)
    return known


def _found_gains(ground: Ground, node: int, left: int) -> tuple[list[int], list[int]]:
    if ground.nodes.level(node) < 0:
        return [], []
    operand, here = ground.operands[node], ground.insides[node]
    gains = set(ground.window_dims) if operand == INPUTS else set()
    gains |= ground.fixed_dims[node]
    relevant = ground.relevant(operand)
    if ground.meets:
        gains |= relevant.intersection(itertools.chain.from_iterable(ground.slides[here:]))
    for other in range(3):
        own = [k for k in range(len(ground.operands)) if left >> k & 1 and ground.operands[k] == other]
        if own and all(ground.insides[k] > here for k in own):
            gains |= relevant.intersection(ground.lacking(other))
    filled = relevant - gains if ground.fills_words else set()
    return sorted(gains), sorted(filled)


def _grow_beside(writer: Writer, node: int, pending: int) -> None:
    """Loops that the pending operand is reused along, and that a node placed beside it gains from."""
    gains, filled = _gains_beside(writer.ground, node, pending)
    writer.segment += 1
    writer.grow(gains)
    for d in filled:
        writer.add(GROW, d, parent=node)


def _gains_beside(ground: Ground, node: int, pending: int) -> tuple[list[int], list[int]]:
    """As `_gains`, of the dimensions that the pending operand is reused along."""
    operand = ground.nodes.operand(node)
    reused = [d for d in ground.lacking(pending) if d in ground.relevant(operand)]
    slides = ground.window_dims if operand == INPUTS else []
    gains = [d for d in reused if d in slides or ground.fixed[node, d] > 0]
    return gains, [d for d in reused if d not in gains] if ground.fills_words else []
