"""A trace as `[sparsity]` and `[quantization]` want it: sparse attention, splits, formats, patterns, effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.workloads.layers import layer_name
from archsim.workloads.op import OPERANDS, Op, Role
from archsim.workloads.policies import QuantizationPolicy, apply_quantization, apply_sparsity
from archsim.workloads.quantization_options import QuantizationOptions
from archsim.workloads.sparsity_options import SparsityOptions
from archsim.workloads.splitting import with_split_channels
from archsim.workloads.trace import Trace

FileOf = Callable[[str, str], Path]
"""(name, dotted key that states it) -> the file. Raises InputError where there is none."""


def prepared(
    trace: Trace, quantization: QuantizationOptions, sparsity: SparsityOptions, file_of: FileOf
) -> tuple[Trace, tuple[str, ...]]:
    """The trace with both tables applied, and warnings of what changes nothing. Raises InputError with keys.

    The order: attention computes less; patterns; formats (splitting heads and experts); split channels;
    rotations; quantization; expansion; scaling.
    """
    warnings: tuple[str, ...] = ()
    if sparsity.stated:
        masks, surplus = _masks(trace, sparsity, file_of)
        trace, found = apply_sparsity(trace, sparsity.policy(masks))
        warnings += surplus + found
    policy, found = _policy(trace, quantization, file_of)
    roles = {op.operand(name).role.value for op in trace.ops if isinstance(op, Op) for name in OPERANDS}
    found += quantization.idle_scheme(roles)
    trace, more = apply_quantization(trace, policy)
    trace = with_split_channels(trace)
    trace, rotated = _with_effects(trace, quantization)
    return trace, warnings + found + more + rotated


def _policy(
    trace: Trace, quantization: QuantizationOptions, file_of: FileOf
) -> tuple[QuantizationPolicy, tuple[str, ...]]:
    policy, options = quantization.policy(), quantization.sensitivity
    if options is None:
        return policy, ()
    from archsim.arch.formats import format
    from archsim.workloads.sensitivity import KEY, read_order, sensitive_formats

    order = options.order if isinstance(options.order, list) else read_order(_file(file_of, options.order, KEY))
    keep = [(tier.fraction, format(tier.format)) for tier in options.keep]
    formats, warnings = sensitive_formats(trace, order, keep)
    return replace(policy, sensitive=formats), warnings


def _masks(
    trace: Trace, sparsity: SparsityOptions, file_of: FileOf
) -> tuple[Mapping[str, Mapping[str, str]], tuple[str, ...]]:
    """What each mask file says of each layer, and warnings of arrays that no layer has."""
    wanted = dict(sparsity.mask_files())
    if not wanted:
        return {}, ()
    from archsim.workloads.masks import read_masks

    layers = {layer_name(op.name): op for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER}
    masks: dict[str, Mapping[str, str]] = {}
    warnings: tuple[str, ...] = ()
    for name, place in wanted.items():
        masks[name], surplus = read_masks(_file(file_of, name, place), layers)
        if surplus:
            shown = ", ".join(surplus[:3]) + (f" and {len(surplus) - 3} more" if len(surplus) > 3 else "")
            warnings += (f"{place}: {name} has masks of no layer of {trace.name}: {shown}",)
        if not masks[name]:
            message = f"{name} has no mask of a layer of {trace.name}"
            hint = "name each array as its layer: archsim trace prints their names"
            raise InputError(Problem(key=place, message=message, hint=hint))
    return masks, warnings


def _file(file_of: FileOf, name: str, key: str) -> Path:
    """The file, or the key in what is wrong with it."""
    try:
        return file_of(name, key)
    except InputError as error:
        raise InputError([replace(problem, key=problem.key or key) for problem in error.problems]) from None


def _with_effects(trace: Trace, quantization: QuantizationOptions) -> tuple[Trace, tuple[str, ...]]:
    if not quantization.rotate and not quantization.effects:
        return trace, ()
    from archsim.workloads import effects
    from archsim.workloads.format_costs import same_arithmetic
    from archsim.workloads.rotation import parse_rotation

    rules = [(glob, parse_rotation(text)) for glob, text in quantization.rotate.items()]
    trace, warnings = effects.insert_rotations(trace, rules)
    if "quantize" in quantization.effects:
        trace = effects.insert_quantize(trace)
    if "scale" in quantization.effects:
        trace = effects.insert_scaling(trace, lambda weights, inputs: False)
    if "dequantize" in quantization.effects:
        trace = effects.insert_dequantize(trace, lambda weights, inputs: not same_arithmetic(weights, inputs))
    return trace, warnings
