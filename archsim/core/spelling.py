"""How a value is quoted back to the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 60
LONGEST_NAME = 80
_BINARY_PREFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
LONGEST_INTEGER = 256
"""Bits of an integer that is still written out."""


def spelled(value: object) -> str:
    """A value as TOML would spell it, cut at 60 characters.

    >>> spelled("1 GHz"), spelled(True), spelled([1, "a"])
    ("'1 GHz'", 'true', "[1, 'a']")
    """
    text = printable(_spelled(value, depth=0))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _spelled(value: object, depth: int) -> str:
    if depth > 3:
        return "..."
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > LONGEST_INTEGER:
            return f"an integer of {value.bit_length()} bits"
        case str():
            return "'" + value[: LONGEST + 1] + "'"
        case list() | tuple():
            return "[" + ", ".join(_spelled(item, depth + 1) for item in value[:LONGEST]) + "]"
        case dict():
            pairs = list(value.items())[:9]
            return "{" + ", ".join(f"{key} = {_spelled(item, depth + 1)}" for key, item in pairs) + "}"
        case _:
            return str(value)


def size_text(size: float) -> str:
    """A finite number of bytes with a power-of-1024 prefix.

    >>> size_text(512), size_text(8192), size_text(13e9)
    ('512 B', '8.00 KiB', '12.1 GiB')
    """
    step = 0
    while abs(size) >= 1024 and step < len(_BINARY_PREFIXES) - 1:
        size /= 1024
        step += 1
    if step == 0:
        return f"{size:.0f} B"
    return f"{size:.{2 if abs(size) < 10 else 1 if abs(size) < 100 else 0}f} {_BINARY_PREFIXES[step]}B"


def brief(name: str) -> str:
    """A name, cut at 80 characters.

    >>> brief("glb"), brief("x" * 100) == "x" * 80 + "..."
    ('glb', True)
    """
    return name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "..."


def printable(text: str) -> str:
    """Text with line ends and control characters spelled out, fit for one line of a terminal.

    >>> printable("a\\nb")
    'a\\\\nb'
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def listed(names: Iterable[object]) -> str:
    """Names in a sentence: sorted, separated by commas.

    >>> listed({"ws", "os"})
    'os, ws'
    """
    return ", ".join(sorted(str(name) for name in names))
