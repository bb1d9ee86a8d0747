"""Convolutions and matrix products of an ONNX graph as ops."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from archsim.arch.formats import Format, format
from archsim.workloads.onnx.einsum import parse_equation
from archsim.workloads.onnx.formats import integer_format, linear_format
from archsim.workloads.onnx.names import part
from archsim.workloads.onnx.site import Site, dressed, product, vector
from archsim.workloads.onnx.values import EmptyError, MisfitError, UnsupportedError, Value, with_format
from archsim.workloads.op import AnyOp, Op

ACCUMULATED = "int32"
"""What integer products give. Source: ONNX, MatMulInteger and ConvInteger."""


def matmul_sizes(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(b, m, n, k) of ``left @ right``: axes that only one factor has join its rows or columns.

    >>> matmul_sizes((8, 12, 128, 64), (64, 32))
    (1, 12288, 32, 64)
    >>> matmul_sizes((8, 12, 128, 64), (8, 1, 64, 32))
    (8, 1536, 32, 64)
    """
    left = (1, *left) if len(left) == 1 else left
    right = (*right, 1) if len(right) == 1 else right
    rank = max(len(left), len(right)) - 2
    b, m, n = 1, left[-2], right[-1]
    padded = zip((1,) * (rank + 2 - len(left)) + left[:-2], (1,) * (rank + 2 - len(right)) + right[:-2], strict=True)
    for one, other in padded:
        if one == other:
            b *= one
        elif other == 1:
            m *= one
        else:
            n *= other
    return b, m, n, left[-1]


def _swap(shape: tuple[int, ...], transpose: int) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if transpose and len(shape) > 1 else shape


def matrix(
    site: Site, left: Value, right: Value, shapes: tuple[tuple[int, ...], tuple[int, ...]], output: Format | None = None
) -> list[AnyOp]:
    """The product of two tensors; transposed where only the first is a constant, so that this is the weights."""
    b, m, n, k = matmul_sizes(*shapes)
    if left.constant and not right.constant:
        left, right, m, n = right, left, n, m
    return [product(site, site.node.name, sizes=(b, m, n, k), inputs=left, weights=right, output=output)]


def _matmul(site: Site) -> list[AnyOp]:
    node = site.node
    shapes = (_swap(site.shape(0), node.attribute("transA", 0)), _swap(site.shape(1), node.attribute("transB", 0)))
    return matrix(site, site.value(0), site.value(1), shapes)


def _integer_matmul(site: Site) -> list[AnyOp]:
    """MatMulInteger (a, b, zero points) and its kin, whose operands are integers as they are stored."""
    left = _stored(site, 0, None, 2)
    right = _stored(site, 1, None, 3)
    return matrix(site, left, right, (site.shape(0), site.shape(1)), format(ACCUMULATED))


def _integer_to_float(site: Site) -> list[AnyOp]:
    left, right = _stored(site, 0, 2, 4), _stored(site, 1, 3, 5)
    return matrix(site, left, right, (site.shape(0), site.shape(1)))


def _dynamic_matmul(site: Site) -> list[AnyOp]:
    """The input is quantized on the way in: an op of its own."""
    name = part(site.node.name, "quantize")
    data = site.value(0)
    right = _stored(site, 1, 2, 3)
    if not data.elements:
        raise EmptyError
    quantize = vector(
        site, name, "elementwise", elements=data.elements, operations=DYNAMIC_OPERATIONS, reads=1, source=data,
        output=format("int8:asym"),
    )  # fmt: skip
    left = with_format(data, format("int8:asym"))
    b, m, n, k = matmul_sizes(site.shape(0), site.shape(1))
    main = product(site, site.node.name, sizes=(b, m, n, k), inputs=left, weights=right, after=(name,))
    return [quantize, main]


DYNAMIC_OPERATIONS = 5
"""Smallest and largest, scale, round, shift. Source: ONNX, DynamicQuantizeLinear."""


def _linear_matmul(site: Site) -> list[AnyOp]:
    """QLinearMatMul: a, its scale and zero point, b with its own, the result's."""
    left, right = _stored(site, 0, 1, 2), _stored(site, 3, 4, 5)
    return matrix(site, left, right, (site.shape(0), site.shape(3)), _result_format(site, 6, 7))


def _q_gemm(site: Site) -> list[AnyOp]:
    left, right = _stored(site, 0, 1, 2), _stored(site, 3, 4, 5)
    node = site.node
    shapes = (_swap(site.shape(0), node.attribute("transA", 0)), _swap(site.shape(3), node.attribute("transB", 0)))
    return matrix(site, left, right, shapes, _result_format(site, 7, 8))


def _n_bits(site: Site) -> list[AnyOp]:
    """MatMulNBits: weights of a few bits with a scale for each block of the reduction."""
    node = site.node
    zero = site.optional(3)
    block = node.attribute("block_size", 0)
    stored = integer_format(node.attribute("bits", 4), signed=True, zero=zero, block=block)
    rows = site.shape(0)
    sizes = (1, math.prod(rows[:-1]), node.attribute("N"), node.attribute("K"))
    weights = with_format(site.value(1), stored)
    return [product(site, node.name, sizes=sizes, inputs=site.value(0), weights=weights)]


def _stored(site: Site, index: int, scale: int | None, zero: int | None) -> Value:
    """An integer operand with the format that its type, scale and zero point give it."""
    value = site.value(index)
    scales = None if scale is None else site.optional(scale)
    zeros = None if zero is None else site.optional(zero)
    found = linear_format(value.element_type, scales or zeros, zeros)
    return with_format(value, value.format or found)


def _result_format(site: Site, scale: int, zero: int) -> Format | None:
    zeros = site.optional(zero)
    return linear_format(
        site.outputs[0].element_type or (zeros.element_type if zeros else 0), site.optional(scale), zeros
    )


def convolution(site: Site, data: Value, weights: Value, output: Format | None = None) -> list[AnyOp]:
    """A convolution over any number of axes. The last two are height and width.

    A one-dimensional one has height 1. Outer axes join the batch with their outputs and the channels with their
    kernel, so that products, weights and outputs are exact; inputs that two outer windows share count twice.
    """
    node, result = site.node, site.result()
    shape, kernel = weights.shape, (weights.shape or ())[2:]
    rank = len(kernel)
    if shape is None or data.shape is None or rank == 0 or len(result) != rank + 2:
        raise UnsupportedError("it has no window")
    if data.shape[1] != shape[1] * node.attribute("group", 1):
        raise MisfitError(f"{data.shape[1]} channels do not fit weights of {shape[1]} in each group")
    if 0 in result[2:] and 0 not in data.shape:
        raise MisfitError(f"a window of {list(kernel)} does not fit in")
    if 0 in (*result, *shape):
        raise EmptyError
    strides, dilations = node.attribute("strides", (1,) * rank), node.attribute("dilations", (1,) * rank)
    outer = max(0, rank - 2)
    p, r = (1, 1) if rank == 1 else (result[-2], shape[-2])
    try:
        op = Op.conv(
            node.name,
            n=result[0] * math.prod(result[2 : 2 + outer]),
            k=result[1],
            c=data.shape[1] * math.prod(kernel[:outer]),
            p=p, q=result[-1], r=r, s=shape[-1],
            stride_h=1 if rank == 1 else strides[-2],
            stride_w=strides[-1],
            dilation_h=1 if rank == 1 else dilations[-2],
            dilation_w=dilations[-1],
            groups=node.attribute("group", 1),
            count=site.count,
            phase=site.phase,
        )  # fmt: skip
    except ValueError as error:
        raise UnsupportedError(str(error)) from None
    return [dressed(op, data, weights, site.after, output)]


def _conv(site: Site) -> list[AnyOp]:
    return convolution(site, site.value(0), site.value(1))


SAMPLE_OPERATIONS = 7
"""Bilinear interpolation: four multiplies and three adds. Source: Dai et al. 2017, eq. 3."""


def _deformable(site: Site) -> list[AnyOp]:
    """A deformable convolution: each window's elements are interpolated first, then multiplied as in a plain one."""
    (main,) = convolution(site, site.value(0), site.value(1))
    if not isinstance(main, Op) or len(site.shape(1)) != 4:
        raise UnsupportedError("it has not two axes")
    name, result = part(site.node.name, "sample"), site.result()
    elements = result[0] * site.shape(0)[1] * math.prod(result[2:]) * math.prod(site.shape(1)[2:])
    reads = (4 * elements + site.value(2).elements) / elements
    sample = vector(
        site, name, "gather", elements=elements, operations=SAMPLE_OPERATIONS, reads=reads, source=site.value(0)
    )
    return [sample, replace(main, after=(name,))]


def _conv_integer(site: Site) -> list[AnyOp]:
    return convolution(site, _stored(site, 0, None, 2), _stored(site, 1, None, 3), format(ACCUMULATED))


def _conv_linear(site: Site) -> list[AnyOp]:
    """QLinearConv: x, its scale and zero point, w with its own, the result's."""
    return convolution(site, _stored(site, 0, 1, 2), _stored(site, 3, 4, 5), _result_format(site, 6, 7))


def _conv_transpose(site: Site) -> list[AnyOp]:
    """A transposed convolution as it is computed: each input times the kernel, then the overlaps summed.

    Where the stride is as large as the kernel nothing overlaps.
    """
    node, result = site.node, site.result()
    data, weights = site.value(0), site.value(1)
    inputs, shape = site.shape(0), site.shape(1)
    groups, kernel = node.attribute("group", 1), shape[2:]
    strides = node.attribute("strides", (1,) * len(kernel))
    if inputs[1] % groups or shape[0] != inputs[1]:
        raise UnsupportedError(f"{inputs[1]} channels in {groups} groups do not fit the weights {list(shape)}")
    rows, columns = inputs[0] * math.prod(inputs[2:]), shape[1] * math.prod(kernel)
    main = product(site, node.name, sizes=(groups, rows, columns, inputs[1] // groups), inputs=data, weights=weights)
    if all(size <= stride for size, stride in zip(kernel, strides, strict=True)):
        return [main]
    partial, elements = groups * rows * columns, math.prod(result)
    share = partial / max(elements, 1)
    name = part(node.name, "overlap")
    overlap = vector(site, name, "elementwise", elements=elements, operations=share, reads=share, after=(node.name,))
    return [main, overlap]


def _einsum(site: Site) -> list[AnyOp]:
    """A product of two tensors; one tensor alone is a layout or a sum, three and more are not taken apart."""
    shapes = [site.shape(index) for index in range(len(site.inputs))]
    equation = parse_equation(site.node.attribute("equation", ""), tuple(map(len, shapes)))
    if equation is None or len(shapes) > 2:
        raise UnsupportedError(f"the equation '{site.node.attribute('equation')}' is not taken apart")
    if len(shapes) == 1:
        data = site.value(0)
        results = math.prod(site.result())
        if results == data.elements:
            return []
        share = data.elements / max(results, 1)
        return [vector(site, site.node.name, "pool", elements=results, operations=share, reads=share, source=data)]
    sizes: dict[str, int] = {}
    for letters, shape in zip(equation.operands, shapes, strict=True):
        sizes |= {letter: max(size, sizes.get(letter, 1)) for letter, size in zip(letters, shape, strict=True)}
    fit = all(
        size in (1, sizes[letter])
        for letters, shape in zip(equation.operands, shapes, strict=True)
        for letter, size in zip(letters, shape, strict=True)
    )
    if not fit:
        raise MisfitError(f"in '{site.node.attribute('equation')}' a letter has two sizes")
    left, right = (set(letters) for letters in equation.operands)
    kept = set(equation.result)

    def total(letters: set[str]) -> int:
        return math.prod(sizes[letter] for letter in letters)

    b, k = total(left & right & kept), total((left | right) - kept)
    m, n = total((left - right) & kept), total((right - left) & kept)
    one, other = site.value(0), site.value(1)
    if one.constant and not other.constant:
        one, other, m, n = other, one, n, m
    return [product(site, site.node.name, sizes=(b, m, n, k), inputs=one, weights=other)]


PRODUCTS: Mapping[str, Callable[[Site], list[AnyOp]]] = {
    "Conv": _conv,
    "DeformConv": _deformable,
    "ConvInteger": _conv_integer,
    "QLinearConv": _conv_linear,
    "com.microsoft:QLinearConv": _conv_linear,
    "com.microsoft:FusedConv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _matmul,
    "MatMul": _matmul,
    "com.microsoft:FusedMatMul": _matmul,
    "com.microsoft:FusedGemm": _matmul,
    "com.microsoft:QGemm": _q_gemm,
    "MatMulInteger": _integer_matmul,
    "com.microsoft:MatMulIntegerToFloat": _integer_to_float,
    "com.microsoft:DynamicQuantizeMatMul": _dynamic_matmul,
    "QLinearMatMul": _linear_matmul,
    "com.microsoft:MatMulNBits": _n_bits,
    "Einsum": _einsum,
}
"""Builders by operator."""
