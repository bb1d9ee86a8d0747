"""Recurrent layers and attention that one node holds, as several ops each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from archsim.workloads.onnx.formats import linear_format
from archsim.workloads.onnx.names import part
from archsim.workloads.onnx.site import Site, product, vector
from archsim.workloads.onnx.values import EmptyError, UnsupportedError, Value, with_format
from archsim.workloads.op import AnyOp
from archsim.workloads.vector_costs import vector_costs

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
CELL_OPERATIONS = {"LSTM": 13, "GRU": 11, "RNN": 2}
"""Lane operations of a cell for one hidden unit: sums of both products for each gate, functions, products and sums.
Source: ONNX operator definitions of LSTM, GRU and RNN, equations (default)."""
CELL_READS = {"LSTM": 9, "GRU": 7, "RNN": 2}
"""Both products' results for each gate, and the old state."""


def _recurrent(site: Site) -> list[AnyOp]:
    """All steps' input product at once, then a step's recurrent product and cell as often as there are steps."""
    node = site.node
    data, weights, recurrent = site.value(0), site.value(1), site.value(2)
    shape, (directions, rows, width) = site.shape(0), _three(site.shape(1))
    hidden = site.shape(2)[2]
    steps, batch = (shape[1], shape[0]) if node.attribute("layout", 0) else shape[:2]
    if 0 in (steps, batch, directions, rows, hidden, width):
        raise EmptyError
    if rows != GATES[node.op] * hidden:
        raise UnsupportedError(f"{rows} rows of weights are not {GATES[node.op]} gates of {hidden}")
    names = [part(node.name, suffix) for suffix in ("input", "recurrent", "cell")]
    sizes = (1, steps * batch, directions * rows, width)
    inputs = product(site, names[0], sizes=sizes, inputs=data, weights=weights)
    step = product(
        site, names[1], sizes=(directions, batch, rows, hidden), inputs=None, weights=recurrent, after=(names[0],),
        count=steps,
    )  # fmt: skip
    cell = vector(
        site, names[2], "elementwise", elements=directions * batch * hidden, operations=CELL_OPERATIONS[node.op],
        reads=CELL_READS[node.op], after=(names[1],), count=steps,
    )  # fmt: skip
    return [inputs, step, cell]


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise UnsupportedError(f"its weights have the shape {list(shape)}")
    return shape[0], shape[1], shape[2]


def _core(
    site: Site,
    *,
    batch: int,
    heads: int,
    kv_heads: int,
    queries: int,
    keys: int,
    head: int,
    value_head: int,
    operands: tuple[Value | None, Value | None, Value | None],
    after: tuple[str, ...],
) -> list[AnyOp]:
    """Queries times keys, softmax, probabilities times values; query heads that share keys are rows of one product."""
    names = [part(site.node.name, suffix) for suffix in ("qk", "softmax", "av")]
    query, key, value = operands
    if kv_heads < 1 or heads % kv_heads:
        raise UnsupportedError(f"{heads} heads do not share {kv_heads}")
    groups, rows = batch * kv_heads, heads // kv_heads * queries
    cost = vector_costs()["softmax"]
    scores = product(site, names[0], sizes=(groups, rows, keys, head), inputs=query, weights=key, after=after)
    softmax = vector(
        site, names[1], "softmax", elements=groups * rows * keys, operations=cost.operations, reads=cost.reads,
        after=(names[0],),
    )  # fmt: skip
    sizes = (groups, rows, value_head, keys)
    mixed = product(site, names[2], sizes=sizes, inputs=None, weights=value, after=(names[1],))
    return [scores, softmax, mixed]


def _attention(site: Site) -> list[AnyOp]:
    """ONNX's Attention: queries, keys and values of 4 axes, or of 3 with the heads in attributes."""
    node = site.node
    query, key, value = site.shape(0), site.shape(1), site.shape(2)
    past = site.shape(4)[2] if site.optional(4) is not None else 0
    if len(query) == 4:
        heads, kv_heads, head, value_head = query[1], key[1], query[3], value[3]
        queries, keys = query[2], key[2]
    else:
        heads, kv_heads = node.attribute("q_num_heads"), node.attribute("kv_num_heads")
        if not heads or not kv_heads:
            raise UnsupportedError("its heads are not stated")
        head, value_head, queries, keys = query[2] // heads, value[2] // kv_heads, query[1], key[1]
    cached = past > 0
    return _core(
        site, batch=query[0], heads=heads, kv_heads=kv_heads, queries=queries, keys=past + keys, head=head,
        value_head=value_head, operands=_operands(site, 0, 1, 2, cached), after=site.after,
    )  # fmt: skip


def _operands(
    site: Site, query: int, key: int, value: int, cached: bool
) -> tuple[Value | None, Value | None, Value | None]:
    """The three tensors; with a cache, keys and values come from there."""
    found = [site.optional(index) for index in (query, key, value)]
    marker = Value(cache=True, shape=())
    return (found[0], marker if cached else found[1], marker if cached else found[2])


def _fused_attention(site: Site) -> list[AnyOp]:
    """com.microsoft's Attention: one product makes queries, keys and values of the input."""
    return _projected(site, site.value(0), site.value(1), bias_and_past=4)


def _quantized_attention(site: Site) -> list[AnyOp]:
    """com.microsoft's QAttention: input, weights, bias, both scales, mask, both zero points, past."""
    data, weights = site.value(0), site.value(1)
    inputs = with_format(data, linear_format(data.element_type, site.optional(3), site.optional(6)))
    stored = with_format(weights, linear_format(weights.element_type, site.optional(4), site.optional(7)))
    return _projected(site, inputs, stored, bias_and_past=8)


def _projected(site: Site, data: Value, weights: Value, *, bias_and_past: int) -> list[AnyOp]:
    node = site.node
    (batch, tokens, width), outputs = _three(site.shape(0)), site.shape(1)[1]
    heads = node.attribute("num_heads")
    hidden = node.attribute("qkv_hidden_sizes", (outputs // 3,) * 3)
    past = site.optional(bias_and_past)
    cached = site.shape(bias_and_past)[3] if past is not None else 0
    name = part(node.name, "qkv")
    made = product(site, name, sizes=(1, batch * tokens, outputs, width), inputs=data, weights=weights)
    marker = Value(cache=True, shape=()) if cached else None
    core = _core(
        site, batch=batch, heads=heads, kv_heads=heads, queries=tokens, keys=cached + tokens, head=hidden[0] // heads,
        value_head=hidden[2] // heads, operands=(None, marker, marker), after=(name,),
    )  # fmt: skip
    return [made, *core]


def _multi_head(site: Site) -> list[AnyOp]:
    """com.microsoft's MultiHeadAttention: query of 3 axes, or packed of 5; keys of 3, packed of 5, or 4 as cached."""
    query, heads = site.shape(0), site.node.attribute("num_heads")
    past = site.shape(6)[2] if site.optional(6) is not None else 0
    if len(query) == 5:
        batch, tokens, heads, _, head = query
        keys, value_head = tokens, head
    else:
        batch, tokens, hidden = _three(query)
        head = hidden // heads
        key = site.shape(1)
        keys = key[2] if len(key) == 4 else key[1]
        value_head = head if site.optional(2) is None else _value_head(site.shape(2), heads)
    return _core(
        site, batch=batch, heads=heads, kv_heads=heads, queries=tokens, keys=past + keys, head=head,
        value_head=value_head, operands=_operands(site, 0, 1, 2, past > 0), after=site.after,
    )  # fmt: skip


def _value_head(shape: tuple[int, ...], heads: int) -> int:
    return shape[3] if len(shape) == 4 else shape[2] // heads


def _grouped(site: Site) -> list[AnyOp]:
    """com.microsoft's GroupQueryAttention: query (or all three packed), key, value, past keys, past values."""
    node = site.node
    batch, tokens, hidden = _three(site.shape(0))
    heads, kv_heads = node.attribute("num_heads"), node.attribute("kv_num_heads")
    packed = site.optional(1) is None
    head = hidden // (heads + 2 * kv_heads) if packed else hidden // heads
    past = site.shape(3)[2] if site.optional(3) is not None else 0
    ops: list[AnyOp] = []
    after = site.after
    if node.attribute("do_rotary", 0):
        cost, name = vector_costs()["rope"], part(node.name, "rope")
        elements = batch * tokens * head * (heads + kv_heads)
        rope = vector(
            site, name, "rotate", elements=elements, operations=cost.operations, reads=cost.reads, source=site.value(0)
        )
        ops.append(rope)
        after = (name,)
    return ops + _core(
        site, batch=batch, heads=heads, kv_heads=kv_heads, queries=tokens, keys=past + tokens, head=head,
        value_head=head, operands=_operands(site, 0, 1, 2, past > 0), after=after,
    )  # fmt: skip


LAYERS: Mapping[str, Callable[[Site], list[AnyOp]]] = {
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
    "Attention": _attention,
    "com.microsoft:Attention": _fused_attention,
    "com.microsoft:QAttention": _quantized_attention,
    "com.microsoft:MultiHeadAttention": _multi_head,
    "com.microsoft:GroupQueryAttention": _grouped,
}
"""Builders by operator."""
