"""Traces as tables: CSV and Parquet files, read and written without loss.

`read_trace` also takes SCALE-Sim topologies, which it knows by their header.
"""

from __future__ import annotations

import os
from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.workloads.table_csv import read_csv, write_csv
from archsim.workloads.table_parquet import MAGIC, read_parquet, write_parquet
from archsim.workloads.trace import Trace

PARQUET_SUFFIXES = (".parquet", ".pq")


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """The trace in a file: archsim CSV, archsim Parquet or SCALE-Sim topology, told apart by content.

    Raises InputError with every problem of the file and the lines they stand in.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(Problem(file=str(path), message="no such file")) from None
    except OSError as error:
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error.strerror}")) from None
    if content.startswith(MAGIC):
        return read_parquet(content, file)
    return read_csv(content, file)


def write_trace(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write a trace to a file: Parquet for the suffixes .parquet and .pq, else CSV.

    The file is written beside and renamed. Raises InputError for a trace that a table cannot hold.
    """
    file = Path(path)
    content = write_parquet(trace) if file.suffix in PARQUET_SUFFIXES else write_csv(trace)
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)
