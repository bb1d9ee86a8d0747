"""The part of a spelling that says which elements share a scale: `tensor`, `channel`, `token`, `head`, `g<size>`."""

from __future__ import annotations

import re

from archsim.arch.formats.base import Granularity, Scale
from archsim.arch.formats.scales import scale_of, tensor_scale
from archsim.core.errors import InputError, Problem

_GROUP = re.compile(r"g(\d{1,9})")
_ROWS = {str(name): name for name in (Granularity.CHANNEL, Granularity.TOKEN, Granularity.HEAD)}


def parse_granularity(option: str, spec: str) -> Scale | None:
    """The scale that `option` of `spec` asks for, FP32 per tensor and FP16 otherwise; None for other options."""
    if option == str(Granularity.TENSOR):
        return tensor_scale()
    if option in _ROWS:
        return scale_of(_ROWS[option], "fp16")
    match = _GROUP.fullmatch(option)
    if match is None:
        return None
    if int(match[1]) < 1:
        raise InputError(Problem(message=f"format {spec!r}: a group has at least 1 element (got {option!r})"))
    return scale_of(Granularity.GROUP, "fp16", int(match[1]))


def granularity_suffix(scale: Scale) -> str:
    """How `scale` is spelled after a format's name: nothing for one per tensor."""
    match scale.granularity:
        case Granularity.TENSOR:
            return ""
        case Granularity.GROUP:
            return f":g{scale.group_size}"
        case _:
            return f":{scale.granularity}"


def split_granularity(spec: str, usage: str) -> tuple[str, Scale | None]:
    """The name before the colon, and the scale after it (None where nothing follows). InputError for anything else."""
    name, colon, option = spec.partition(":")
    if not colon:
        return name, None
    scale = parse_granularity(option, spec)
    if scale is None:
        raise InputError(Problem(message=f"format {spec!r}: option {option!r} is unknown", hint=usage))
    return name, scale
