"""What low precision costs besides products: rotation, quantization, expansion and scaling, as vector operations.

Rotations and separate quantizations read a tensor and write another. Everything else works inside the stream of a
product (no reads, no writes: lanes only), is named after it, and is read by no other op.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal, get_args

from archsim.arch.formats import Format
from archsim.core.errors import InputError, Problem
from archsim.workloads.format_costs import (
    common_formats,
    dequantize_operations,
    is_plain_float,
    quantize_operations,
    scale_operations,
)
from archsim.workloads.globs import idle_globs, matches
from archsim.workloads.op import AnyOp, Op, Operand, OperandName, Role, Transfer, VectorKind, VectorOp
from archsim.workloads.parts import merged_name
from archsim.workloads.rotation import Rotation
from archsim.workloads.sparse_attention import BAND_SUFFIX
from archsim.workloads.surgery import Replacement, operand_sources, replaced, sources
from archsim.workloads.trace import Trace

Effect = Literal["quantize", "dequantize", "scale"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)

_KINDS: Mapping[str, VectorKind] = MappingProxyType(
    {"dequantize": "dequantize", "dequantize_inputs": "dequantize", "scale": "scale", "round": "quantize"}
)
"""Kind of an operation in a product's stream, by what is put behind the product's name."""
_COPIES = ("gather", "pool")
"""Vector operations whose results are values that they read: they need no rounding."""

FormatPair = Callable[[Format, Format], bool]
"""A question about the formats of weights and inputs."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """A vector operation between the op that makes a tensor and the products that read it."""

    suffix: str
    kind: VectorKind
    operations: float
    input_format: Format | None
    format: Format | None


def insert_rotations(trace: Trace, rotations: Iterable[tuple[str, Rotation]]) -> tuple[Trace, tuple[str, ...]]:
    """The trace with the inputs of the products that globs match rotated, and warnings of globs that match no product.

    The last glob that matches wins. Parameters are rotated beforehand, at no cost; keys and values, or another
    activation in their place, are rotated as they are made. Readers of one tensor share a rotation. Raises InputError
    for reductions that have no such rotation.
    """
    rules = tuple(rotations)
    chosen = {
        op.name: found[-1]
        for op in trace.ops
        if isinstance(op, Op) and (found := [rule for rule in rules if matches(rule[0], op.name)])
    }
    operations = _rotation_costs(trace, chosen)

    def rotation(op: Op, name: OperandName, source: AnyOp) -> Conversion | None:
        made = _made(source)
        return Conversion("rotate", "rotate", operations[op.name], made, made) if op.name in chosen else None

    products = replace(trace, ops=tuple(op for op in trace.ops if isinstance(op, Op)))
    warnings = [
        f"quantization.rotate: {glob!r} matches no product of {trace.name}"
        + (f" (did you mean {near!r}?)" if near else "")
        for glob, near in idle_globs(products, (glob for glob, _ in rules)).items()
    ]
    warnings += [
        f"quantization.rotate.{chosen[op.name][0]}: {op.name} reads what the network is given, which is not rotated"
        for op, read in zip(trace.ops, sources(trace), strict=True)
        if op.name in chosen and not read
    ]
    return _converted(trace, rotation), tuple(warnings)


def _rotation_costs(trace: Trace, chosen: Mapping[str, tuple[str, Rotation]]) -> dict[str, float]:
    """Operations per element of each product's rotation. Raises InputError with each glob whose layers have none."""
    problems: dict[Problem, None] = {}
    costs = {}
    for op in trace.ops:
        if not isinstance(op, Op) or op.name not in chosen:
            continue
        glob, rule = chosen[op.name]
        try:
            costs[op.name] = rule.operations(op.size(op.reduction))
        except InputError as error:
            problems.update({replace(p, key=f"quantization.rotate.{glob}"): None for p in error.problems})
    if problems:
        raise InputError(tuple(problems))
    return costs


def insert_quantize(trace: Trace) -> Trace:
    """The trace with every quantization of activations, keys and values as an op.

    Where a product reads a tensor in another format than it is made in, an op reads and rewrites it; products that read
    one tensor in one format share it. Where a tensor is made in a format with scales, or of integers, its results are
    rounded in the stream. Other vector operations read what was written. Formats must be chosen.
    """

    def conversion(op: Op, name: OperandName, source: AnyOp) -> Conversion | None:
        made, wanted = _made(source), op.operand(name).format
        if made is None or wanted is None or made == wanted:
            return None
        return Conversion("quantize", "quantize", quantize_operations(wanted), made, wanted)

    return _rounded(_converted(_reading_what_is_written(trace), conversion))


def insert_dequantize(trace: Trace, needs: FormatPair) -> Trace:
    """The trace with operands expanded where `needs(weights, inputs)` says that the unit cannot multiply them.

    The narrower operand is expanded to the wider's arithmetic in the stream, once per element and run: it is stored and
    moved as before. Ignores that tiles which are fetched again are expanded again.
    """

    def before(op: Op) -> tuple[Op, list[VectorOp]]:
        weights, inputs = op.weights.format, op.inputs.format
        if weights is None or inputs is None or not needs(weights, inputs):
            return op, []
        wide = common_formats(weights, inputs)
        expansions: tuple[tuple[str, OperandName, Format, Format], ...] = (
            ("dequantize", "weights", weights, wide[0]),
            ("dequantize_inputs", "inputs", inputs, wide[1]),
        )
        ops = [
            _in_stream(op, suffix, op.elements(name), dequantize_operations(old), old, new, op.operand(name))
            for suffix, name, old, new in expansions
            if new != old
        ]
        return replace(op, weights=replace(op.weights, format=wide[0]), inputs=replace(op.inputs, format=wide[1])), ops

    replacements = {}
    for op in trace.ops:
        if isinstance(op, Op):
            expanded, first = before(op)
            if first:
                replacements[op.name] = Replacement((*first, replace(expanded, after=None)), (op.name,))
    return replaced(trace, replacements)


def insert_scaling(trace: Trace, groups_in_unit: FormatPair) -> Trace:
    """The trace with the scales of weights and inputs applied to each product's results, in the stream.

    `groups_in_unit(weights, inputs)` says whether the unit scales the partial sums of groups itself.
    """
    replacements = {}
    for op in trace.ops:
        if not isinstance(op, Op) or op.weights.format is None or op.inputs.format is None:
            continue
        weights, inputs = op.weights.format, op.inputs.format
        operations = scale_operations(
            weights, inputs, op.size(op.reduction), groups_in_unit=groups_in_unit(weights, inputs)
        )
        if operations:
            made = op.outputs.format
            scale = _in_stream(op, "scale", op.elements("outputs"), operations, made, made, op.outputs)
            replacements[op.name] = Replacement((replace(op, after=None), replace(scale, after=(op.name,))), (op.name,))
    return replaced(trace, replacements)


def _converted(trace: Trace, choose: Callable[[Op, OperandName, AnyOp], Conversion | None]) -> Trace:
    """The trace with a vector operation wherever `choose` asks for one between a product's operand and its maker."""
    ops = {op.name: op for op in trace.ops}
    new: dict[str, dict[Conversion, VectorOp]] = {}
    shares = _Shares()
    renamed: dict[str, tuple[str, ...]] = {}
    for op, read in zip(trace.ops, sources(trace), strict=True):
        if not isinstance(op, Op):
            continue
        names = {name: name for name in read}
        for operand, makers in operand_sources(op, read).items():
            for maker in (ops[name] for name in makers if name in ops):
                conversion = choose(op, operand, maker)
                shares.add(maker, conversion, op, operand)
                if conversion is not None:
                    names[maker.name] = _shared(new, maker, conversion).name
        if any(old != name for old, name in names.items()):
            renamed[op.name] = tuple(names[name] for name in read)
    behind = {
        name: tuple(replace(op, elements=shares.elements(ops[name], key)) for key, op in found.items())
        for name, found in new.items()
    }
    read_anew = tuple(replace(op, after=renamed.get(op.name, op.after)) for op in trace.ops)
    return _behind(replace(trace, ops=read_anew), behind)


def _behind(trace: Trace, additions: Mapping[str, tuple[VectorOp, ...]]) -> Trace:
    """The trace with ops added behind others; what they follow stays as it is."""
    ops: list[AnyOp] = []
    for op, read in zip(trace.ops, sources(trace), strict=True):
        follows = op.after is None and read != tuple(earlier.name for earlier in ops[-1:])
        ops.append(replace(op, after=read) if follows else op)
        ops += additions.get(op.name, ())
    return replace(trace, ops=tuple(ops))


def _shared(new: dict[str, dict[Conversion, VectorOp]], maker: AnyOp, conversion: Conversion) -> VectorOp:
    """The conversion of a tensor, made once for all its readers; how many elements it has is filled in later."""
    found = new.setdefault(maker.name, {})
    if conversion not in found:
        same = sum(key.suffix == conversion.suffix for key in found)
        found[conversion] = VectorOp(
            name=f"{maker.name}.{conversion.suffix}{same + 1 if same else ''}",
            kind=conversion.kind,
            elements=1,
            operations_per_element=conversion.operations,
            count=maker.count,
            phase=maker.phase,
            after=(maker.name,),
            format=conversion.format,
            input_format=conversion.input_format,
        )
    return found[conversion]


class _Shares:
    """How much of each tensor its readers take, by conversion: parts and bands of one layer share a tensor."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, dict[Conversion | None, int]]] = {}

    def add(self, maker: AnyOp, conversion: Conversion | None, reader: Op, operand: OperandName) -> None:
        """Note that `reader` takes `operand` from `maker`, converted or not."""
        layer = merged_name(reader.name).removesuffix(BAND_SUFFIX)
        read = self._read.setdefault(maker.name, {}).setdefault(layer, {})
        read[conversion] = read.get(conversion, 0) + reader.elements(operand) * reader.count

    def elements(self, maker: AnyOp, conversion: Conversion) -> int:
        """Elements of one run of `maker` that are converted: for the layer that takes most, at most all it makes."""
        taken = [read for read in self._read[maker.name].values() if conversion in read]
        return max(1, *(_part(maker, read[conversion], sum(read.values())) for read in taken))


def _part(maker: AnyOp, own: int, whole: int) -> int:
    """Of what all parts of a layer take together, at most all that is made, the share of some parts."""
    made = maker.elements("outputs") if isinstance(maker, Op) else whole
    made = maker.elements if isinstance(maker, VectorOp) else made
    return math.ceil(Fraction(min(made * maker.count, whole) * own, whole * maker.count))


def _made(op: AnyOp) -> Format | None:
    """The format in which an op writes its results."""
    match op:
        case Op():
            return op.outputs.format
        case VectorOp():
            return op.format
        case Transfer():
            return None


def _reading_what_is_written(trace: Trace) -> Trace:
    """Vector operations read activations in the format their first source wrote."""
    ops = {op.name: op for op in trace.ops}
    result = []
    for op, read in zip(trace.ops, sources(trace), strict=True):
        if isinstance(op, VectorOp) and op.role is Role.ACTIVATION and read and read[0] in ops:
            op = replace(op, input_format=_made(ops[read[0]]) or op.input_format)
        result.append(op)
    return replace(trace, ops=tuple(result))


def _rounded(trace: Trace) -> Trace:
    """The trace with results that are made in a format with scales, or of integers, rounded in the stream."""
    additions = {}
    for op in trace.ops:
        made = _made(op)
        if made is None or is_plain_float(made):
            continue
        if isinstance(op, VectorOp) and (op.kind in (*_COPIES, "quantize", "dequantize", "scale")):
            continue
        elements = op.elements("outputs") if isinstance(op, Op) else op.elements if isinstance(op, VectorOp) else 0
        operand = op.outputs if isinstance(op, Op) else None
        rounding = _in_stream(op, "round", elements, quantize_operations(made), made, made, operand)
        additions[op.name] = (replace(rounding, after=(op.name,)),)
    return _behind(trace, additions)


def _in_stream(
    op: AnyOp,
    suffix: str,
    elements: int,
    operations: float,
    input_format: Format | None,
    format: Format | None,
    operand: Operand | None,
) -> VectorOp:
    """A vector operation inside the stream of `op`: lanes only."""
    return VectorOp(
        name=f"{op.name}.{suffix}",
        kind=_KINDS[suffix],
        elements=elements,
        reads_per_element=0.0,
        operations_per_element=operations,
        writes_per_element=0.0,
        count=op.count,
        phase=op.phase,
        format=format,
        input_format=input_format,
        role=Role.ACTIVATION if operand is None else operand.role,
    )
