"""A sparse engine's policy on masks of one op: what is executed and how long it takes, against dense masks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.cartesian import Cartesian, Gather
from archsim.arch.engines.data import OperandData
from archsim.arch.engines.skipping import Gating, Ignoring, Skipping, Structured
from archsim.arch.engines.sparse import Policy
from archsim.sim.sparse.play import Played, play_outer, play_structured, play_windows

Mask = NDArray[np.bool_]
SELECTED_LANES = 16
"""Kept weights that a structured dot product takes in a cycle; speed over dense weights hardly depends on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPlay:
    """One op's masks on an engine."""

    executed_fraction: float
    """MACs of two non-zeros over all."""
    speed: float
    """Dense time over that of the masks."""
    waiting_fraction: float
    """Lane-cycles spent waiting over all."""


def executed_fraction(weights: Mask, inputs: Mask) -> float:
    """Share of the products of all rows of weights (N, K) with all rows of inputs (M, K) that have no zero."""
    return float(np.dot(weights.mean(axis=0), inputs.mean(axis=0)) / weights.shape[1])


def rows_of(policy: Policy) -> int:
    """Rows of an operand that fill the policy's vectors or waiting lanes."""
    match policy:
        case Skipping():
            return policy.lanes
        case Cartesian():
            return max(max(gather.weights.gathered, gather.inputs.gathered) for gather in policy.gathers)
        case _:
            return 1


def play_masks(policy: Policy, weights: Mask, inputs: Mask, data: tuple[OperandData, OperandData]) -> MaskPlay:
    """The policy on masks (N, K) and (M, K); `data` are what is stated of weights and inputs.

    Rows that do not fill a vector or a turn of the waiting lanes are left out.
    """
    executed = executed_fraction(weights, inputs)
    match policy:
        case Skipping():
            return _windows(policy, weights, inputs, executed)
        case Cartesian():
            return _outer(policy, weights, inputs, executed, data)
        case Structured():
            ratio = policy.fitting(data[0])
            if ratio is None:
                return MaskPlay(executed_fraction=executed, speed=1.0, waiting_fraction=0.0)
            keep, group = ratio
            played = play_structured(_ones(weights), _ones(inputs), keep=keep, group=group, lanes=SELECTED_LANES)
            dense = len(weights) * len(inputs) * math.ceil(weights.shape[1] / SELECTED_LANES)
            return MaskPlay(executed_fraction=executed, speed=dense / played.cycles, waiting_fraction=0.0)
        case Gating() | Ignoring():
            return MaskPlay(executed_fraction=executed, speed=1.0, waiting_fraction=0.0)


def _windows(policy: Skipping, weights: Mask, inputs: Mask, executed: float) -> MaskPlay:
    turns = policy.lanes
    if policy.shared == "weights":
        inputs = inputs[: max(turns, len(inputs) // turns * turns)]
    else:
        weights = weights[: max(turns, len(weights) // turns * turns)]
    shared = policy.shared if policy.shared in ("weights", "inputs") else ""
    window = min(policy.window or weights.shape[1], weights.shape[1])
    played = play_windows(
        _ones(weights),
        _ones(inputs),
        operands=policy.operands,
        window=window,
        lanes=turns,
        least=policy.least,
        shared=shared,  # type: ignore[arg-type]
    )
    return _against(played, weights, inputs, turns, executed)


def _outer(
    policy: Cartesian, weights: Mask, inputs: Mask, executed: float, data: tuple[OperandData, OperandData]
) -> MaskPlay:
    def speed(gather: Gather) -> float:
        return policy.gathered(gather, *data).speed

    gather = max(policy.gathers, key=speed)
    weights = weights[: max(1, len(weights) // gather.weights.gathered) * gather.weights.gathered]
    inputs = inputs[: max(1, len(inputs) // gather.inputs.gathered) * gather.inputs.gathered]
    played = play_outer(
        _ones(weights),
        _ones(inputs),
        weight_lanes=gather.weights.lanes,
        weight_gathered=gather.weights.gathered,
        input_lanes=gather.inputs.lanes,
        input_gathered=gather.inputs.gathered,
        banks=0 if policy.queues else policy.banks,
    )
    found = _against(played, weights, inputs, gather.weights.lanes * gather.inputs.lanes, executed)
    speed_found = found.speed / data[1].spread
    useful = played.executed / (len(weights) * len(inputs) * weights.shape[1])
    return MaskPlay(
        executed_fraction=executed, speed=speed_found, waiting_fraction=max(0.0, 1.0 - useful * speed_found)
    )


def _against(played: Played, weights: Mask, inputs: Mask, lanes: int, executed: float) -> MaskPlay:
    dense = len(weights) * len(inputs) * weights.shape[1] / lanes
    cycles = max(1, played.cycles)
    return MaskPlay(
        executed_fraction=executed, speed=dense / cycles, waiting_fraction=played.waiting / (cycles * lanes)
    )


def _ones(mask: Mask) -> NDArray[np.int64]:
    return mask.astype(np.int64)
