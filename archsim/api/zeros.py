"""A network's masks on a design's sparse array: occupancy and speed as played beside those of the closed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.api.design import Design, design_from_dict, load_design
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedMasks:
    """One product of the network."""

    name: str
    count: int
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
        }


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
    weights, inputs = operand_data(op, "weights"), operand_data(op, "inputs")
    length = min(weights.reduction, LONGEST)
    rows = max(ROWS, DRAWN_ELEMENTS // length)
    if mask is None:
        weight_rows = _drawn(op, "weights", rows, length, random)
    else:
        pattern, all_rows = mask
        weights = OpData(format=weights.format, operand="weights", reduction=weights.reduction, pattern=pattern)
        weight_rows = all_rows[:, :length]
    input_rows = _drawn(op, "inputs", rows, length, random)
    work = engine.work(weights, inputs)
    sample = _sample(weight_rows, engine), _sample(input_rows, engine)
    timed = play_masks(engine.policy, *sample, (weights, inputs))
    whole = executed_fraction(weight_rows, input_rows)
    played = MaskPlay(executed_fraction=whole, speed=timed.speed, waiting_fraction=timed.waiting_fraction)
    return work, played, weights.density, inputs.density


def _drawn(op: Op, operand: OperandName, rows: int, length: int, random: np.random.Generator) -> NDArray[np.bool_]:
    text = op.operand(operand).sparsity
    return drawn_mask(None if text is None else parse_sparsity(text), rows, length, random)


def _sample(mask: NDArray[np.bool_], engine: SparseEngine) -> NDArray[np.bool_]:
    """Rows that are played: as many as fill vectors and waiting lanes."""
    return mask[: max(ROWS, rows_of(engine.policy))]
