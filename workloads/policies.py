"""Policies that give a trace its formats and its sparsity: by role, and by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem, nearest, unknown_name
from archsim.workloads.layers import layer_name
from archsim.workloads.op import AnyOp, Op, Operand, OperandName, Role, Transfer, VectorOp
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.trace import Trace

FORMAT_KEYS = ("weights", "inputs", "outputs", "kv_cache", "activations")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationPolicy:
    """Formats by role, with overrides by layer: the last glob that matches an op's name wins, key by key.

    A layer's keys are weights, inputs, outputs, kv_cache, or activations for inputs and outputs together.
    """

    weights: Format
    inputs: Format
    outputs: Format
    kv_cache: Format
    accumulator: Format
    layers: tuple[tuple[str, Mapping[str, Format]], ...] = ()

    def __post_init__(self) -> None:
        problems = [
            unknown_name("operand", key, FORMAT_KEYS, key=f"quantization.layers.{glob}")
            for glob, formats in self.layers
            for key in formats
            if key not in FORMAT_KEYS
        ]
        if problems:
            raise InputError(problems)

    def formats(self, name: str) -> dict[str, Format]:
        """Formats of the op `name` by key: weights, inputs, outputs, kv_cache."""
        chosen = {
            "weights": self.weights,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "kv_cache": self.kv_cache,
        }
        for glob, formats in self.layers:
            if _matches(glob, name):
                chosen |= _by_key(formats)
        return chosen


def apply_quantization(trace: Trace, policy: QuantizationPolicy) -> tuple[Trace, tuple[str, ...]]:
    """The trace with a format on every operand that had none, and warnings of globs that match no op.

    An operand's role decides: parameters take `weights`, keys and values `kv_cache`, activations `inputs` where they
    are read (also as the second factor of an encoder's attention) and `outputs` where they are made. The key and value
    projections make `outputs`; the cache format is what the attention products read. Formats that a trace file states
    are kept.
    """
    ops = tuple(_with_formats(op, policy.formats(op.name)) for op in trace.ops)
    return replace(trace, ops=ops), _unmatched(trace, tuple(glob for glob, _ in policy.layers), "quantization")


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityPolicy:
    """Sparsity patterns of weight parameters and of inputs, as `parse_sparsity` reads them; layers as in formats."""

    weights: str | None = None
    inputs: str | None = None
    layers: tuple[tuple[str, Mapping[str, str]], ...] = ()

    def __post_init__(self) -> None:
        tables = [("sparsity", {"weights": self.weights, "inputs": self.inputs})]
        tables += [(f"sparsity.layers.{glob}", dict(patterns)) for glob, patterns in self.layers]
        problems = [problem for place, table in tables for problem in _pattern_problems(place, table)]
        if problems:
            raise InputError(problems)

    def patterns(self, name: str) -> dict[str, str | None]:
        """Patterns of the op `name`, in their canonical spelling."""
        chosen: dict[str, str | None] = {"weights": self.weights, "inputs": self.inputs}
        for glob, patterns in self.layers:
            if _matches(glob, name):
                chosen |= dict(patterns)
        return {key: parse_sparsity(pattern).text if pattern else None for key, pattern in chosen.items()}


def apply_sparsity(trace: Trace, policy: SparsityPolicy) -> tuple[Trace, tuple[str, ...]]:
    """The trace with the policy's sparsity where an operand states none, and warnings of globs that match no op.

    `weights` is for parameters only: keys and values stay dense. `inputs` is for the inputs of products.
    """
    ops = tuple(_with_sparsity(op, policy.patterns(op.name)) for op in trace.ops)
    return replace(trace, ops=ops), _unmatched(trace, tuple(glob for glob, _ in policy.layers), "sparsity")


def _matches(glob: str, name: str) -> bool:
    """Whether `glob` names the op, with or without the prefix of a decode segment."""
    return fnmatchcase(name, glob) or fnmatchcase(layer_name(name), glob)


def _by_key(formats: Mapping[str, Format]) -> dict[str, Format]:
    """The formats with `activations` spelled out; a key given for itself wins over it."""
    both = formats.get("activations")
    spread = {"inputs": both, "outputs": both} if both is not None else {}
    return spread | {key: value for key, value in formats.items() if key != "activations"}


def _with_formats(op: AnyOp, formats: Mapping[str, Format]) -> AnyOp:
    match op:
        case Op():
            return replace(
                op,
                inputs=_with_format(op.inputs, "inputs", formats),
                weights=_with_format(op.weights, "weights", formats),
                outputs=_with_format(op.outputs, "outputs", formats),
            )
        case VectorOp():
            return replace(
                op,
                format=op.format or formats["outputs"],
                input_format=op.input_format or formats[_key(op.role, "inputs")],
            )
        case Transfer():
            return op


def _with_format(operand: Operand, name: OperandName, formats: Mapping[str, Format]) -> Operand:
    if operand.format is not None:
        return operand
    return replace(operand, format=formats[_key(operand.role, name)])


def _key(role: Role, name: OperandName) -> str:
    match role:
        case Role.PARAMETER:
            return "weights"
        case Role.KV:
            return "kv_cache"
        case Role.ACTIVATION:
            return "outputs" if name == "outputs" else "inputs"


def _with_sparsity(op: AnyOp, patterns: Mapping[str, str | None]) -> AnyOp:
    if not isinstance(op, Op):
        return op
    weights, inputs = op.weights, op.inputs
    if weights.role is Role.PARAMETER and weights.sparsity is None:
        weights = replace(weights, sparsity=patterns["weights"])
    if inputs.sparsity is None:
        inputs = replace(inputs, sparsity=patterns["inputs"])
    return replace(op, weights=weights, inputs=inputs)


def _pattern_problems(place: str, table: Mapping[str, str | None]) -> list[Problem]:
    problems = []
    for key, pattern in table.items():
        if key not in ("weights", "inputs"):
            problems.append(unknown_name("operand", key, ("weights", "inputs"), key=place))
        elif pattern is not None:
            try:
                parse_sparsity(pattern, key=f"{place}.{key}")
            except InputError as error:
                problems.extend(error.problems)
    return problems


def _unmatched(trace: Trace, globs: tuple[str, ...], table: str) -> tuple[str, ...]:
    """A warning for each glob that no op's name matches, with the nearest name."""
    names = {op.name for op in trace.ops}
    warnings = []
    for glob in globs:
        if not any(_matches(glob, name) for name in names):
            near = nearest(glob, {layer_name(name) for name in names})
            hint = f" (did you mean {near!r}?)" if near else ""
            warnings.append(f"{table}.layers: {glob!r} matches no op of {trace.name}{hint}")
    return tuple(warnings)
