"""How sparsity patterns and attention patterns are spelled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from archsim.core.errors import InputError, Problem, nearest
from archsim.core.spelling import brief
from archsim.workloads.sparsity import PatternKind, SparsityPattern

_RATIO = re.compile(r"(\d{1,9}):(\d{1,9})")
_NUMBER = r"(\d{1,20}(?:\.\d{1,20})?(?:e-?\d{1,2})?)"
_SHARE = re.compile(rf"(random|topk):{_NUMBER}")
_BLOCK = re.compile(rf"block(\d{{1,6}})x(\d{{1,6}}):{_NUMBER}")
_MASK = re.compile(r"mask:(\d{1,15})/(\d{1,15})((?::\d{1,4}=[\d,]+)*)")
_WINDOW = re.compile(r"window:(\d{1,12})(?:\+(\d{1,12}))?")

PATTERN_FORMS = "write N:M (2:4), random:DENSITY, blockRxC:DENSITY, topk:SHARE, file:MASKS.npz or dense"
ATTENTION_FORMS = "write window:KEYS, window:KEYS+SINKS, topk:SHARE or dense"
_WORDS = ("random", "block", "topk", "window", "file", "dense", "mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPattern:
    """Which keys a query attends to: a sliding window of the latest with the first few (sinks), or the best share."""

    text: str
    window: int = 0
    """Keys that a query sees, itself included; 0: all."""
    sinks: int = 0
    """First keys of the sequence that every query sees besides its window."""
    share: Fraction = Fraction(1)
    """Share of the keys whose scores are largest."""


@lru_cache(maxsize=4096)
def read_pattern(text: str, key: str | None = None) -> SparsityPattern:
    """The pattern that `text` spells; `archsim.workloads.sparsity.parse_sparsity` says how. Raises InputError."""
    spelled = text.strip()
    if spelled == "dense":
        return SparsityPattern(text=spelled, density=Fraction(1), kind=PatternKind.DENSE)
    if ratio := _RATIO.fullmatch(spelled):
        return _ratio(int(ratio[1]), int(ratio[2]), text, key)
    if share := _SHARE.fullmatch(spelled):
        density = _density(share[2], text, key)
        return SparsityPattern(text=spelled, density=density, kind=PatternKind(share[1]))
    if block := _BLOCK.fullmatch(spelled):
        return _block(int(block[1]), int(block[2]), _density(block[3], text, key), text, key)
    if mask := _MASK.fullmatch(spelled):
        return _mask(int(mask[1]), int(mask[2]), mask[3], text, key)
    raise InputError(_unknown(spelled, key))


def read_attention(text: str, key: str | None = None) -> AttentionPattern:
    """The attention pattern that ``window:KEYS``, ``window:KEYS+SINKS``, ``topk:SHARE`` or ``dense`` spells.

    >>> read_attention("window:512+4")
    AttentionPattern(text='window:512+4', window=512, sinks=4, share=Fraction(1, 1))

    Raises InputError, at `key`, for other spellings.
    """
    spelled = text.strip()
    if spelled == "dense":
        return AttentionPattern(text=spelled)
    if window := _WINDOW.fullmatch(spelled):
        keys, sinks = int(window[1]), int(window[2] or 0)
        if keys < 1:
            raise InputError(Problem(key=key, message=f"a window has at least 1 key (got {text!r})"))
        return AttentionPattern(text=f"window:{keys}" + (f"+{sinks}" if sinks else ""), window=keys, sinks=sinks)
    if (share := _SHARE.fullmatch(spelled)) and share[1] == "topk":
        return AttentionPattern(text=spelled, share=_density(share[2], text, key))
    word = re.split(r"[:\d]", spelled.lower())[0]
    near = nearest(word, ("window", "topk", "dense"))
    hint = f"did you mean '{near}'? {ATTENTION_FORMS}" if near not in (None, word) else ATTENTION_FORMS
    raise InputError(Problem(key=key, message=f"unknown attention pattern {brief(text)!r}", hint=hint))


def _ratio(keep: int, group: int, text: str, key: str | None) -> SparsityPattern:
    if not 1 <= keep <= group:
        raise InputError(Problem(key=key, message=f"N:M needs 1 <= N <= M (got {text!r})"))
    return SparsityPattern(
        text=f"{keep}:{group}", density=Fraction(keep, group), kind=PatternKind.RATIO, keep=keep, group=group
    )


def _block(rows: int, columns: int, density: Fraction, text: str, key: str | None) -> SparsityPattern:
    if rows < 1 or columns < 1:
        raise InputError(Problem(key=key, message=f"a block has at least 1 x 1 elements (got {text!r})"))
    return SparsityPattern(text=text.strip(), density=density, kind=PatternKind.BLOCK, block=(rows, columns))


def _density(number: str, text: str, key: str | None) -> Fraction:
    density = Fraction(number)
    if not 0 < density <= 1:
        raise InputError(Problem(key=key, message=f"density must be above 0 and at most 1 (got {brief(text)!r})"))
    return density


def mask_text(kept: int, total: int, counts: tuple[tuple[int, ...], ...]) -> str:
    """The spelling of a counted mask: its share, then for each group size how many groups hold 0, 1, ... non-zeros."""
    parts = [f":{len(row) - 1}={','.join(map(str, row))}" for row in counts]
    return f"mask:{kept}/{total}" + "".join(parts)


def _mask(kept: int, total: int, rest: str, text: str, key: str | None) -> SparsityPattern:
    counts = []
    for part in rest.split(":")[1:]:
        size, _, row = part.partition("=")
        numbers = [int(number) for number in row.split(",") if number.isdigit() and len(number) <= 15]
        if len(numbers) != int(size) + 1 or row.count(",") != int(size) or not sum(numbers):
            message = f"groups of {size} need {int(size) + 1} counts that are not all 0 (in {brief(text)!r})"
            raise InputError(Problem(key=key, message=message))
        counts.append(tuple(numbers))
    if not 0 <= kept <= total or not total:
        raise InputError(Problem(key=key, message=f"a mask keeps 0 to all of its elements (got {brief(text)!r})"))
    return SparsityPattern(
        text=text.strip(), density=Fraction(kept, total), kind=PatternKind.MASK, counts=tuple(counts)
    )


def _unknown(spelled: str, key: str | None) -> Problem:
    word = re.split(r"[:\d]", spelled.lower())[0]
    if word == "window":
        hint = "a window says which keys a query attends to: give it as sparsity.attention"
        return Problem(key=key, message=f"{brief(spelled)!r} is no pattern of an operand", hint=hint)
    if word == "file":
        hint = "masks are read for [sparsity] of a design and by --set sparsity.weights=file:MASKS.npz"
        return Problem(key=key, message=f"{brief(spelled)!r} names a file where none is read", hint=hint)
    near = nearest(word, _WORDS[:-1]) if word and word not in _WORDS else None
    hint = f"did you mean '{near}'? {PATTERN_FORMS}" if near else PATTERN_FORMS
    return Problem(key=key, message=f"unknown sparsity {brief(spelled)!r}", hint=hint)
