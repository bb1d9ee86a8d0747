from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.statistics.records import FormatStatistics, TensorStatistics, TraceStatistics, ValueStatistics
from archsim.workloads.statistics.side_file import read_statistics, write_statistics
from archsim.workloads.statistics.tensor import tensor_statistics


def trace(seed: int = 0, formats: tuple[str, ...] = ("int8", "int4:g128", "bf16", "int16")) -> TraceStatistics:
    random = np.random.default_rng(seed)
    chosen = [format(name) for name in formats]
    floats = tensor_statistics(random.laplace(size=(3, 40)), chosen, layer="fc", source="x.npz", lanes=(4, 8))
    inputs = tensor_statistics(
        random.random((2, 9)), chosen[:1], layer="fc", operand="inputs", source="estimate: drawn", lanes=(4,)
    )
    stored = tensor_statistics(
        random.integers(-9, 9, (2, 20)).astype(np.int8), [], layer="fc2", source="y.onnx", lanes=(8,)
    )
    return TraceStatistics(name="net", tensors=(floats, inputs, stored), notes=("one", "two"))


def assert_same(one: object, two: object) -> None:
    """Equal in every field, arrays to the last count."""
    assert type(one) is type(two)
    if isinstance(one, TraceStatistics | TensorStatistics | FormatStatistics | ValueStatistics):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(two, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == two.dtype
        assert np.array_equal(one, two)
    elif isinstance(one, tuple):
        assert len(one) == len(two)
        for mine, theirs in zip(one, two, strict=True):
            assert_same(mine, theirs)
    elif isinstance(one, Mapping) and isinstance(two, Mapping):
        assert list(one) == list(two)
        for key in one:
            assert_same(one[key], two[key])
    else:
        assert one == two


def test_reading_what_was_written_gives_the_same_statistics(tmp_path: Path) -> None:
    write_statistics(trace(), tmp_path / "s.parquet")
    assert_same(read_statistics(tmp_path / "s.parquet"), trace())
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from(["int8", "int3:g16", "fp8", "mxfp4", "nf4"]), min_size=1))
def test_the_round_trip_is_the_identity(tmp_path_factory: pytest.TempPathFactory, seed: int, names: list[str]) -> None:
    path = tmp_path_factory.mktemp("round") / "s.parquet"
    statistics = trace(seed, tuple(dict.fromkeys(names)))
    write_statistics(statistics, path)
    assert_same(read_statistics(path), statistics)


def test_the_same_statistics_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_statistics(trace(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_table_is_one_row_per_histogram_and_number(tmp_path: Path) -> None:
    import pyarrow.parquet

    write_statistics(trace(), tmp_path / "s.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "s.parquet").to_pylist()
    row = next(
        row
        for row in rows
        if (row["layer"], row["format"], row["statistic"], row["lanes"]) == ("fc", "int8", "essential_bits", 8)
    )
    expected = trace().of("fc").of("int8").histogram("essential_bits", 8)
    assert row["counts"] == expected.tolist()


def test_lookups_name_what_there_is() -> None:
    statistics = trace()
    with pytest.raises(InputError, match="fc"):
        statistics.of("fc3")
    with pytest.raises(InputError, match="int8"):
        statistics.of("fc").of("int9")
    with pytest.raises(InputError, match="counted: 1, 4, 8"):
        statistics.of("fc").of("int8").histogram("ones", 32)
    with pytest.raises(InputError, match="essential_bits"):
        statistics.of("fc").of("int8").histogram("essential_bit", 8)


def damaged(path: Path, how: str) -> None:
    import pyarrow
    import pyarrow.parquet

    data = path.read_bytes()
    table = pyarrow.parquet.read_table(path)
    match how:
        case "truncated":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("layer,operand\n")
        case "another table":
            pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), path)
        case "no rows of a number":
            keep = [statistic != "width" for statistic in table["statistic"].to_pylist()]
            pyarrow.parquet.write_table(table.filter(pyarrow.array(keep)), path)
        case "negative counts":
            lines = table.to_pylist()
            for line in lines:
                line["counts"] = [-1] if line["counts"] else None
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines, schema=table.schema), path)


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "text", "another table", "no rows of a number", "negative counts"]
)
def test_a_damaged_file_is_refused_with_its_name(tmp_path: Path, how: str) -> None:
    path = tmp_path / "s.parquet"
    write_statistics(trace(), path)
    damaged(path, how)
    with pytest.raises(InputError, match=r"s\.parquet"):
        read_statistics(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_statistics(tmp_path / "none.parquet")
