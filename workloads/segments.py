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


def decode_segments(cached: int, steps: int, window: int | None = None) -> tuple[Segment, ...]:
    """Segments of `steps` decode steps after `cached` tokens; step i attends to cached + i tokens.

    With a sliding `window` the length stops growing at the window; the steps from there on are equal and one segment.
    """
    growing = steps if window is None else max(0, min(steps, window - cached))
    level = steps - growing
    segments = []
    first = cached + 1
    for length in odd_lengths(growing, SEGMENT_LIMIT - (1 if level else 0)) if growing else ():
        segments.append(Segment(first + length // 2, length))
        first += length
    if level:
        segments.append(Segment(window or 0, level))
    return tuple(segments)
