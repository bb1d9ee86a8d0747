"""The registry of workload files: by suffix, by first bytes, and what may be asked of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.workloads.importers import IMPORTERS, importer_by_key, importer_by_name, importer_of, read_workload
from archsim.workloads.models import model
from archsim.workloads.table import write_trace


def test_a_suffix_leads_to_one_importer() -> None:
    for importer in IMPORTERS:
        for suffix in importer.suffixes:
            assert importer_by_name(f"Some.Net{suffix.upper()}") is importer


def test_an_index_of_shards_is_no_config() -> None:
    found = importer_by_name("model.safetensors.index.json")
    assert found is not None
    assert found.what == "checkpoint"
    assert importer_by_name("net") is None


def test_keys_of_the_workload_table_name_one_kind() -> None:
    found = importer_by_key("config")
    assert found is not None
    assert found.what == "config.json"
    assert importer_by_key("trace") is None


def test_files_without_a_suffix_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    trace = model("mobilenet-v1")
    for suffix in (".csv", ".parquet"):
        write_trace(trace, tmp_path / f"net{suffix}")
        plain = (tmp_path / f"net{suffix}").rename(tmp_path / "net")
        assert read_workload(plain) == trace
    (tmp_path / "json").write_text(' {"model_type": "llama"}')
    assert importer_of(tmp_path / "json").what == "config.json"


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    with pytest.raises(InputError, match=r"is of no known kind \('\.bin'\)\nhint: known: \.csv, \.parquet"):
        read_workload(tmp_path / "a.bin")


@pytest.mark.parametrize("name", ["no.csv", "no.yaml", "no.cfg", "no.safetensors", "no.json", "no"])
def test_missing_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_workload(tmp_path / name)


def test_names_that_no_file_system_takes() -> None:
    for name in ("a\0b.csv", "x" * 5000 + ".csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read_workload(name)


def test_what_a_file_does_not_take_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Layer,M,N,K\na,1,2,3\n")
    with pytest.raises(InputError) as caught:
        read_workload(tmp_path / "t.csv", {"phase": "decode", "batch": 2})
    assert [problem.key for problem in caught.value.problems] == ["phase", "batch"]
