#!/usr/bin/env python3
"""Exits 0 when a file holds one archsim.evaluation/1 document from an installed (not a checked out) archsim."""

import json
import sys
from pathlib import Path

import archsim

PRESENT = ("area_mm2", "power_w", "edp_js", "utilization", "dram_bytes", "throughput_per_s", "tops", "tops_per_w")
POSITIVE = ("latency_s", "cycles", "energy_j", "macs")

document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
totals = document.get("totals", {})
problems = []
if document.get("schema") != "archsim.evaluation/1":
    problems.append(f"schema is {document.get('schema')!r}")
if document.get("archsim") != archsim.__version__:
    problems.append(f"archsim is {document.get('archsim')!r}, installed is {archsim.__version__!r}")
if (Path(archsim.__file__).parent.parent / "pyproject.toml").exists():
    problems.append(f"archsim was imported from the checkout: {archsim.__file__}")
if not document.get("layers"):
    problems.append("no layers")
problems += [f"totals.{key} is missing" for key in PRESENT if key not in totals]
problems += [f"totals.{key} is not above 0: {totals.get(key)}" for key in POSITIVE if not (totals.get(key) or 0) > 0]
if problems:
    sys.exit("\n".join(f"error: {problem}" for problem in problems))
print(f"wheel: archsim {archsim.__version__} evaluates {document['design']!r}: {len(document['layers'])} layers")
