"""Why an op does not fit an accelerator's memories, and what would make it fit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.base import Engine
from archsim.arch.memory import UNLIMITED, MemoryLevel
from archsim.core.errors import InfeasibleError
from archsim.core.spelling import brief, size_text
from archsim.sim.problem import element_bits, stored_bits
from archsim.workloads.op import OPERANDS, Op, OperandName, VectorOp

Fits = Callable[[tuple[MemoryLevel, ...]], bool]
"""Whether the op has a mapping on the accelerator with these memories."""

MOST_DOUBLINGS = 40


def check_off_chip(op: Op | VectorOp, accelerator: Accelerator) -> None:
    """Raise InfeasibleError when the op's tensors are larger than the outermost off-chip memory that must hold them."""
    outermost = accelerator.memories[0] if accelerator.memories else None
    if outermost is None or not outermost.off_chip:
        return
    sizes = tensor_bits(op, outermost, accelerator.engine)
    total = sum(sizes.values())
    if total > outermost.capacity_bits:
        parts = ", ".join(f"{name} {_size(bits)}" for name, bits in sizes.items())
        raise InfeasibleError(
            f"op {brief(op.name)!r}: its tensors take {_size(total)} ({parts}), more than {outermost.name} holds "
            f"({_size(outermost.capacity_bits)}): enlarge {outermost.name}, lower the batch or context, "
            "or use narrower formats"
        )


def tensor_bits(op: Op | VectorOp, level: MemoryLevel, engine: Engine | None = None) -> dict[str, float]:
    """Stored bits of the op's tensors that the level serves; of a vector op its result, which it may read again.

    As `engine` stores them; without one, dense.
    """
    if isinstance(op, VectorOp):
        return {"outputs": op.elements * element_bits(op.format)} if level.serves("outputs", "activation") else {}
    served: list[OperandName] = [name for name in OPERANDS if level.serves(name, op.operand(name).role.value)]
    if engine is None:
        return {name: op.elements(name) * element_bits(op.operand(name).format) for name in served}
    return {name: op.elements(name) * stored_bits(op, name, engine) for name in served}


def no_tile(op: Op, accelerator: Accelerator, fits: Fits | None) -> InfeasibleError:
    """The error of an op without a mapping: the memory that is too small and the size, a power of two, that is not."""
    memories = accelerator.memories
    remedies = [] if fits is None else [text for i in range(len(memories)) if (text := _remedy(memories, i, fits))]
    limited = [level for level in memories if math.isfinite(level.capacity_bits)]
    held = ", ".join(f"{level.name} {_size(level.capacity_bits)}" for level in limited)
    if remedies:
        advice = f"{' or '.join(remedies)}, or use narrower formats"
    else:
        advice = "no single memory is to blame: enlarge several, or use narrower formats"
    return InfeasibleError(f"op {brief(op.name)!r}: its smallest tile does not fit the memories ({held}): {advice}")


def _remedy(memories: tuple[MemoryLevel, ...], index: int, fits: Fits) -> str | None:
    """The smallest power of two times the level's capacity with which the op fits; None when it is not to blame."""
    level = memories[index]

    def fits_with(capacity_bits: float) -> bool:
        return fits((*memories[:index], replace(level, capacity_bits=capacity_bits), *memories[index + 1 :]))

    if not math.isfinite(level.capacity_bits) or not fits_with(UNLIMITED):
        return None
    for doubling in range(1, MOST_DOUBLINGS):
        enlarged = level.capacity_bits * 2.0**doubling
        if fits_with(enlarged):
            return f"{level.name} is too small ({_size(level.capacity_bits)}), {_size(enlarged)} would do"
    return None


def _size(bits: float) -> str:
    return size_text(bits / 8)
