"""Named sizes that never change: a mapping that can be hashed and pickled."""

from __future__ import annotations

from typing import Any, NoReturn


class Sizes(dict[str, int]):
    """Dimensions with their sizes, in order. Equal to any mapping with the same items; every change is refused.

    >>> Sizes({"m": 2}) == {"m": 2}
    True
    """

    __slots__ = ()

    def __hash__(self) -> int:  # type: ignore[override]  # a dict that cannot change
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[Sizes], tuple[dict[str, int]]]:
        return Sizes, (dict(self),)

    def __copy__(self) -> Sizes:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Sizes:
        return self

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("sizes of an op cannot change: make another op with replace()")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = _refuse
    setdefault: Any = _refuse
    update: Any = _refuse
