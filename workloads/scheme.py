"""Shorthands for formats, as papers spell them: `w4a8kv4`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archsim.arch.formats import format
from archsim.core.errors import InputError, Problem
from archsim.core.spelling import brief

GRAMMAR = "w<F>[g<N>]a<F>[kv<F>], each F a width (4, 8, 16, 1.58) or a format (fp8, mxfp4, bf16, nf4)"
WEIGHT_GROUP = 128
"""Weights that share a scale below 8 bits. Source: Frantar et al. 2023 (GPTQ), Lin et al. 2024 (AWQ) (recalled)."""
_LONGEST = 100
_WEIGHT = re.compile(r"(.+?)(?:g(\d{1,9}))?")
_FLOATS = {"16": "fp16", "32": "fp32"}
_SCALES = {"weights": "channel", "activations": "token", "kv_cache": "head"}


def parse_scheme(text: str) -> dict[str, str]:
    """Spelled-out formats of a shorthand: weights, activations, and kv_cache where it names one.

    ``w<F>[g<N>]a<F>[kv<F>]``. A width F up to 15 is that many bits of integer: weights with one scale per output
    channel, or below 8 bits per group of 128 (or N); activations with one per token; keys and values with one per head.
    16 and 32 are fp16 and fp32, 1.58 is ternary. Any other F is a format as `archsim formats` lists them.
    Without kv the cache follows the activations, as everywhere.

    >>> parse_scheme("w4a8kv4")
    {'weights': 'int4:g128', 'activations': 'int8:token', 'kv_cache': 'int4:head'}
    >>> parse_scheme("wfp8afp8")
    {'weights': 'fp8', 'activations': 'fp8'}

    Raises InputError with the grammar for all else. Sources: the names are those of Lin et al. 2024 (QServe, W4A8KV4)
    and Ma et al. 2024 (BitNet b1.58); one scale per token: Xiao et al. 2023 (SmoothQuant); recalled.
    """
    spelled = text.strip().lower()
    for parts in _splits(spelled):
        table = _formats(*parts)
        if table is not None:
            return table
    raise InputError(Problem(message=f"unknown scheme {brief(text)!r}", hint=_hint(spelled)))


def _splits(spelled: str) -> Iterator[tuple[str, str, str | None]]:
    """Every way to cut a spelling at `w`, `a` and `kv`."""
    if not spelled.startswith("w") or len(spelled) > _LONGEST:
        return
    for cut in (match.start() for match in re.finditer("a", spelled)):
        weights, rest = spelled[1:cut], spelled[cut + 1 :]
        activations, at, cache = rest.rpartition("kv")
        yield (weights, activations, cache) if at else (weights, rest, None)


def _formats(weights: str, activations: str, cache: str | None) -> dict[str, str] | None:
    """The spelled-out table, or None when a part names no format."""
    match = _WEIGHT.fullmatch(weights)
    if match is None:
        return None
    group = int(match[2]) if match[2] else None
    named = {"weights": _spelled(match[1], "weights", group), "activations": _spelled(activations, "activations")}
    if cache is not None:
        named["kv_cache"] = _spelled(cache, "kv_cache")
    found = {key: value for key, value in named.items() if value is not None}
    return found if len(found) == len(named) else None


def _spelled(part: str, role: str, group: int | None = None) -> str | None:
    """A format's spelling for one part; None when there is none."""
    if part in _FLOATS:
        text = _FLOATS[part]
    elif part == "1.58":
        text = "ternary"
    elif part in ("1", "1.0"):
        text = "binary"
    elif part.isdigit() and 2 <= int(part) < min(map(int, _FLOATS)):
        narrow = role == "weights" and int(part) < 8
        text = f"int{int(part)}:" + (f"g{group or WEIGHT_GROUP}" if narrow or group else _SCALES[role])
        group = None
    else:
        text = part
    if group is not None:
        text += f":g{group}"
    try:
        format(text)
    except InputError:
        return None
    return text


def _hint(spelled: str) -> str:
    if not spelled.startswith("w") or "a" not in spelled:
        return f"a scheme is {GRAMMAR}"
    weights, _, rest = spelled[1:].partition("a")
    activations, at, cache = rest.partition("kv")
    parts = {"weights": (weights, "w"), "activations": (activations, "a")} | ({"kv_cache": (cache, "kv")} if at else {})
    for role, (part, letter) in parts.items():
        bare = part.split("g")[0] if role == "weights" else part
        if _spelled(bare, role) is None:
            return f"{letter}{part} names no format: a scheme is {GRAMMAR}"
    return f"a scheme is {GRAMMAR}"
