"""Bitmap masks from .npz files, and files that are something else."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.workloads.masks import GROUP_SIZES, mask_pattern, read_masks
from archsim.workloads.op import Op
from archsim.workloads.sparsity import parse_sparsity

FC = Op.gemm("fc", m=1, n=6, k=40)
VOLUME = Op.conv3d("volume", k=4, c=3, d=2, p=2, q=2, t=3, r=2, s=1)
CONV = Op.conv("conv", k=4, c=4, p=2, q=2, r=3, s=3, groups=2)
OPS = {"fc": FC, "conv": CONV}


def mask(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape) < 0.3


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (FC, (6, 40)),
        (CONV, (4, 2, 3, 3)),
        (VOLUME, (4, 3, 3, 2, 1)),
        (Op.gemm("e", b=3, m=1, n=2, k=5), (3, 2, 5)),
    ],
)
def test_groups_are_counted_along_the_reduction(op: Op, shape: tuple[int, ...]) -> None:
    array = mask(*shape)
    pattern = parse_sparsity(mask_pattern(array, op))
    assert pattern.density == Fraction(int(array.sum()), array.size)
    rows = array.reshape(-1, op.size(op.reduction))
    for n in GROUP_SIZES:
        found = Counter(int(row[at : at + n].sum()) for row in rows for at in range(0, rows.shape[1], n))
        total = sum(found.values())
        assert pattern.group_density(n) == tuple(found[i] / total for i in range(n + 1))


def test_a_file_gives_each_layer_its_pattern(tmp_path: Path) -> None:
    path = tmp_path / "masks.npz"
    np.savez_compressed(path, fc=mask(6, 40).astype(np.int8), conv=mask(4, 2, 3, 3), other=mask(2))
    patterns, surplus = read_masks(path, OPS)
    assert patterns == {"fc": mask_pattern(mask(6, 40), FC), "conv": mask_pattern(mask(4, 2, 3, 3), CONV)}
    assert surplus == ("other",)


def test_sizes_that_were_not_counted_are_named() -> None:
    with pytest.raises(InputError, match="counted: 2, 4, 8, 16, 32, 64"):
        parse_sparsity(mask_pattern(mask(6, 40), FC)).group_density(5)


@pytest.mark.parametrize("text", ["mask:3/2", "mask:0/0", "mask:1/2:2=1,2", "mask:1/2:2=0,0,0", "mask:1/2:2=1,,2"])
def test_masks_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError):
        parse_sparsity(text)


def member(data: bytes, name: str = "fc.npy") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


WHOLE = npy(mask(6, 40))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as an .npz file"),
        (b"PK\x03\x04 not a zip", "cannot be read as an .npz file"),
        (member(WHOLE)[:-40], "cannot be read as an .npz file"),
        (member(WHOLE[:-10]), "'fc' says shape"),
        (member(b"nothing"), "'fc'"),
        (member(WHOLE.replace(b"(6, 40)", b"(9999999999, 40)")), "'fc'"),
        (member(npy(np.array([{}], dtype=object), allow_pickle=True)), "'fc' holds object, not numbers"),
        (member(npy(np.array(["a"]))), "not numbers"),
        (member(npy(mask(40, 6))), r"has shape \(40, 6\); the layer's weights are \(6, 40\)"),
        (member(npy(np.array(1))), "has shape"),
    ],
)
def test_files_that_are_no_masks(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "masks.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_masks(path, OPS)


def test_an_array_larger_than_allowed_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archsim.workloads.masks.LARGEST_BYTES", 100)
    path = tmp_path / "masks.npz"
    path.write_bytes(member(WHOLE))
    with pytest.raises(InputError, match="bytes in one array, more than 100"):
        read_masks(path, OPS)
