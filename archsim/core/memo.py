"""Results that are kept up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Same:
    """A key that is equal to that of the same object alone; it keeps the object, so that no other takes its place."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.of is self.of


class _Hashed:
    """A key whose hash is worked out once: that of a key made of records takes longer than looking it up."""

    __slots__ = ("hash", "key")

    def __init__(self, key: Hashable) -> None:
        self.key, self.hash = key, hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and other.key == self.key


class Memo(Generic[Value]):
    """Values by key; the ones that were asked for longest ago go when all together take more than `most_bytes`.

    The key must hold everything that the value depends on, and values must not be changed.

    >>> words: Memo[str] = Memo(most_bytes=6, size_of=len)
    >>> words.get("a", lambda: "first"), words.get("a", lambda: "again"), words.get("b", lambda: "word"), len(words)
    ('first', 'first', 'word', 1)
    """

    def __init__(self, *, most_bytes: int, size_of: Callable[[Value], int]) -> None:
        self.most_bytes, self.size_of = most_bytes, size_of
        self._values: OrderedDict[_Hashed, Value] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made now if it is not there."""
        hashed = _Hashed(key)
        with self._lock:
            value = self._values.get(hashed)
            if value is not None:
                self._values.move_to_end(hashed)
                return value
        value = make()
        with self._lock:
            self._keep(hashed, value)
        return value

    def _keep(self, key: _Hashed, value: Value) -> None:
        if key in self._values:
            return
        self._values[key] = value
        self._bytes += self.size_of(value)
        while self._bytes > self.most_bytes:
            _, oldest = self._values.popitem(last=False)
            self._bytes -= self.size_of(oldest)

    def __len__(self) -> int:
        return len(self._values)


class ByIdentity(Generic[Value]):
    """Values by the objects that they were made of, which are compared as objects alone, and by a small key.

    Looking up takes no longer than the key does: records are neither hashed nor compared. It keeps its objects, so that
    no other takes the place of one; when all together are of more than a size (one each, if nothing is said), all go.

    >>> sums: ByIdentity[int] = ByIdentity(2)
    >>> one = [1, 2]
    >>> sums.get((one,), 0, lambda: sum(one)), sums.get((one,), 0, lambda: -1), sums.get(([1, 2],), 0, lambda: 4)
    (3, 3, 4)
    """

    __slots__ = ("_kept", "_size", "most", "size_of")

    def __init__(self, most: int, size_of: Callable[[Value], int] = lambda _: 1) -> None:
        self.most, self.size_of = most, size_of
        self._kept: dict[Hashable, tuple[tuple[object, ...], Value]] = {}
        self._size = 0

    def get(self, objects: tuple[object, ...], key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of these very objects and an equal key, made now if it is not there."""
        place = (*map(id, objects), key)
        kept = self._kept.get(place)
        if kept is not None:
            return kept[1]
        value = make()
        self._size += self.size_of(value)
        if self._size > self.most:
            self._kept, self._size = {}, self.size_of(value)
        self._kept[place] = objects, value
        return value

    def __len__(self) -> int:
        return len(self._kept)
