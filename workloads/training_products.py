"""The gradients of products: of their inputs and of their weights, as products with exactly the same MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from math import gcd

from archsim.workloads.op import Op, Role


def input_gradients(op: Op) -> list[Op]:
    """``NAME.dgrad``: the gradient of the inputs from that of the outputs and the weights.

    A convolution gives a convolution with inputs and outputs changed over. With a stride it gives one for each phase of
    the input's positions, over the part of the kernel that meets that phase, so that no inserted zeros are multiplied;
    phases with equally large parts are one op with a count.
    """
    if op.kind == "gemm":
        dims = op.dims
        gradient = Op.gemm(
            f"{op.name}.dgrad", b=dims["b"], m=dims["m"], n=dims["k"], k=dims["n"], weight_role=op.weights.role
        )
        return [_like(gradient, op)]
    parts = _kernel_parts(op)
    names = [f"{op.name}.dgrad"] if len(parts) == 1 else [f"{op.name}.dgrad{number}" for number in range(len(parts))]
    return [
        replace(_like(_part_gradient(op, name, *part), op), count=op.count * count)
        for name, (part, count) in zip(names, parts.items(), strict=True)
    ]


def weight_gradient(op: Op) -> Op:
    """``NAME.wgrad``: the gradient of the weights from the inputs and that of the outputs.

    For a convolution the outputs' gradient is the kernel, spread by the stride, and the batch is what is summed over.
    """
    if op.kind == "gemm":
        dims = op.dims
        gradient = Op.gemm(
            f"{op.name}.wgrad", b=dims["b"], m=dims["k"], n=dims["n"], k=dims["m"], weight_role=Role.ACTIVATION
        )
        return replace(gradient, count=op.count, phase="training")
    dims = op.dims
    groups = dims["groups"]
    flat = {"n": dims["c"] // groups, "k": dims["k"], "c": dims["n"] * groups, "groups": groups}
    flat |= {"p": dims["r"], "q": dims["s"], "r": dims["p"], "s": dims["q"]}
    flat |= {f"stride_{axis}": dims[f"dilation_{axis}"] for axis in "hw"}
    flat |= {f"dilation_{axis}": dims[f"stride_{axis}"] for axis in "hw"}
    name = f"{op.name}.wgrad"
    if "d" in dims:
        depth = {"d": dims["t"], "t": dims["d"], "stride_d": dims["dilation_d"], "dilation_d": dims["stride_d"]}
        gradient = Op.conv3d(name, **flat, **depth, count=op.count, phase="training", after=None)
    else:
        gradient = Op.conv(name, **flat, count=op.count, phase="training", after=None)
    return replace(gradient, weights=replace(gradient.weights, role=Role.ACTIVATION))


def _like(gradient: Op, op: Op) -> Op:
    """The product with the forward op's count, and its weights' role and sparsity pattern."""
    weights = replace(gradient.weights, role=op.weights.role, sparsity=op.weights.sparsity, format=op.weights.format)
    return replace(gradient, weights=weights, count=op.count, phase="training")


def _kernel_parts(op: Op) -> Counter[tuple[int, ...]]:
    """Sizes of the kernel's parts that meet one phase of the input each, and how many parts have each size."""
    dims = op.dims
    axes = [*([("t", "d")] if "d" in dims else []), ("r", "h"), ("s", "w")]
    taps = [_taps(dims[kernel], dims[f"stride_{axis}"], dims[f"dilation_{axis}"]) for kernel, axis in axes]
    return Counter(product(*taps))


def _taps(kernel: int, stride: int, dilation: int) -> list[int]:
    """How many taps of a kernel fall on each phase that any falls on.

    >>> _taps(3, 2, 1)
    [2, 1]
    """
    return list(Counter(tap * dilation % stride for tap in range(kernel)).values())


def _part_gradient(op: Op, name: str, *kernel: int) -> Op:
    dims = op.dims
    *depth, height, width = kernel
    flat = {"n": dims["n"], "k": dims["c"], "c": dims["k"], "p": dims["p"], "q": dims["q"], "groups": dims["groups"]}
    flat |= {"r": height, "s": width}
    flat |= {f"dilation_{axis}": _spread(dims, axis) for axis in "hw"}
    if depth:
        flat |= {"d": dims["d"], "t": depth[0], "dilation_d": _spread(dims, "d")}
        return Op.conv3d(name, **flat, phase="training", after=None)
    return Op.conv(name, **flat, phase="training", after=None)


def _spread(dims: Mapping[str, int], axis: str) -> int:
    """How far apart the taps of one part stand, in outputs."""
    stride, dilation = dims[f"stride_{axis}"], dims[f"dilation_{axis}"]
    return dilation // gcd(dilation, stride)
