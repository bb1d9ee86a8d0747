"""Decode steps in few segments whose middle steps stand for all: sums that are linear in the length stay exact."""

from __future__ import annotations

from dataclasses import dataclass

SEGMENT_LIMIT = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """`count` consecutive decode steps, each costed as the middle one, which attends to `kv_len` tokens."""

    kv_len: int
    count: int


def odd_lengths(steps: int, limit: int) -> list[int]:
    """At most `limit` odd numbers, as equal as can be, that add up to `steps`.

    As many odd numbers as the sum is even or odd: one less than `limit` where the parity does not fit.

    >>> odd_lengths(127, 8)
    [19, 19, 19, 19, 17, 17, 17]
    """
    parts = min(steps, limit)
    parts -= (steps - parts) % 2
    pairs = (steps - parts) // 2
    return [1 + 2 * (pairs // parts + (index < pairs % parts)) for index in range(parts)]


def decode_segments(cached: int, steps: int, window: int | None = None, *, grows: bool = False) -> tuple[Segment, ...]:
    """Segments of `steps` decode steps after `cached` tokens; step i attends to cached + i tokens.

    With a sliding `window` the length stops growing at the window; the steps from there on are equal and one segment.
    With `grows` some layers go on growing: lengths do too, and no segment spans the step at which the others stop.
    """
    below = steps if window is None else max(0, min(steps, window - cached))
    above = steps - below
    if not above:
        return _growing(cached, below, SEGMENT_LIMIT)
    if not grows:
        return (*_growing(cached, below, SEGMENT_LIMIT - 1), Segment(window or 0, above))
    share = SEGMENT_LIMIT // 2 if below else 0
    return _growing(cached, below, share) + _growing(cached + below, above, SEGMENT_LIMIT - share)


def _growing(cached: int, steps: int, limit: int) -> tuple[Segment, ...]:
    segments, first = [], cached + 1
    for length in odd_lengths(steps, limit) if steps else ():
        segments.append(Segment(first + length // 2, length))
        first += length
    return tuple(segments)
