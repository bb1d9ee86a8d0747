"""TOML: the line of every key, keys and values of overrides."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from archsim.core.spelling import LONGEST, spelled
from archsim.core.toml import TomlDocument, key_lines, parse_key, parse_toml, parse_value

TEXT = """\
#:schema x.json
top = 1
[a]
b.c = 1
"q w".d = { x = 1, y = [1, { z = 2 }] }
[[a.m]]
name = "first"
[[a.m]]
name = "second"
[a.m.sub]
k = 1
["x.y".'z']
list = [
  { size = 1 },  # a comment
  # another
  { size = 2 },
]
"""


def test_every_key_has_its_line() -> None:
    expected = {
        ("top",): 2,
        ("a",): 3,
        ("a", "b"): 4,
        ("a", "b", "c"): 4,
        ("a", "q w"): 5,
        ("a", "q w", "d"): 5,
        ("a", "q w", "d", "x"): 5,
        ("a", "q w", "d", "y"): 5,
        ("a", "q w", "d", "y", 0): 5,
        ("a", "q w", "d", "y", 1): 5,
        ("a", "q w", "d", "y", 1, "z"): 5,
        ("a", "m"): 6,
        ("a", "m", 0): 6,
        ("a", "m", 0, "name"): 7,
        ("a", "m", 1): 8,
        ("a", "m", 1, "name"): 9,
        ("a", "m", 1, "sub"): 10,
        ("a", "m", 1, "sub", "k"): 11,
        ("x.y",): 12,
        ("x.y", "z"): 12,
        ("x.y", "z", "list"): 13,
        ("x.y", "z", "list", 0): 14,
        ("x.y", "z", "list", 0, "size"): 14,
        ("x.y", "z", "list", 1): 16,
        ("x.y", "z", "list", 1, "size"): 16,
    }
    assert expected == key_lines(TEXT.encode())


def test_every_value_has_a_line() -> None:
    lines = key_lines(TEXT.encode())
    assert set(_paths(parse_toml(TEXT, "x"), ())) == set(lines)


def _paths(value: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in entries for place in [(*path, key), *_paths(inner, (*path, key))]]


def test_a_missing_key_has_the_line_of_its_table() -> None:
    document = TomlDocument(name="x", values={}, text=TEXT.encode())
    assert document.line(("a", "m", 1, "capacity")) == 8
    assert document.line(("nowhere",)) is None


def test_keys_of_overrides() -> None:
    assert parse_key('quantization.layers."*.down_proj".weights') == (
        "quantization",
        "layers",
        "*.down_proj",
        "weights",
    )
    assert parse_key("a..b") is None
    assert parse_key("") is None
    assert parse_key("a = 1\nb") is None


def test_values_of_overrides() -> None:
    assert parse_value("16") == 16
    assert parse_value("8 KiB") == "8 KiB"
    assert parse_value('["ws", "os"]') == ["ws", "os"]
    assert parse_value("true") is True
    assert parse_value("1\nb = 2") == "1\nb = 2"


@given(st.text(max_size=30))
def test_an_override_value_never_raises(text: str) -> None:
    assert parse_value(text) is not None


@given(
    st.recursive(
        st.integers() | st.text() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_quoted_value_is_short(value: object) -> None:
    assert len(spelled(value)) <= LONGEST
    assert "\n" not in spelled(value)
