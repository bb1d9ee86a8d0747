from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.workloads.arrays import names_a_file, read_array

VALUES = np.arange(-6, 6, dtype=np.float64).reshape(3, 4) / 4


def safetensors(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> Path:
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "np"}} | header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8"])
def test_an_npy_file(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", VALUES.astype(dtype))
    read = read_array(tmp_path / "w.npy")
    assert read.dtype == np.float64
    assert np.array_equal(read, VALUES)


def test_integers_and_column_order(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.asfortranarray(np.arange(12, dtype=np.int8).reshape(3, 4)))
    read = read_array(tmp_path / "w.npy")
    assert read.flags.c_contiguous
    assert np.array_equal(read, np.arange(12).reshape(3, 4))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array_of_an_archive(save: object, tmp_path: Path) -> None:
    save(tmp_path / "w.npz", **{"layer.0": VALUES, "b": VALUES[0]})  # type: ignore[operator]
    assert np.array_equal(read_array(f"{tmp_path / 'w.npz'}:layer.0"), VALUES)


def test_the_only_array_of_an_archive_needs_no_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=VALUES)
    assert np.array_equal(read_array(tmp_path / "w.npz"), VALUES)


@pytest.mark.parametrize(
    ("dtype", "raw"),
    [
        ("F64", VALUES.tobytes()),
        ("F32", VALUES.astype(np.float32).tobytes()),
        ("F16", VALUES.astype(np.float16).tobytes()),
        ("BF16", (VALUES.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()),
    ],
)
def test_a_tensor_of_a_safetensors_file(dtype: str, raw: bytes, tmp_path: Path) -> None:
    path = safetensors(tmp_path / "w.safetensors", {"skip": ("F32", [1], bytes(4)), "w:1": (dtype, [3, 4], raw)})
    assert np.array_equal(read_array(f"{path}:w:1"), VALUES)


def test_a_csv_file(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("1,2.5\n-3e1,4\n", "utf-8")
    assert np.array_equal(read_array(tmp_path / "w.csv"), [[1, 2.5], [-30, 4]])


def wrong(path: Path, raw: bytes) -> str:
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        read_array(path)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].file == str(path)
    return caught.value.problems[0].message


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("w.npy", npy(np.array([{}, 1], dtype=object)), "cannot be read"),
        ("w.npy", npy(VALUES)[:-8], "cannot be read"),
        ("w.npy", b"", "cannot be read"),
        ("w.npy", b"not an array", "cannot be read"),
        ("w.npy", npy(np.array(["a"])), "not real numbers"),
        ("w.npy", npy(np.array([1j])), "not real numbers"),
        ("w.npy", npy(np.array([1.0, np.nan, np.inf])), "holds 2 elements that are NaN or infinite"),
        ("w.npy", npy(np.zeros((0, 3))), "must hold 1 to"),
        ("w.npz", b"PK\x03\x04 but no archive", "cannot be read"),
        ("w.safetensors", b"\xff" * 8, "cannot be read: a header of"),
        ("w.safetensors", struct.pack("<Q", 2) + b"[]", "cannot be read: a header that is no table"),
        ("w.safetensors", struct.pack("<Q", 2) + b"{}", "holds 0 tensors"),
        ("w.safetensors", struct.pack("<Q", 99999) + b"[" * 99999, "cannot be read"),
        ("w.safetensors", struct.pack("<Q", 8) + b'{"a": 1}', "cannot be read"),
        ("w.csv", b"1,2\n3\n", "cannot be read"),
        ("w.csv", b"a,b\n1,2\n", "cannot be read"),
        ("w.csv", b"", "must hold 1 to"),
        ("w.csv", b"\xff\xfe\x00", "cannot be read"),
        ("w.pkl", b"cos\nsystem\n", "cannot read .pkl files"),
        ("w", b"1", "has no suffix"),
    ],
)
def test_what_is_not_a_tensor_is_refused(name: str, raw: bytes, message: str, tmp_path: Path) -> None:
    assert message in wrong(tmp_path / name, raw)


def test_an_archive_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("../evil.npy", b"text")
    with pytest.raises(InputError, match="cannot be read"):
        read_array(tmp_path / "w.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


def test_an_archive_that_promises_too_much(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("w.npy", header.getvalue())
    with pytest.raises(InputError, match="holds a tensor of 8,000,000,000,000 bytes"):
        read_array(tmp_path / "w.npz")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": ["2"], "data_offsets": [0, 8]},
        {"shape": [2], "data_offsets": [0, 8]},
    ],
)
def test_a_safetensors_entry_that_does_not_fit_its_file(entry: dict[str, object], tmp_path: Path) -> None:
    text = json.dumps({"w": entry}).encode()
    assert "cannot be read" in wrong(tmp_path / "w.safetensors", struct.pack("<Q", len(text)) + text + bytes(8))


def test_names_of_an_archive_are_offered(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", q_proj=VALUES, k_proj=VALUES)
    with pytest.raises(InputError, match=r"(?s)holds 2 tensors.*choose one: .*w\.npz:q_proj"):
        read_array(tmp_path / "w.npz")
    with pytest.raises(InputError, match=r"(?s)unknown tensor 'q_prj'.*did you mean 'q_proj'"):
        read_array(f"{tmp_path / 'w.npz'}:q_prj")


@pytest.mark.parametrize("spec", ["w.npy", "a/b", "w.npz:x", Path("gaussian"), "w.pt"])
def test_what_is_written_as_a_file(spec: str | Path) -> None:
    assert names_a_file(spec)


def test_a_plain_word_is_no_file() -> None:
    assert not names_a_file("gaussian")
