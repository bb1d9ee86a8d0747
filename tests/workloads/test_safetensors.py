"""Safetensors files: what is read, and the many ways in which a header can lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.safetensors import stored_tensors
from tests.workloads.checkpoints import llama_tensors, raw, write

ONE = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        stored_tensors(path)
    return str(caught.value).replace(str(path), path.name)


@pytest.mark.parametrize("dtype", ["float32", "float16", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_tensors_are_memory_maps_of_their_element_type(dtype: str, tmp_path: Path) -> None:
    values = np.arange(6).reshape(2, 3).astype(dtype)
    path = write(tmp_path / "w.safetensors", {"a": np.zeros(3, np.uint8), "w": values})
    _, tensor = stored_tensors(path)
    loaded = tensor.load()
    assert isinstance(loaded, np.memmap)
    assert not loaded.flags.writeable
    assert (loaded.dtype, loaded.shape) == (values.dtype, (2, 3))
    np.testing.assert_array_equal(loaded.astype(np.float32), values.astype(np.float32))


def test_four_bit_floats_are_unpacked_low_half_first(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}
    (tmp_path / "w.safetensors").write_bytes(raw(header, bytes([0x21, 0x7F])))
    (tensor,) = stored_tensors(tmp_path / "w.safetensors")
    assert tensor.load().astype(np.float32).tolist() == [0.5, 1.0, -6.0, 6.0]


def test_six_bit_floats_are_listed_but_have_no_array(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    (tmp_path / "w.safetensors").write_bytes(raw(header, bytes(3)))
    (tensor,) = stored_tensors(tmp_path / "w.safetensors")
    assert (tensor.elements, tensor.bytes) == (4, 3)
    with pytest.raises(InputError, match="F6_E2M3, which cannot be read"):
        tensor.load()


def test_empty_tensors_and_empty_files(tmp_path: Path) -> None:
    header = {"w": {"dtype": "F32", "shape": [0, 3], "data_offsets": [0, 0]}}
    (tmp_path / "w.safetensors").write_bytes(raw(header))
    assert stored_tensors(tmp_path / "w.safetensors")[0].load().shape == (0, 3)
    (tmp_path / "w.safetensors").write_bytes(raw({}))
    assert stored_tensors(tmp_path / "w.safetensors") == ()


def test_the_reader_of_the_format_agrees(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    values = {"b": np.float32([[1, 2]]), "a": np.arange(5, dtype=np.int64)}
    numpy.save_file(values, tmp_path / "w.safetensors")
    found = {tensor.name: tensor.load() for tensor in stored_tensors(tmp_path / "w.safetensors")}
    assert found.keys() == values.keys()
    for name, value in values.items():
        np.testing.assert_array_equal(found[name], value)


def entry(**changes: object) -> dict[str, object]:
    return {"w": ONE["w"] | changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it has 0 bytes"),
        (struct.pack("<Q", 2**63), "promises a header of 9,223,372,036,854,775,808 bytes"),
        (struct.pack("<Q", 999) + b"{}", "promises a header of 999 bytes, the file has 10"),
        (raw(b"[1, 2]"), "header must hold one JSON object (got [1, 2])"),
        (raw(b"{"), "header is not JSON"),
        (raw(b"\xff\xfe"), "header is not UTF-8"),
        (raw(b'{"a":' * 50_000), "nested too deeply"),
        (raw(b'{"a": {"dtype": "U8", "dtype": "F32"}}'), "'dtype' stands twice"),
        (raw({"w": 1}), "w: must state dtype, shape and data_offsets (got 1)"),
        (raw(entry(dtype="F128"), bytes(24)), "w: unknown dtype 'F128'\nhint: known: F64"),
        (raw(entry(dtype=[]), bytes(24)), "w: unknown dtype []"),
        (raw(entry(shape=[2, -3]), bytes(24)), "w: shape must be a list"),
        (raw(entry(shape=[2, True]), bytes(24)), "w: shape must be a list"),
        (raw(entry(shape=[1] * 65), bytes(24)), "w: shape must be a list of at most 64"),
        (raw(entry(shape=[2, 4]), bytes(24)), "w: F32 of shape [2, 4] takes 32 bytes, data_offsets span 24"),
        (raw(entry(shape=[2**62, 2**62]), bytes(24)), "data_offsets span 24"),
        (raw(entry(data_offsets=[24, 0]), bytes(24)), "w: data_offsets must be two places"),
        (raw(entry(data_offsets=[-24, 0]), bytes(24)), "w: data_offsets must be two places"),
        (raw(ONE, bytes(20)), "is truncated: its tensors take"),
        (raw(ONE, bytes(25)), "has 1 bytes behind its last tensor"),
        (raw(entry(data_offsets=[8, 32]), bytes(32)), "w: starts at byte 8 of the data"),
        (
            raw(ONE | {"x": {"dtype": "U8", "shape": [9], "data_offsets": [20, 29]}}, bytes(29)),
            "x: shares bytes with 'w'",
        ),
        (
            raw(ONE | {"x": {"dtype": "U8", "shape": [9], "data_offsets": [30, 39]}}, bytes(39)),
            "x: leaves 6 bytes of no tensor behind 'w'",
        ),
    ],
)
def test_headers_that_lie(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    assert message in refusal(path)


def test_every_wrong_tensor_is_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(raw({"a": 1, "b": 2}))
    assert [line.split(": ")[1] for line in refusal(tmp_path / "w.safetensors").splitlines()] == ["a", "b"]


def test_missing_files_and_folders_without_weights(tmp_path: Path) -> None:
    assert refusal(tmp_path / "w.safetensors").endswith("no such file")
    assert refusal(tmp_path).endswith("is a folder without .safetensors files")


def sharded(folder: Path, weight_map: object) -> Path:
    tensors = llama_tensors()
    names = list(tensors)
    write(folder / "one.safetensors", {name: tensors[name] for name in names[:5]})
    write(folder / "two.safetensors", {name: tensors[name] for name in names[5:]})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_shards_by_index_and_by_folder(tmp_path: Path) -> None:
    names = list(llama_tensors())
    index = sharded(
        tmp_path, {name: f"{'one' if place < 5 else 'two'}.safetensors" for place, name in enumerate(names)}
    )
    assert [tensor.name for tensor in stored_tensors(index)] == names
    assert stored_tensors(tmp_path) == stored_tensors(index)
    index.unlink()
    assert {tensor.name for tensor in stored_tensors(tmp_path)} == set(names)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.safetensors", {"w": np.zeros(2, np.float32)})
    assert "w: stands in a.safetensors and in b.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("../one.safetensors", "names a shard outside its folder: '../one.safetensors'"),
        ("/etc/passwd", "names a shard outside its folder"),
        ("..\\one.safetensors", "names a shard outside its folder"),
        ("C:one.safetensors", "names a shard outside its folder"),
        ("..", "names a shard"),
        ("", "names a shard"),
        ("one\x00.safetensors", "names a shard"),
        ("weights.bin", "no .safetensors file"),
        ("three.safetensors", "that is not there"),
        (7, "must be an object of tensor names and file names"),
    ],
)
def test_an_index_reaches_nothing_but_its_shards(shard: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert message in refusal(sharded(tmp_path / "in", {"model.norm.weight": shard}))


def test_an_index_with_a_tensor_its_shard_lacks(tmp_path: Path) -> None:
    assert "nope: is not in one.safetensors" in refusal(sharded(tmp_path, {"nope": "one.safetensors"}))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    """Whatever bytes change, the answer is tensors that lie in the file, or an InputError."""
    path = write(tmp_path / "w.safetensors", {"a": np.ones((2, 2), np.float32), "b": np.ones(3, np.float16)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path.write_bytes(content)
    try:
        tensors = stored_tensors(path)
    except InputError:
        return
    for tensor in tensors:
        assert tensor.end <= len(content)
        assert tensor.load().shape == tensor.shape
