"""How a value is quoted back to the person who wrote it."""

from __future__ import annotations

LONGEST = 60


def spelled(value: object) -> str:
    """A value as TOML would spell it, cut at 60 characters.

    >>> spelled("1 GHz"), spelled(True), spelled([1, "a"])
    ("'1 GHz'", 'true', "[1, 'a']")
    """
    text = _spelled(value, depth=0)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _spelled(value: object, depth: int) -> str:
    if depth > 3:
        return "..."
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "'" + value.replace("\n", "\\n")[: LONGEST + 1] + "'"
        case list() | tuple():
            return "[" + ", ".join(_spelled(item, depth + 1) for item in value[:9]) + "]"
        case dict():
            pairs = list(value.items())[:9]
            return "{" + ", ".join(f"{key} = {_spelled(item, depth + 1)}" for key, item in pairs) + "}"
        case _:
            return str(value)


def listed(names: object) -> str:
    """Names in a sentence: sorted, separated by commas.

    >>> listed({"ws", "os"})
    'os, ws'
    """
    return ", ".join(sorted(str(name) for name in names))  # type: ignore[attr-defined]
