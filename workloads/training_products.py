"""The gradients of products: of their inputs and of their weights, as products with exactly the same MACs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
        product = Op.gemm(
            f"{op.name}.wgrad", b=dims["b"], m=dims["k"], n=dims["n"], k=dims["m"], weight_role=Role.ACTIVATION
        )
        return replace(product, count=op.count, phase="training")
    dims = op.dims
    groups = dims["groups"]
    product = Op.conv(
        f"{op.name}.wgrad",
        n=dims["c"] // groups,
        k=dims["k"],
        c=dims["n"] * groups,
        p=dims["r"],
        q=dims["s"],
        r=dims["p"],
        s=dims["q"],
        stride_h=dims["dilation_h"],
        stride_w=dims["dilation_w"],
        dilation_h=dims["stride_h"],
        dilation_w=dims["stride_w"],
        groups=groups,
        count=op.count,
        phase="training",
    )
    return replace(product, weights=replace(product.weights, role=Role.ACTIVATION))


def _like(gradient: Op, op: Op) -> Op:
    """The product with the forward op's count, and its weights' role and sparsity pattern."""
    weights = replace(gradient.weights, role=op.weights.role, sparsity=op.weights.sparsity, format=op.weights.format)
    return replace(gradient, weights=weights, count=op.count, phase="training")


def _kernel_parts(op: Op) -> Counter[tuple[int, int]]:
    """Sizes of the kernel's parts that meet one phase of the input each, and how many parts have each size."""
    dims = op.dims
    heights = _taps(dims["r"], dims["stride_h"], dims["dilation_h"])
    widths = _taps(dims["s"], dims["stride_w"], dims["dilation_w"])
    return Counter((height, width) for height in heights for width in widths)


def _taps(kernel: int, stride: int, dilation: int) -> list[int]:
    """How many taps of a kernel fall on each phase that any falls on.

    >>> _taps(3, 2, 1)
    [2, 1]
    """
    return list(Counter(tap * dilation % stride for tap in range(kernel)).values())


def _part_gradient(op: Op, name: str, height: int, width: int) -> Op:
    dims = op.dims
    return Op.conv(
        name,
        n=dims["n"],
        k=dims["c"],
        c=dims["k"],
        p=dims["p"],
        q=dims["q"],
        r=height,
        s=width,
        dilation_h=dims["dilation_h"] // gcd(dims["dilation_h"], dims["stride_h"]),
        dilation_w=dims["dilation_w"] // gcd(dims["dilation_w"], dims["stride_w"]),
        groups=dims["groups"],
    )
