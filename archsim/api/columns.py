"""Bit columns that a design keeps, against the columns that its workload's operands have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archsim.api.places import Merged
from archsim.arch.accelerator import Accelerator
from archsim.arch.engines.bit_serial import SerialEngine
from archsim.arch.engines.bit_skipping import Skipping, takes
from archsim.core.errors import Problem
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace

WORD_BITS = 8
"""Bits of the words that arrays with bit columns are built for; operands of more have words of twice as many."""


def check_columns(accelerators: Mapping[str, Accelerator], trace: Trace, merged: Merged) -> tuple[str, ...]:
    """Note in `merged` kept columns that no operand's word has; returns a warning where operands are narrower."""
    warnings = []
    for phase, accelerator in accelerators.items():
        engine = accelerator.engine
        if not isinstance(engine, SerialEngine) or not isinstance(engine.skipping, Skipping):
            continue
        kept, serial = engine.skipping.rule.columns, engine.skipping.serial
        widths = dict(_widths(trace, engine.skipping))
        if kept is None or not widths or kept <= max(widths):
            continue
        widest = max(widths)
        word = WORD_BITS * -(-widest // WORD_BITS)
        name = f"{serial} of {widths[widest]}"
        if kept > word:
            path = ("hardware", "array", "phase", phase, "kept_columns") if phase else _KEY
            message = f"must be at most {word}, the bits of a word that holds {name} (got {kept})"
            merged.report(path, Problem(message=message))
        else:
            key = ".".join(_KEY)
            warnings.append(f"{key} = {kept} takes nothing from {name}: all their {widest} columns are kept")
    return tuple(dict.fromkeys(warnings))


_KEY = ("hardware", "array", "kept_columns")


def _widths(trace: Trace, skipping: Skipping) -> Iterator[tuple[int, str]]:
    """Bits and formats of the serial operands whose columns can be pruned."""
    for op in trace.ops:
        if isinstance(op, Op):
            fmt = op.operand(skipping.serial).format
            if fmt is not None and takes(fmt.arithmetic):
                yield fmt.arithmetic.integer_bits, fmt.name
