"""A network's masks on a design's sparse array: occupancy and speed as played beside those of the closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.api.design import Design, design_from_dict, load_design
from archsim.arch.engines.cartesian import Cartesian
from archsim.arch.engines.skipping import Work
from archsim.arch.engines.sparse import SparseEngine
from archsim.core.errors import InputError, Problem
from archsim.sim.schedule import signature
from archsim.sim.sparse.network import MaskPlay, executed_fraction, play_masks, rows_of
from archsim.workloads.drawn_masks import drawn_mask
from archsim.workloads.op import Op, OperandName
from archsim.workloads.operand_data import OpData, operand_data
from archsim.workloads.sparsity import parse_sparsity

ROWS = 64
"""Rows of each operand that are played at least."""
DRAWN_ELEMENTS = 1 << 18
"""Elements of a mask that are drawn at least: their density is within a few thousandths of the pattern's."""
LONGEST = 4096
"""Elements of a reduction that are played."""
NONZEROS = 8192
"""Non-zeros of an operand that are played at least, where there are rows: of 8192 a time is known within some 1 %."""
WALKED = 1 << 25
"""Pairs of elements that lanes walk over at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedMasks:
    """One product of the network."""

    name: str
    count: int
    macs: int
    """Of one occurrence, dense."""
    weight_density: float
    input_density: float
    expected: Work
    played: MaskPlay

    def to_dict(self) -> dict[str, Any]:
        """Shares and speeds, expected and played."""
        expected, played = self.expected, self.played
        return {
            "name": self.name,
            "count": self.count,
            "macs": self.macs,
            "weight_density": self.weight_density,
            "input_density": self.input_density,
            "expected_occupancy": self.weight_density * self.input_density,
            "occupancy": played.executed_fraction,
            "expected_speedup": expected.speed,
            "speedup": played.speed,
            "expected_waiting": expected.imbalance,
            "waiting": played.waiting_fraction,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedNetwork:
    """A network's products on an array."""

    design: str
    layers: tuple[PlayedMasks, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document `archsim.zeros/1`."""
        return {
            "schema": "archsim.zeros/1",
            "design": self.design,
            "layers": [layer.to_dict() for layer in self.layers],
            "totals": self.totals(),
        }

    def totals(self) -> dict[str, float]:
        """Of all products: shares of dense MACs, speeds of the whole array time, shares of that time spent waiting.

        Empty without products. Density is that which MACs meet, each layer's as often as it has MACs.
        """
        rows = [(layer.count * layer.macs, layer.to_dict()) for layer in self.layers]
        macs = sum(weight for weight, _ in rows)
        if not macs:
            return {}
        found: dict[str, float] = {"macs": macs}
        for name in ("weight_density", "input_density", "expected_occupancy", "occupancy"):
            found[name] = sum(weight * row[name] for weight, row in rows) / macs
        for speed, waiting in (("expected_speedup", "expected_waiting"), ("speedup", "waiting")):
            times = [(weight / row[speed], row) for weight, row in rows]
            time = sum(part for part, _ in times)
            found[speed] = macs / time
            found[waiting] = sum(part * row[waiting] for part, row in times) / time
        return found


def play_zeros(
    design: Design | Mapping[str, Any] | str | Path,
    *,
    masks: str | Path | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
) -> PlayedNetwork:
    """Masks of every product of a design's workload on its sparse array.

    Masks are drawn from the patterns of `[sparsity]` with `seed`; `masks` is an ``.npz`` file with an array for each
    layer, in which zero means pruned, for weights. Rows of outputs and tokens are a sample of at least 64.
    Raises InputError for a design whose array is not sparse, and for a wrong file.
    """
    chosen = _chosen(design, overrides)
    engine = chosen.accelerator.engine
    if not isinstance(engine, SparseEngine):
        message = f'needs kind = "sparse" (got kind {chosen.accelerator.kind!r})'
        raise InputError(Problem(key="hardware.kind", message=message))
    products = [op for op in chosen.trace.ops if isinstance(op, Op)]
    real = {} if masks is None else _real_masks(Path(masks), products)
    known: dict[Any, tuple[Work, MaskPlay, float, float]] = {}
    layers = []
    for index, op in enumerate(products):
        mask = real.get(op.name)
        key = (signature(op), None if mask is None else index)
        if key not in known:
            known[key] = _played(op, engine, mask, np.random.default_rng((seed, len(known))))
        work, played, weight_density, input_density = known[key]
        layers.append(
            PlayedMasks(
                name=op.name,
                count=op.count,
                macs=op.macs,
                weight_density=weight_density,
                input_density=input_density,
                expected=work,
                played=played,
            )
        )
    return PlayedNetwork(design=chosen.name, layers=tuple(layers))


def _chosen(design: Design | Mapping[str, Any] | str | Path, overrides: Sequence[str]) -> Design:
    if isinstance(design, Design):
        return design
    return design_from_dict(design, overrides) if isinstance(design, Mapping) else load_design(design, overrides)


def _real_masks(path: Path, products: Sequence[Op]) -> dict[str, tuple[str, NDArray[np.bool_]]]:
    """Pattern and rows of each layer's mask, by name of its ops."""
    from archsim.workloads.layers import layer_name
    from archsim.workloads.masks import read_each

    by_layer = {layer_name(op.name): op for op in products}
    found, _ = read_each(path, by_layer)
    if not found:
        message = f"{path.name} has no mask of a layer"
        raise InputError(Problem(key="--masks", message=message, hint="name each array as its layer"))
    return {op.name: found[layer_name(op.name)] for op in products if layer_name(op.name) in found}


def _played(
    op: Op, engine: SparseEngine, mask: tuple[str, NDArray[np.bool_]] | None, random: np.random.Generator
) -> tuple[Work, MaskPlay, float, float]:
    """Closed form and play of one product, and the densities that the closed form takes."""
    weights, inputs = (replace(operand_data(op, name), across=0) for name in ("weights", "inputs"))  # whole vectors
    length = min(weights.reduction, LONGEST)
    if mask is None:
        weight_rows = _drawn(op, "weights", _rows_drawn(weights, length), length, random)
    else:
        pattern, all_rows = mask
        weights = OpData(format=weights.format, operand="weights", reduction=weights.reduction, pattern=pattern)
        weight_rows = all_rows[:, :length]
    input_rows = _drawn(op, "inputs", _rows_drawn(inputs, length), length, random)
    work = engine.work(weights, inputs)
    sample = _sample(weight_rows, weights, engine), _sample(input_rows, inputs, engine)
    timed = play_masks(engine.policy, *sample, (weights, inputs))
    whole = executed_fraction(weight_rows, input_rows)
    played = MaskPlay(executed_fraction=whole, speed=timed.speed, waiting_fraction=timed.waiting_fraction)
    return work, played, weights.density, inputs.density


def _drawn(op: Op, operand: OperandName, rows: int, length: int, random: np.random.Generator) -> NDArray[np.bool_]:
    text = op.operand(operand).sparsity
    return drawn_mask(None if text is None else parse_sparsity(text), rows, length, random)


def _rows_drawn(data: OpData, length: int) -> int:
    """Rows of a drawn mask: those that are played, and enough for its density."""
    return max(ROWS, DRAWN_ELEMENTS // length, _rows_of_nonzeros(data, length))


def _rows_of_nonzeros(data: OpData, length: int) -> int:
    return math.ceil(NONZEROS / max(data.density * length, 1.0))


def _sample(mask: NDArray[np.bool_], data: OpData, engine: SparseEngine) -> NDArray[np.bool_]:
    """Rows that are played: as many as fill vectors and waiting lanes, and hold `NONZEROS`.

    Packed vectors pass over zeros at once; lanes that walk over both operands' take no more than `WALKED` pairs.
    """
    length, together = mask.shape[1], rows_of(engine.policy)
    rows = max(ROWS, together, _rows_of_nonzeros(data, length))
    if not isinstance(engine.policy, Cartesian):
        rows = min(rows, max(ROWS, together, math.isqrt(WALKED // length)))
    return mask[: -(-rows // together) * together]
