"""Policies that give a trace its formats and its sparsity: by role, by layer, by head and by expert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import brief
from archsim.workloads.attention import attentions, value_products
from archsim.workloads.globs import idle_globs, matches
from archsim.workloads.op import OPERANDS, AnyOp, Op, Operand, OperandName, Role, Transfer, VectorOp
from archsim.workloads.parts import PartFinder, PartKind, matched_names, names_parts, part_index, range_text, split
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.sparsity_spelling import read_attention
from archsim.workloads.trace import Trace

FORMAT_KEYS = ("weights", "inputs", "outputs", "kv_cache", "activations", "keys", "values")
SPARSITY_KEYS = ("weights", "inputs", "outputs", "kv_cache", "attention")
_SPREAD = {"activations": ("inputs", "outputs"), "kv_cache": ("keys", "values")}
"""Words for two keys at once; a key given for itself wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRule:
    """Formats of single heads or experts of the layers that a glob matches."""

    glob: str
    kind: PartKind
    indices: frozenset[int]
    formats: Mapping[str, Format]

    def applies(self, name: str) -> bool:
        """Whether the rule is for the part of that name."""
        return part_index(name, self.kind) in self.indices and matches(self.glob, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizationPolicy:
    """Formats by role, with overrides by layer: the last glob that matches an op's name wins, key by key.

    A layer's keys are weights, inputs, outputs, keys and values (kv_cache for both), or activations for inputs and
    outputs together. `sensitive` formats of weights, by layer, lie below the globs; `parts` lie above them.
    """

    weights: Format
    inputs: Format
    outputs: Format
    kv_cache: Format
    accumulator: Format
    keys: Format | None = None
    """Of cached keys; None: `kv_cache`."""
    values: Format | None = None
    layers: tuple[tuple[str, Mapping[str, Format]], ...] = ()
    parts: tuple[PartRule, ...] = ()
    sensitive: Mapping[str, Format] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        tables = [(glob, formats) for glob, formats in self.layers]
        tables += [(rule.glob, rule.formats) for rule in self.parts]
        problems = [
            unknown_name("operand", key, FORMAT_KEYS, key=f"quantization.layers.{glob}")
            for glob, formats in tables
            for key in formats
            if key not in FORMAT_KEYS
        ]
        if problems:
            raise InputError(problems)

    @property
    def names_parts(self) -> bool:
        """Whether single heads or experts may be treated apart."""
        return bool(self.parts) or any(names_parts(glob) for glob, _ in self.layers)

    def formats(self, name: str) -> dict[str, Format]:
        """Formats of the op `name` by key: weights, inputs, outputs, keys, values."""
        chosen = {
            "weights": self.weights,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "keys": self.keys or self.kv_cache,
            "values": self.values or self.kv_cache,
        }
        kept = next((self.sensitive[layer] for layer in matched_names(name) if layer in self.sensitive), None)
        if kept is not None:
            chosen["weights"] = kept
        for glob, formats in self.layers:
            if matches(glob, name):
                chosen |= _by_key(formats)
        for rule in self.parts:
            if rule.applies(name):
                chosen |= _by_key(rule.formats)
        return chosen


def apply_quantization(trace: Trace, policy: QuantizationPolicy) -> tuple[Trace, tuple[str, ...]]:
    """The trace with a format on every operand that had none, and warnings of globs that match no op.

    An operand's role decides: parameters take `weights`, what is cached `keys` or `values`, activations `inputs` where
    they are read (also as the second factor of an encoder's attention) and `outputs` where they are made. The key and
    value projections make `outputs`; the cache format is what the attention products read. Formats that a trace file
    states are kept. An op whose heads or experts have different formats is split.
    """
    warnings = _unmatched(trace, tuple(glob for glob, _ in policy.layers), "quantization")
    if policy.names_parts:
        warnings += _idle_parts(trace, policy)
        trace = split(trace, lambda name: tuple(policy.formats(name).items()))
    values = _value_products(trace, policy)
    finder = PartFinder(trace) if policy.names_parts else None
    ops = tuple(
        _with_formats(op, policy.formats(op.name if finder is None else finder.representative(op)), op.name in values)
        for op in trace.ops
    )
    return replace(trace, ops=ops), warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsityPolicy:
    """Sparsity patterns by operand, as `parse_sparsity` reads them, and of attention; layers as in formats.

    A pattern ``file:NAME`` takes from `files[NAME]` what each layer's mask was read as; layers without one are dense.
    """

    weights: str | None = None
    inputs: str | None = None
    outputs: str | None = None
    kv_cache: str | None = None
    attention: str | None = None
    layers: tuple[tuple[str, Mapping[str, str]], ...] = ()
    files: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        tables = [("sparsity", {key: getattr(self, key) for key in SPARSITY_KEYS})]
        tables += [(f"sparsity.layers.{glob}", dict(patterns)) for glob, patterns in self.layers]
        problems = [problem for place, table in tables for problem in self._problems(place, table)]
        if problems:
            raise InputError(problems)

    def patterns(self, name: str) -> dict[str, str | None]:
        """Patterns of the op `name`, in their canonical spelling; None: dense."""
        chosen: dict[str, str | None] = {key: getattr(self, key) for key in SPARSITY_KEYS}
        for glob, patterns in self.layers:
            if matches(glob, name):
                chosen |= dict(patterns)
        return {key: self._canonical(key, pattern, name) for key, pattern in chosen.items()}

    def _canonical(self, key: str, pattern: str | None, name: str) -> str | None:
        if pattern is not None and (file := mask_file(pattern)) is not None:
            masks = self.files[file]
            return next((masks[layer] for layer in matched_names(name) if layer in masks), None)
        if pattern is None:
            return None
        text = read_attention(pattern).text if key == "attention" else parse_sparsity(pattern).text
        return None if text == "dense" else text

    def _problems(self, place: str, table: Mapping[str, str | None]) -> list[Problem]:
        found = []
        for key, pattern in table.items():
            if key not in SPARSITY_KEYS:
                found.append(unknown_name("operand", key, SPARSITY_KEYS, key=place))
            elif pattern is not None and not (key == "weights" and mask_file(pattern) in self.files):
                try:
                    check_pattern(key, pattern, f"{place}.{key}")
                except InputError as error:
                    found.extend(error.problems)
        return found


def apply_sparsity(trace: Trace, policy: SparsityPolicy) -> tuple[Trace, tuple[str, ...]]:
    """The trace with the policy's sparsity where an operand states none, and warnings of globs that match no op.

    `weights` is for parameters, `kv_cache` for what is cached, `inputs` and `outputs` for activations of products. They
    change no op's size: an engine may skip what is zero. `attention` changes the algorithm: its ops compute less.
    """
    warnings = _unmatched(trace, tuple(glob for glob, _ in policy.layers), "sparsity") + _idle_keys(trace, policy)
    if any(patterns.get("attention") for patterns in ({"attention": policy.attention}, *dict(policy.layers).values())):
        from archsim.workloads.sparse_attention import sparse_attention

        trace = sparse_attention(trace, lambda name: policy.patterns(name)["attention"])
    finder = None
    if any(names_parts(glob) for glob, _ in policy.layers):
        trace = split(trace, lambda name: tuple(policy.patterns(name).items()))
        finder = PartFinder(trace)
    ops = tuple(
        _with_sparsity(op, policy.patterns(op.name if finder is None else finder.representative(op)))
        for op in trace.ops
    )
    return replace(trace, ops=ops), warnings


def mask_file(pattern: str | None) -> str | None:
    """The file that ``file:NAME`` names; None for other patterns."""
    text = (pattern or "").strip()
    return text.removeprefix("file:") if text.startswith("file:") else None


def check_pattern(key: str, pattern: str, place: str | None = None) -> None:
    """Raise InputError where `pattern` is none that [sparsity] takes for `key`; masks are taken unread."""
    if key == "attention":
        read_attention(pattern, place)
    elif mask_file(pattern) is None:
        parse_sparsity(pattern, key=place)
    elif key != "weights":
        raise InputError(Problem(key=place, message=f"masks are of weights (got {brief(pattern)!r})"))
    elif not mask_file(pattern):
        raise InputError(Problem(key=place, message="must name a file (got 'file:')"))


def _by_key(formats: Mapping[str, Format]) -> dict[str, Format]:
    """The formats with words for two keys spelled out; a key given for itself wins over them."""
    spread = {key: fmt for word, keys in _SPREAD.items() if (fmt := formats.get(word)) is not None for key in keys}
    return spread | {key: fmt for key, fmt in formats.items() if key not in _SPREAD}


def _value_products(trace: Trace, policy: QuantizationPolicy) -> frozenset[str]:
    """Products that read cached values; not looked for where keys and values have the same format everywhere."""
    tables = [formats for _, formats in policy.layers] + [rule.formats for rule in policy.parts]
    stated = policy.keys is not None or policy.values is not None
    if not stated and not any("keys" in formats or "values" in formats for formats in tables):
        return frozenset()
    return value_products(trace)


def _with_formats(op: AnyOp, formats: Mapping[str, Format], values: bool) -> AnyOp:
    match op:
        case Op():
            return replace(
                op,
                inputs=_with_format(op.inputs, "inputs", formats, values),
                weights=_with_format(op.weights, "weights", formats, values),
                outputs=_with_format(op.outputs, "outputs", formats, values),
            )
        case VectorOp():
            return replace(
                op,
                format=op.format or formats["outputs"],
                input_format=op.input_format or formats[_key(op.role, "inputs", values)],
            )
        case Transfer():
            return op


def _with_format(operand: Operand, name: OperandName, formats: Mapping[str, Format], values: bool) -> Operand:
    if operand.format is not None:
        return operand
    return replace(operand, format=formats[_key(operand.role, name, values)])


def _key(role: Role, name: OperandName, values: bool) -> str:
    match role:
        case Role.PARAMETER:
            return "weights"
        case Role.KV:
            return "values" if values else "keys"
        case Role.ACTIVATION:
            return "outputs" if name == "outputs" else "inputs"


def _with_sparsity(op: AnyOp, patterns: Mapping[str, str | None]) -> AnyOp:
    if not isinstance(op, Op):
        return op
    changed = {name: _sparse(op.operand(name), name, patterns) for name in OPERANDS}
    return replace(op, inputs=changed["inputs"], weights=changed["weights"], outputs=changed["outputs"])


def _sparse(operand: Operand, name: OperandName, patterns: Mapping[str, str | None]) -> Operand:
    if operand.sparsity is not None:
        return operand
    match operand.role:
        case Role.PARAMETER:
            pattern = patterns["weights"]
        case Role.KV:
            pattern = patterns["kv_cache"]
        case Role.ACTIVATION:
            pattern = None if name == "weights" else patterns[name]
    return operand if pattern is None else replace(operand, sparsity=pattern)


def _unmatched(trace: Trace, globs: tuple[str, ...], table: str) -> tuple[str, ...]:
    """A warning for each glob that no op's name matches, with the nearest name."""
    return tuple(
        f"{table}.layers: {glob!r} matches no op of {trace.name}" + (f" (did you mean {near!r}?)" if near else "")
        for glob, near in idle_globs(trace, globs).items()
    )


def _idle_keys(trace: Trace, policy: SparsityPolicy) -> tuple[str, ...]:
    """A warning for each key of the whole table whose operands no op has."""
    warnings: tuple[str, ...] = ()
    if policy.attention is not None and not attentions(trace):
        warnings += (f"sparsity.attention changes nothing: {trace.name} has no attention",)
    cached = any(isinstance(op, Op) and op.weights.role is Role.KV for op in trace.ops)
    if policy.kv_cache is not None and not cached:
        warnings += (f"sparsity.kv_cache changes nothing: {trace.name} reads no cached keys and values",)
    return warnings


def _idle_parts(trace: Trace, policy: QuantizationPolicy) -> tuple[str, ...]:
    """A warning for each rule of heads that not all are there, and of experts of which none is."""
    finder = PartFinder(trace)
    held = [(op, parts) for op in trace.ops if isinstance(op, Op) and (parts := finder.parts(op)) is not None]
    warnings = []
    for rule in policy.parts:
        alike = [(op, parts) for op, parts in held if parts.kind == rule.kind and matches(rule.glob, op.name)]
        there = {index for _, parts in alike for index in parts.indices}
        idle = rule.indices - there
        if idle and (rule.kind == "heads" or idle == rule.indices):  # which experts run depends on the tokens
            have = f"no layer matches {rule.glob!r}"
            if there:
                does = "have" if rule.kind == "heads" else "run"
                have = f"layers that match {rule.glob!r} {does} {range_text(there)}"
            warnings.append(f"quantization.{rule.kind}: {range_text(idle)} treats nothing: {have}")
    return tuple(warnings)
