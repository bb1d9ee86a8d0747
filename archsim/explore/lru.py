"""Memory of bounded size: what was used least recently goes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Recent(Generic[Found]):
    """At most `most` values by key; `get` makes what is not there."""

    __slots__ = ("_kept", "most")

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"most must be at least 1 (got {most})")
        self.most = most
        self._kept: OrderedDict[Hashable, Found] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """The value of a key. What `make` raises is raised again each time: a failure is not kept."""
        kept = self._kept
        try:
            value = kept[key]
        except KeyError:
            value = kept[key] = make()
            if len(kept) > self.most:
                kept.popitem(last=False)
        else:
            kept.move_to_end(key)
        return value

    def __len__(self) -> int:
        return len(self._kept)
