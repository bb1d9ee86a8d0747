"""`base`: hardware keys inherited from a catalog entry or from another design file.

Tables merge key by key. A memory named as in the base overrides that one key by key, ``remove = true`` drops it,
``before = "NAME"`` places it, and a new one without `before` comes last (innermost). A key that a design states for
the array holds in every phase: what the base has of it by phase goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.api.places import Merged, Origin
from archsim.arch.catalog import hardware_document, hardware_names
from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import listed
from archsim.core.toml import KeyPath, read_toml

# A key here replaces those of the base that say the same thing in other words.
_REPLACES = {
    "dataflow": ("dataflows",),
    "dataflows": ("dataflow",),
    "bandwidth": ("read_bandwidth", "write_bandwidth"),
    "axes": ("rows", "cols"),
    "mac_energy": ("step_energy",),
    "step_energy": ("mac_energy",),
}
_DIRECTIONS = ("remove", "before")


@dataclass(frozen=True, slots=True)
class Layer:
    """One `[hardware]` table on the way from the design to its last base."""

    values: Mapping[str, Any]
    origin: Origin
    folder: Path | None
    """What a relative base is relative to; None: no file may be named."""


def inherit(merged: Merged, layer: Layer, *over: Layer) -> None:
    """Put the hardware of `layer`, with everything it inherits, under ``hardware`` in `merged`.

    `over` may name a base in the layer's stead (from the command line); it has no other keys.
    """
    chain = [layer, *_chain(*over)] if over else _chain(layer)
    hardware: dict[str, Any] = {}
    origins: dict[KeyPath, Origin] = {}
    for link in reversed(chain):
        _merge_table(hardware, link.values, link.origin, (), origins, merged.problems)
    if isinstance(hardware.get("base"), str):
        del hardware["base"]
    merged.values["hardware"] = hardware
    merged.layers = [link.origin.document for link in reversed(chain)]
    for path, origin in origins.items():
        merged.origins["hardware", *path] = origin
    merged.origins["hardware",] = layer.origin


def _chain(layer: Layer) -> list[Layer]:
    """The design's own table, its base's, that one's base's, ... Raises InputError for a base that leads nowhere."""
    chain, seen = [layer], {_identity(layer)}
    while isinstance(base := chain[-1].values.get("base"), str):
        last = chain[-1]
        try:
            parent = _base(base, last)
        except InputError as error:
            raise InputError(_at_base(problem, last) for problem in error.problems) from None
        if _identity(parent) in seen:
            steps = " -> ".join(link.origin.document.name for link in (*chain, parent))
            raise InputError(_at_base(Problem(message=f"base is cyclic: {steps}"), last))
        seen.add(_identity(parent))
        chain.append(parent)
    return chain


def _identity(layer: Layer) -> str:
    name = layer.origin.document.name
    return name if layer.folder is None else str(layer.folder.resolve() / Path(name).name)


def _at_base(problem: Problem, layer: Layer) -> Problem:
    if problem.file is not None:
        return problem
    placed = Problem(message=problem.message, hint=problem.hint, key="hardware.base")
    return layer.origin.below("base").placed(placed)


def _base(base: str, layer: Layer) -> Layer:
    if base.endswith(".toml") or "/" in base or "\\" in base:
        return _file_base(base, layer)
    if base not in hardware_names():
        near = nearest(base, hardware_names())
        hint = f"did you mean '{near}'?" if near else f"known: {listed(hardware_names())}"
        raise InputError(Problem(message=f"unknown base '{base}'", hint=hint))
    document = hardware_document(base)
    return Layer(document.values["hardware"], Origin(document, ("hardware",)), None)


def _file_base(base: str, layer: Layer) -> Layer:
    if layer.folder is None:
        raise InputError(Problem(message=f"only a design file can name another file (got '{base}')"))
    path = inside(base, layer.folder)
    if not path.is_file():
        raise InputError(Problem(message=f"no such file '{base}'"))
    shown = Path(layer.origin.document.name).parent / base
    document = read_toml(path, name=str(shown))
    hardware = document.values.get("hardware")
    if not isinstance(hardware, Mapping):
        raise InputError(Problem(file=str(shown), message="has no [hardware] table to inherit"))
    return Layer(hardware, Origin(document, ("hardware",)), path.parent)


def inside(name: str, folder: Path) -> Path:
    """The file `name` in `folder`. Raises InputError when it lies outside: designs do not reach over the disk."""
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, ValueError):
        raise InputError(Problem(message=f"is not a file's name (got {name!r})")) from None
    if not path.is_relative_to(root):
        message = f"'{name}' lies outside the design's folder"
        raise InputError(Problem(message=message, hint="copy it beside the design, or name it with --set"))
    return path


def _merge_table(
    target: dict[str, Any],
    own: Mapping[str, Any],
    origin: Origin,
    path: KeyPath,
    origins: dict[KeyPath, Origin],
    problems: list[Problem],
) -> None:
    """Lay the keys of `own` over `target`; note where each comes from."""
    if path == ("array",):
        _free_phases(target, own, origins)
    for key, value in own.items():
        for replaced in _REPLACES.get(key, ()):
            if replaced not in own:
                target.pop(replaced, None)
        place = (*path, key)
        if key == "memory" and not path and isinstance(value, list):
            _merge_memories(target, value, origin.below(key), origins, problems)
        elif isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge_table(target[key], value, origin.below(key), place, origins, problems)
        else:
            target[key] = deepcopy(value)
            for stale in [known for known in origins if known[: len(place)] == place]:
                del origins[stale]
            origins[place] = origin.below(key)


def _free_phases(array: dict[str, Any], own: Mapping[str, Any], origins: dict[KeyPath, Origin]) -> None:
    """Drop what the base's array has by phase of the keys that `own` states: they hold in every phase."""
    stated = {key for given in own if given != "phase" for key in (given, *_REPLACES.get(given, ()))}
    phases = array.get("phase")
    for phase, keys in phases.items() if isinstance(phases, dict) else ():
        for key in stated & set(keys) if isinstance(keys, dict) else ():
            del keys[key]
            for stale in [known for known in origins if known[:4] == ("array", "phase", phase, key)]:
                del origins[stale]


@dataclass(slots=True)
class _Memory:
    """A memory under construction, with the origin of the whole and of single inherited keys."""

    values: dict[str, Any]
    origin: Origin
    keys: dict[str, Origin]

    @property
    def name(self) -> str | None:
        name = self.values.get("name") if isinstance(self.values, Mapping) else None
        return name if isinstance(name, str) else None


def _merge_memories(
    target: dict[str, Any],
    own: list[Any],
    origin: Origin,
    origins: dict[KeyPath, Origin],
    problems: list[Problem],
) -> None:
    memories = _inherited(target, origins)
    base_names = {memory.name for memory in memories}
    seen: set[str] = set()
    for index, entry in enumerate(own):
        place = origin.below(index)
        if not isinstance(entry, Mapping):
            memories.append(_Memory(entry, place, {}))
            continue
        name = entry.get("name")
        if isinstance(name, str) and name in seen:
            problems.append(_memory_problem(name, f"memory '{name}' is named twice", place))
            continue
        if isinstance(name, str):
            seen.add(name)
        problem = _apply(memories, dict(entry), place, base_names)
        if problem is not None:
            problems.append(problem)
    for known in [known for known in origins if known[:1] == ("memory",)]:
        del origins[known]
    origins["memory",] = origin
    target["memory"] = [memory.values for memory in memories]
    for index, memory in enumerate(memories):
        origins["memory", index] = memory.origin
        for key, key_origin in memory.keys.items():
            origins["memory", index, key] = key_origin


def _inherited(target: dict[str, Any], origins: dict[KeyPath, Origin]) -> list[_Memory]:
    """The base's memories with the origins noted for them."""
    memories = []
    for index, values in enumerate(target.get("memory", ())):
        place = origins["memory", index]
        keys = {str(path[2]): origin for path, origin in origins.items() if path[:2] == ("memory", index) and path[2:]}
        memories.append(_Memory(values, place, keys))
    return memories


def _apply(
    memories: list[_Memory], entry: dict[str, Any], place: Origin, base_names: Iterable[object]
) -> Problem | None:
    """Add, override, move or drop one memory in place; what is wrong with its directions, if anything."""
    name = entry.get("name")
    known = [memory.name for memory in memories]
    found = known.index(name) if isinstance(name, str) and name in known else None
    if entry.get("remove") is True:
        if found is None or name not in base_names:
            return _unknown_memory(str(name), f"there is no memory '{name}' in the base to remove", base_names, place)
        del memories[found]
        return None
    memory = _overridden(memories[found], entry, place) if found is not None else _Memory(entry, place, {})
    before = entry.get("before")
    for key in _DIRECTIONS:
        if isinstance(entry.get(key), bool if key == "remove" else str):
            memory.values.pop(key, None)
    if isinstance(before, str):
        others = [other for other in memories if other.name != name]
        names = [other.name for other in others]
        position = names.index(before) if before in names else None
        if position is None:
            return _unknown_memory(
                str(name), f"before: unknown memory '{before}'", names, place.below("before"), before
            )
        memories[:] = [*others[:position], memory, *others[position:]]
    elif found is not None:
        memories[found] = memory
    else:
        memories.append(memory)
    return None


def _overridden(base: _Memory, entry: dict[str, Any], place: Origin) -> _Memory:
    """The base's memory with the entry's keys over it; what is not in the entry keeps its origin."""
    values, keys = dict(base.values), dict(base.keys)
    for key in values:
        keys.setdefault(key, base.origin.below(key))
    for key, value in entry.items():
        for replaced in _REPLACES.get(key, ()):
            if replaced not in entry:
                values.pop(replaced, None)
        values[key] = value
        keys.pop(key, None)
    return _Memory(values, place, keys)


def _memory_problem(name: str, message: str, place: Origin, hint: str | None = None) -> Problem:
    return place.placed(Problem(key=f"hardware.memory.{name}", message=message, hint=hint))


def _unknown_memory(
    name: str, message: str, known: Iterable[object], place: Origin, wanted: str | None = None
) -> Problem:
    names = [str(other) for other in known if other]
    near = nearest(wanted or name, names)
    hint = f"did you mean '{near}'?" if near else f"memories: {', '.join(names)}" if names else None
    return _memory_problem(name, message, place, hint)
