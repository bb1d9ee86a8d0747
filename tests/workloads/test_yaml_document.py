"""YAML with bounds: plain values and their lines, and documents that would take the machine down."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.workloads.yaml_document import LARGEST_BYTES, read_yaml


def document(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_yaml(document(tmp_path, text))
    return str(caught.value).replace(f"{tmp_path}/", "")


def test_values_have_lines(tmp_path: Path) -> None:
    found = read_yaml(document(tmp_path, "a:\n  b: [1,\n   2]\nc: x\n"))
    assert found.values == {"a": {"b": [1, 2]}, "c": "x"}
    assert [found.line(path) for path in ((), ("a", "b", 1), ("a", "nope"), ("c",))] == [1, 3, 1, 4]
    assert str(found.problem(("a", "b", 1), "is wrong")) == ":3: a.b[1]: is wrong"


def test_aliases_and_merges_are_read(tmp_path: Path) -> None:
    found = read_yaml(document(tmp_path, "a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n"))
    assert found.values == {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{last}'] * 10)}]\n" for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k0: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{last}'] * 20)}]}}\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.yaml: is empty"),
        ("a: [1\nb: 2\n", "net.yaml:2: is not plain YAML"),
        ("a: 1\n---\nb: 2\n", "is not plain YAML: but found another document"),
        ("a: 1\nb: 2\na: 3\n", "net.yaml:3: key 'a' stands twice"),
        ("a: !!python/object/apply:os.system ['true']\n", "net.yaml:1: is not plain YAML: could not determine"),
        ("a: !Custom 1\n", "net.yaml:1: is not plain YAML: could not determine"),
        ("a: &a [*a]\n", "net.yaml:1: holds an alias of itself"),
        ("a: *b\n", "net.yaml:1: is not plain YAML: found undefined alias"),
        ("? [1, 2]\n: 3\n", "net.yaml:1: a key must be a word"),
        (BOMB, "values with its aliases written out"),
        (MERGES, "values with its aliases written out"),
        ("[" * 70 + "]" * 70, "is nested more than 60 deep"),
        ("[" * 200_000, "net.yaml"),
        ("a: 9" + "9" * 9000, "net.yaml: is not plain YAML"),
        ("a: 2026-99-99\n", "net.yaml: is not plain YAML"),
        ("\t- a\n", "net.yaml:1: is not plain YAML"),
        (b"a: \xff\n", "net.yaml:1: is not UTF-8 (byte 0xff)"),
        (b"a: \x00\n", "net.yaml"),
        ("#" * (LARGEST_BYTES + 1), f"net.yaml: is larger than {LARGEST_BYTES:,} bytes"),
    ],
)
def test_refused_documents(text: str | bytes, message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, text)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_yaml(tmp_path / "no.yaml")
