"""Attention that computes less: sliding windows with sinks, and the best share of the keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from archsim.workloads.attention import Attention, attentions
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.sparsity_spelling import AttentionPattern, read_attention
from archsim.workloads.surgery import Replacement, replaced
from archsim.workloads.trace import Trace
from archsim.workloads.vector_costs import vector_costs

QUERY_BLOCK = 128
"""Queries that compute one band of keys together. Source: Dao 2023 (FlashAttention-2), section 3.3 (recalled)."""
BAND_SUFFIX = ".last"
"""Behind the name of the op that computes the last, smaller block of queries."""


def sparse_attention(trace: Trace, choice: Callable[[str], str | None]) -> Trace:
    """The trace with the attention products that `choice` names a pattern for (by the name of the scores) cut down.

    A window: a block of queries reads the keys that its queries see together, window + block - 1 + sinks of them, and
    all cached ones where those are fewer. A decode step is a block of one query. Causal masks are not exploited, as
    everywhere. A share: all scores are computed, selected by a vector operation, and each query mixes its own values.
    """
    replacements: dict[str, Replacement] = {}
    for attention in attentions(trace):
        text = choice(attention.scores.name)
        if text is None or attention.scores.name in replacements:
            continue
        pattern = read_attention(text)
        replacements |= _windowed(attention, pattern) if pattern.window else _top(attention, pattern)
    return replaced(trace, replacements)


def _windowed(attention: Attention, pattern: AttentionPattern) -> dict[str, Replacement]:
    scores, mix = attention.scores, attention.mix
    rows, keys = scores.loops["m"], scores.loops["n"]
    queries = _queries(scores)
    blocks = _blocks(queries, keys, pattern)
    if not blocks:
        return {}
    per_query = rows // queries
    found = {
        scores.name: _banded(scores, [(count, {"m": per_query * size, "n": seen}) for count, size, seen in blocks]),
        mix.name: _banded(mix, [(count, {"m": per_query * size, "k": seen}) for count, size, seen in blocks]),
    }
    kept = sum(count * size * seen for count, size, seen in blocks)
    for vector in attention.vectors:
        if vector.elements == scores.elements("outputs"):
            found[vector.name] = _scaled(vector, vector.elements * kept // (queries * keys))
    return found


def _queries(scores: Op) -> int:
    """Consecutive queries per head: one in a decode step, else as many as keys where the rows are whole sets of them.

    Rows are the queries of all heads that share keys; where they cannot be told apart, all count as one head's.
    """
    rows, keys = scores.loops["m"], scores.loops["n"]
    if scores.phase == "decode":
        return 1
    return keys if rows % keys == 0 else rows


def _blocks(queries: int, keys: int, pattern: AttentionPattern) -> list[tuple[int, int, int]]:
    """(count, queries, keys) of the bands; nothing where every query sees all keys."""
    size = min(queries, QUERY_BLOCK)
    sizes = [(queries // size, size), (1, queries % size)]
    blocks = [(count, size, min(keys, pattern.window + size - 1 + pattern.sinks)) for count, size in sizes if size]
    return blocks if any(seen < keys for _, _, seen in blocks) else []


def _banded(op: Op, bands: list[tuple[int, dict[str, int]]]) -> Replacement:
    """The op once for each kind of band; the first keeps its name."""
    names = [op.name if index == 0 else f"{op.name}{BAND_SUFFIX}" for index in range(len(bands))]
    ops = tuple(_resized(op, name, sizes, op.count * count) for name, (count, sizes) in zip(names, bands, strict=True))
    return Replacement(ops, tuple(names))


def _top(attention: Attention, pattern: AttentionPattern) -> dict[str, Replacement]:
    """Selected scores only go through the softmax; a product for each row of queries mixes its own values."""
    scores, mix = attention.scores, attention.mix
    keys = scores.loops["n"]
    kept = math.ceil(pattern.share * keys)
    if kept >= keys:
        return {}
    elements = scores.elements("outputs")
    select = VectorOp(
        name=f"{scores.name}.topk",
        kind="elementwise",
        elements=max(1, elements * kept // keys),
        reads_per_element=keys / kept,
        operations_per_element=selection_operations(pattern.share) * keys / kept,
        count=scores.count,
        phase=scores.phase,
        after=(scores.name,),
    )
    found = {scores.name: Replacement((replace(scores, after=None), select), (select.name,))}
    for vector in attention.vectors:
        if vector.elements == elements:
            found[vector.name] = _scaled(vector, max(1, elements * kept // keys))
    rows = mix.loops["m"]
    one = _resized(mix, mix.name, {"m": 1, "k": kept}, mix.count * rows)
    found[mix.name] = Replacement((one,), (mix.name,))
    return found


def selection_operations(share: Fraction) -> float:
    """Comparisons per score to find the largest `share` of them, by quickselect: 2 (1 + H(share)), H in nats.

    Source: Knuth, The Art of Computer Programming 3, 5.2.2, exercise 32 (recalled).
    """
    part = float(share)
    entropy = -sum(p * math.log(p) for p in (part, 1 - part) if p > 0)
    return vector_costs()["compare"].operations * 2 * (1 + entropy)


def _resized(op: Op, name: str, sizes: dict[str, int], count: int) -> Op:
    return replace(op, name=name, count=count, after=None, dims={**op.dims, **sizes}, loops={**op.loops, **sizes})


def _scaled(vector: VectorOp, elements: int) -> Replacement:
    return Replacement((replace(vector, elements=max(1, elements), after=None),), (vector.name,))
