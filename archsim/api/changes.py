"""Single changes of a design's hardware that could help an op, as `--set` keys on its resolved values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archsim.api.design import Design
from archsim.arch.memory import MemoryLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: what it is in words, what it is about (a memory, `array` or `vector`), and its keys."""

    text: str
    about: str
    overrides: tuple[str, ...]


def hardware_changes(design: Design) -> tuple[Change, ...]:
    """Twice of everything that can be doubled, and everything on that is off, one at a time."""
    hardware = design.resolved["hardware"]
    memories = {entry["name"]: entry for entry in hardware["memory"]}
    found: list[Change] = []
    for level in design.accelerator.memories:
        found += _memory_changes(level, memories[level.name])
    found += _array_changes(hardware["array"])
    lanes = design.accelerator.vector.lanes
    found.append(
        Change(text="twice the vector lanes", about="vector", overrides=(f"hardware.vector.lanes={2 * lanes}",))
    )
    return tuple(found)


def _memory_changes(level: MemoryLevel, entry: Mapping[str, Any]) -> Iterator[Change]:
    place = f"hardware.memory.{level.name}"
    if rates := _doubled_rates(level, entry):
        overrides = tuple(f"{place}.{key}={value}" for key, value in rates.items())
        yield Change(text=f"twice the bandwidth of {level.name}", about=level.name, overrides=overrides)
    if math.isfinite(level.capacity_bits) and not level.off_chip:
        overrides = (f"{place}.capacity='{2 * level.capacity_bits:.17g} bit'",)
        yield Change(text=f"twice the capacity of {level.name}", about=level.name, overrides=overrides)
    if not level.double_buffer and not level.off_chip:
        overrides = (f"{place}.double_buffer=true",)
        yield Change(text=f"{level.name} double-buffered", about=level.name, overrides=overrides)


def _doubled_rates(level: MemoryLevel, entry: Mapping[str, Any]) -> dict[str, str]:
    """Bandwidth keys of a memory with twice their value; none for one without a limit."""
    if level.operand_bits_per_cycle:
        doubled = ", ".join(f'{operand} = "{_rate(bits)}"' for operand, bits in level.operand_bits_per_cycle)
        return {"bandwidth": f"{{{doubled}}}"}
    read, write = level.read_bits_per_cycle, level.write_bits_per_cycle
    if "bandwidth" in entry or level.shared_ports or (read == write and "read_bandwidth" not in entry):
        return {"bandwidth": f"'{_rate(read)}'"} if math.isfinite(read) else {}
    rates = {"read_bandwidth": read, "write_bandwidth": write}
    return {key: f"'{_rate(bits)}'" for key, bits in rates.items() if math.isfinite(bits)}


def _rate(bits_per_cycle: float) -> str:
    return f"{2 * bits_per_cycle:.17g} bit/cycle"


def _array_changes(array: Mapping[str, Any]) -> Iterator[Change]:
    place = "hardware.array"
    if array.get("axes"):
        for index, axis in enumerate(array["axes"]):
            name = axis.get("name") or f"axis {index + 1}"
            overrides = (f"{place}.axes.{index}.size={2 * axis['size']}",)
            yield Change(text=f"twice the PEs on {name}", about="array", overrides=overrides)
        return
    for key in ("rows", "cols"):
        yield Change(text=f"twice the {key}", about="array", overrides=(f"{place}.{key}={2 * array[key]}",))
    for key, words in (("fold_overlap", "overlapping folds"), ("weight_double_buffer", "double-buffered weights")):
        if not array.get(key):
            yield Change(text=words, about="array", overrides=(f"{place}.{key}=true",))
