"""Small text files read safely, with errors in archsim's words."""

from __future__ import annotations

from pathlib import Path

from archsim.core.errors import InputError, Problem

LARGEST_BYTES = 1_000_000


def read_text(path: str | Path) -> str:
    """The text of a file.

    Raises:
        InputError: it is missing, unreadable, larger than 1 MB, or not UTF-8.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(Problem(file=name, message=f"cannot be read: {reason}")) from None
    if len(raw) > LARGEST_BYTES:
        raise InputError(Problem(file=name, message=f"is larger than {LARGEST_BYTES // 10**6} MB"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 text (byte 0x{raw[error.start]:02x})"
        raise InputError(Problem(file=name, line=line, message=message, hint="save it as UTF-8")) from None
