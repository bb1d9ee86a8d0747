"""Sparse engines on real operands: what a run took, and the product it made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from archsim.sim.sparse.kernels import (
    CYCLES,
    EXECUTED,
    GATED,
    TALLY_SIZE,
    WAITING,
    pack_outer,
    select_structured,
    walk_windows,
)

Ints = npt.NDArray[np.int64]
Shared = Literal["", "weights", "inputs"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """One run of an engine."""

    outputs: Ints
    """(M, N): what the machine computed."""
    cycles: int
    executed: int
    """MACs of two non-zeros."""
    gated: int
    """MACs with a zero that took a lane's step."""
    waiting: int
    """Lane-cycles spent waiting."""


def play_windows(
    weights: Ints,
    inputs: Ints,
    *,
    operands: frozenset[str] = frozenset({"weights", "inputs"}),
    window: int,
    lanes: int = 1,
    least: int = 1,
    shared: Shared = "",
) -> Played:
    """Lanes that pass over zeros of `operands`, meet every `window` elements of the reduction, and share an operand.

    weights (N, K), inputs (M, K). Lanes that share inputs work on as many weight rows; lanes that share nothing differ
    in both.
    """
    _check(weights, inputs, window=window, lanes=lanes)
    rows, columns = _order(inputs.shape[0], weights.shape[0], shared)
    outputs, tally = _empty(inputs, weights)
    sees = np.array(["weights" in operands, "inputs" in operands], np.int64)
    shape = np.array([lanes, window, least], np.int64)
    walk_windows(_ints(weights), _ints(inputs), outputs, rows, columns, sees, shape, tally)
    return _played(outputs, tally)


def play_outer(
    weights: Ints,
    inputs: Ints,
    *,
    weight_lanes: int,
    weight_gathered: int,
    input_lanes: int,
    input_gathered: int,
    banks: int = 0,
) -> Played:
    """Outer products of vectors packed from as many gathered neighbours; products wait for the fullest of `banks`."""
    _check(weights, inputs, weight_lanes=weight_lanes, input_lanes=input_lanes)
    outputs, tally = _empty(inputs, weights)
    shape = np.array([weight_lanes, weight_gathered, input_lanes, input_gathered], np.int64)
    pack_outer(_ints(weights), _ints(inputs), outputs, shape, np.zeros(banks, np.int64), tally)
    return _played(outputs, tally)


def play_structured(weights: Ints, inputs: Ints, *, keep: int, group: int, lanes: int) -> Played:
    """N:M weights through selectors, `lanes` of one output a cycle. Raises ValueError for other weights."""
    _check(weights, inputs, lanes=lanes)
    padded = np.pad(_ints(weights), ((0, 0), (0, -weights.shape[1] % group)))
    groups = padded.reshape(len(padded), -1, group)
    if int((groups != 0).sum(axis=2).max()) > keep:
        raise ValueError(f"weights keep more than {keep} of {group} somewhere")
    order = np.argsort(groups == 0, axis=2, kind="stable")[:, :, :keep]
    kept = np.take_along_axis(groups, order, axis=2)
    outputs, tally = _empty(inputs, weights)
    places, values = (_ints(part.reshape(len(padded), -1)) for part in (order, kept))
    select_structured(places, values, _ints(inputs), outputs, np.array([keep, group, lanes], np.int64), tally)
    return _played(outputs, tally)


def _check(weights: Ints, inputs: Ints, **counts: int) -> None:
    if weights.shape[1] != inputs.shape[1]:
        raise ValueError(f"reductions differ: weights {weights.shape}, inputs {inputs.shape}")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1 (got {count})")


def _order(m: int, n: int, shared: Shared) -> tuple[Ints, Ints]:
    """Row and column of each output, in the order in which lanes take them."""
    all_outputs = np.arange(m * n, dtype=np.int64)
    if shared == "inputs":
        return all_outputs // n, all_outputs % n
    if shared == "weights":
        return all_outputs % m, all_outputs // m
    return (all_outputs // n + all_outputs % n) % m, all_outputs % n


def _empty(inputs: Ints, weights: Ints) -> tuple[Ints, Ints]:
    return np.zeros((len(inputs), len(weights)), np.int64), np.zeros(TALLY_SIZE, np.int64)


def _ints(values: Ints) -> Ints:
    return np.ascontiguousarray(values, dtype=np.int64)


def _played(outputs: Ints, tally: Ints) -> Played:
    return Played(
        outputs=outputs,
        cycles=int(tally[CYCLES]),
        executed=int(tally[EXECUTED]),
        gated=int(tally[GATED]),
        waiting=int(tally[WAITING]),
    )
