"""Writes docs/validation.md from measurements made now: `make validation`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.validation.bit_serial import bit_serial_rows
from tests.validation.components import component_rows, split_section, write_plot
from tests.validation.mapping_rows import mapping_rows
from tests.validation.measure import DATA, MEASUREMENTS, default_against_scalesim, relative
from tests.validation.networks import network_rows
from tests.validation.optimum_rows import optimum_rows, optimum_section
from tests.validation.published import published_rows
from tests.validation.sparse_rows import sparse_rows
from tests.validation.speed import speed_rows

REPORT = Path(__file__).resolve().parents[2] / "docs" / "validation.md"

HEAD = """# Validation

Made by `make validation`; do not edit. Each row compares archsim with something it was not fitted to; "all equal" means
to the last digit. How each number is computed: [cost-model.md](cost-model.md), [conventions.md](conventions.md),
[cycle-simulation.md](cycle-simulation.md), [workloads.md](workloads.md), [components.md](components.md).

## Accuracy

| what | source | rows | error |
|---|---|---:|---|
"""

DIFFERENCE = """
## Where the default differs from SCALE-Sim, on purpose

Cycles of one layer on one array, default convention against the tool's runs; the reasons are in
[conventions.md](conventions.md).

| dataflow | rows | difference |
|---|---:|---|
"""

SPEED = """
## Speed

CPU time (user + system) of whole processes, caches warm, as a ratio to something measured in the same run; medians.
`make bench` prints these and more.

| what | compared with | ratio |
|---|---|---:|
"""


def accuracy() -> str:
    """The part that is the same on every machine."""
    rows = [measurement.row() for measurement in MEASUREMENTS]
    rows += mapping_rows() + optimum_rows() + network_rows() + component_rows() + published_rows() + sparse_rows()
    rows += bit_serial_rows()
    table = "".join(f"| {row.what} | {row.source} | {row.rows} | {row.error} |\n" for row in rows)
    differences = ""
    for dataflow in ("os", "ws", "is"):
        row = relative(dataflow, "", default_against_scalesim(dataflow))
        differences += f"| {dataflow} | {row.rows} | {row.error} |\n"
    return HEAD + table + DIFFERENCE + differences + optimum_section() + split_section()


def main() -> int:
    if not DATA.is_dir():
        print(f"no reference data at {DATA}: nothing written", file=sys.stderr)
        return 1
    try:
        speed = "".join(f"| {what} | {against} | {ratio:.3g} |\n" for what, against, ratio in speed_rows())
    except subprocess.CalledProcessError as error:
        print(f"a measured command failed: {error}", file=sys.stderr)
        return 1
    REPORT.write_text(accuracy() + SPEED + speed, encoding="utf-8")
    write_plot(REPORT.parent)
    print(f"wrote {REPORT.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
