"""What a mapped op waits for: what binds it, and its stall cycles by cause, level and operand."""

from __future__ import annotations

import math

import numpy as np

from archsim.sim.kernels import (
    COMPUTE,
    FILLS,
    FIRST_LOAD,
    LIMIT,
    LIMIT_LEVEL,
    LINK_TIME,
    LOAD_FIRST,
    READS,
    READS_PARTIAL,
    STREAMED,
    THROUGHPUT,
    UNBUFFERED,
    UPDATES,
    WRITE_BACK,
    WRITES_PARTIAL,
)
from archsim.sim.problem import Problem
from archsim.sim.raw import Raw
from archsim.sim.records import Stall
from archsim.workloads.op import OPERANDS

Counts = list[list[list[float]]]
"""[level][operand][plane] of what the closed form counted."""


def binding(problem: Problem, raw: Raw) -> str:
    """What the op waits for: a level, `latency` (fill, drain, first load, last write-back) or `compute`."""
    out: list[float] = raw.out.tolist()
    through = out[COMPUTE] + out[FIRST_LOAD] + out[WRITE_BACK]
    if problem.frame.counting[THROUGHPUT] == LOAD_FIRST and out[LIMIT] > out[COMPUTE]:
        return problem.levels_used[int(out[LIMIT_LEVEL])].name
    if out[LIMIT_LEVEL] >= 0 and out[LIMIT] > through:
        return problem.levels_used[int(out[LIMIT_LEVEL])].name
    if out[UNBUFFERED] > max(out[STREAMED], through - out[STREAMED]):
        busiest = int(np.argmax(raw.traffic[LINK_TIME].max(axis=1)))
        return problem.levels_used[busiest].name
    return "latency" if through - out[STREAMED] > out[STREAMED] else "compute"


def stalls(problem: Problem, raw: Raw, counts: Counts, stall_cycles: int) -> tuple[Stall, ...]:
    """Stall cycles by cause, level and operand; whole cycles that add up to `stall_cycles`."""
    if stall_cycles <= 0:
        return ()
    shares = _shares(problem, raw, counts)
    total = sum([share for *_, share in shares])
    exact = [stall_cycles * share / total for *_, share in shares]
    cycles = [math.floor(value) for value in exact]
    by_fraction = sorted(range(len(exact)), key=lambda i: (cycles[i] - exact[i], i))
    for i in by_fraction[: stall_cycles - sum(cycles)]:
        cycles[i] += 1
    return tuple(
        Stall(cause=cause, level=level, operand=operand, cycles=count)
        for (cause, level, operand, _), count in zip(shares, cycles, strict=True)
        if count > 0
    )


def _shares(problem: Problem, raw: Raw, counts: Counts) -> list[tuple[str, str, str, float]]:
    out: list[float] = raw.out.tolist()
    shares: list[tuple[str, str, str, float]] = []
    # Where first loads come before everything else, they are waited for besides what limits it.
    serial = problem.frame.counting[THROUGHPUT] == LOAD_FIRST
    through = out[COMPUTE] if serial else out[COMPUTE] + out[FIRST_LOAD] + out[WRITE_BACK]
    limited = out[LIMIT_LEVEL] >= 0 and out[LIMIT] > through
    levels = problem.levels_used
    if limited:
        limit = int(out[LIMIT_LEVEL])
        bits = _port_bits(problem, counts[limit], limit)
        for amount, operand in zip(bits, OPERANDS, strict=True):
            if amount > 0:
                share = (out[LIMIT] - out[COMPUTE]) * amount / sum(bits)
                shares.append(("bandwidth", levels[limit].name, operand, share))
    for i, level in enumerate(levels):
        for j, operand in enumerate(OPERANDS):
            time = counts[i][j][LINK_TIME]
            if time <= 0:
                continue
            below = next(k for k in range(i + 1, len(levels)) if raw.tiles[k, j] >= 0)
            if not serial and not levels[below].double_buffer:
                shares.append(("unbuffered", level.name, operand, time))
            elif serial or not limited:
                shares.append(("write-back" if operand == "outputs" else "first-load", level.name, operand, time))
    return shares


def _port_bits(problem: Problem, counts: list[list[float]], level: int) -> list[float]:
    """Bits of each operand through a level's ports; `counts`: its [operand][plane]."""
    bits: list[float] = problem.machine.stored_bits[level].tolist()
    return [
        (own[READS] + own[FILLS] + own[UPDATES]) * bits[j]
        + (own[READS_PARTIAL] + own[WRITES_PARTIAL]) * (bits[3] - bits[j])
        for j, own in enumerate(counts)
    ]
