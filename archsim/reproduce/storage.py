"""Recomputations that formats alone decide: bits of elements, arrays and models."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fnmatch import fnmatchcase
from fractions import Fraction

from archsim.arch.formats import format
from archsim.core.errors import InputError, Problem
from archsim.reproduce.encoded import encoded_bits
from archsim.reproduce.options import BitsOptions, Encoding, StorageOptions, TensorOptions
from archsim.workloads.layers import layer_name
from archsim.workloads.models import model, model_config
from archsim.workloads.op import Op, Role
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.trace import Trace
from archsim.workloads.transformer_config import TransformerConfig

Shapes = list[tuple[tuple[int, ...], int]]
"""Shapes of arrays (last axis: the one along which scales are shared) and how many there are of each."""


def format_bits(options: BitsOptions) -> float:
    """Stored bits of one element."""
    chosen = format(options.format)
    if not options.shape:
        return float(chosen.bits_per_element)
    return float(chosen.bits(options.shape) / math.prod(options.shape))


def storage(options: StorageOptions) -> float:
    """What the tensors take, as the quantity that `options` ask for."""
    stored, baseline, elements = Fraction(0), Fraction(0), 0
    reference = format(options.baseline)
    for tensors in options.tensors:
        for shape, count in _shapes(tensors):
            stored += count * sum(_bits(encoding, shape) for encoding in tensors.encodings)
            baseline += count * reference.bits(shape)
            elements += count * math.prod(shape)
    match options.quantity:
        case "ratio":
            return float(baseline / stored)
        case "share":
            return float(100 * stored / baseline)
        case "saving":
            return float(100 * (1 - stored / baseline))
        case "bits":
            return float(stored / elements)
        case "gigabytes":
            return float(stored / 8 / 10**9)


def _bits(encoding: Encoding, shape: tuple[int, ...]) -> Fraction:
    """Bits of the share of an array that is stored in this encoding, indices of kept elements included."""
    chosen = format(encoding.format)
    bits = chosen.bits(shape) if encoding.values is None else encoded_bits(chosen, encoding.values, shape)
    if encoding.sparsity is not None:
        pattern = parse_sparsity(encoding.sparsity)
        bits = pattern.density * bits + pattern.index_bits(pairs=encoding.pairs) * math.prod(shape)
    return Fraction(str(encoding.share)) * bits


def _shapes(tensors: TensorOptions) -> Shapes:
    if tensors.model is None:
        return [(tensors.shape, tensors.count)]
    trace = model(tensors.model)
    match tensors.take:
        case "weights":
            return _weights(trace, tensors.layers)
        case "outputs":
            return [(_matrix(op, "outputs"), op.count) for op in _layers(trace, tensors.layers)]
        case "embeddings":
            return _embeddings(tensors.model)
        case "vectors":
            return [((_vectors(tensors.model, trace),), 1)]


def _layers(trace: Trace, globs: Iterable[str]) -> list[Op]:
    """The products with parameters whose layer a glob names. Raises InputError for globs that name none."""
    found = [
        op
        for op in trace.ops
        if isinstance(op, Op)
        and op.weights.role is Role.PARAMETER
        and any(fnmatchcase(layer_name(op.name), glob) for glob in globs)
    ]
    if not found:
        raise InputError(Problem(key="layers", message=f"{', '.join(globs)} matches no layer of {trace.name}"))
    return found


def _weights(trace: Trace, globs: Iterable[str]) -> Shapes:
    """Weight matrices, an output channel a row."""
    return [(_matrix(op, "weights"), op.count) for op in _layers(trace, globs)]


def _matrix(op: Op, operand: str) -> tuple[int, ...]:
    """An operand as rows that share scales: weights by output channel, outputs by token or pixel."""
    rows = op.size(op.batch) * op.size(op.columns)
    if operand == "weights":
        return (rows, op.size(op.reduction))
    return (op.size(op.rows) * op.size(op.batch), op.size(op.columns))


def _embeddings(name: str) -> Shapes:
    """Tables of tokens, positions and token types."""
    config = model_config(name)
    if not isinstance(config, TransformerConfig):
        return []
    rows = (config.vocab, config.position_rows, config.token_types)
    return [((count, config.hidden), 1) for count in rows if count]


def _vectors(name: str, trace: Trace) -> int:
    """Parameters that are neither weights of layers nor embeddings: biases, norms, class tokens."""
    tied = isinstance(config := model_config(name), TransformerConfig) and config.head == "lm-tied"
    matrices = [op for op in _layers(trace, ("*",)) if not (tied and layer_name(op.name) == "lm_head")]
    weights = sum(op.elements("weights") * op.count for op in matrices)
    return trace.parameters - weights - sum(count * math.prod(shape) for shape, count in _embeddings(name))
