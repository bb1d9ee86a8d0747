"""Masks drawn from a sparsity pattern: rows along the reduction, True where an element is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.workloads.sparsity import PatternKind, SparsityPattern

Mask = NDArray[np.bool_]


def drawn_mask(pattern: SparsityPattern | None, rows: int, length: int, random: np.random.Generator) -> Mask:
    """A mask of `rows` of `length` elements with the pattern; None: all are kept.

    N:M keeps N of every M from the row's start on (of a shorter last group at most N), top-k the same share of each
    row; a counted mask has groups with as many non-zeros as its largest groups had, in any order.
    """
    if pattern is None or pattern.kind is PatternKind.DENSE:
        return np.ones((rows, length), np.bool_)
    match pattern.kind:
        case PatternKind.RATIO:
            return _grouped(np.full((rows, -(-length // pattern.group)), pattern.keep), pattern.group, length, random)
        case PatternKind.TOP:
            kept = np.full((rows, 1), round(float(pattern.density) * length))
            return _grouped(kept, length, length, random)
        case PatternKind.BLOCK:
            return _blocks(pattern, rows, length, random)
        case PatternKind.MASK if pattern.counts:
            return _like_counts(pattern, rows, length, random)
        case _:
            return random.random((rows, length)) < float(pattern.density)


def _grouped(kept: NDArray[np.int64], group: int, length: int, random: np.random.Generator) -> Mask:
    """Groups along the rows that keep as many elements as stated, anywhere in the group."""
    ranks = np.argsort(np.argsort(random.random((*kept.shape, group)), axis=2), axis=2)
    return np.ascontiguousarray((ranks < kept[:, :, None]).reshape(len(kept), -1)[:, :length])


def _blocks(pattern: SparsityPattern, rows: int, length: int, random: np.random.Generator) -> Mask:
    high, wide = pattern.block
    kept = random.random((-(-rows // high), -(-length // wide))) < float(pattern.density)
    return np.ascontiguousarray(kept.repeat(high, axis=0).repeat(wide, axis=1)[:rows, :length])


def _like_counts(pattern: SparsityPattern, rows: int, length: int, random: np.random.Generator) -> Mask:
    counts = max(pattern.counts, key=len)
    group = len(counts) - 1
    shares = np.array(counts) / sum(counts)
    kept = random.choice(group + 1, size=(rows, -(-length // group)), p=shares)
    return _grouped(kept, group, length, random)
