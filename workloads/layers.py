"""The layer an op belongs to, apart from the decode segment it is repeated in."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"^decode\d+\.")


def layer_name(op_name: str) -> str:
    """The op's name without the prefix of a decode segment: the same in prefill and in every segment.

    >>> layer_name("decode3.layers.0.q_proj")
    'layers.0.q_proj'
    """
    return _SEGMENT.sub("", op_name)
