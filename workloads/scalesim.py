"""SCALE-Sim topologies as traces, in the styles its own files come in.

That tool counts partial windows and knows no padding: an output has ceil((size - filter + stride) / stride) rows.
A layer whose name contains "DP" is depthwise there: each of its channels is a layer of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.core.errors import Problem
from archsim.workloads.op import Op
from archsim.workloads.table_columns import Column, parse_cell
from archsim.workloads.table_trace import distinct_parameters, raise_all
from archsim.workloads.trace import Trace
