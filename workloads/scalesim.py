"""SCALE-Sim topologies as traces, in the styles its own files come in.

That tool counts partial windows and knows no padding: an output has ceil((size - filter + stride) / stride) rows.
A layer whose name contains "DP" is depthwise there: each of its channels is a layer of its own. Columns are found by
their header, which that tool does not read; cells without a known header are recognised by what they hold. A file
whose first line is already a layer has that tool's own order of columns.
Source: SCALE-Sim 3.0.0, its topology reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from archsim.core.errors import InputError, Problem
from archsim.workloads.op import Op
from archsim.workloads.sparsity import parse_sparsity
from archsim.workloads.table_columns import LARGEST, Column, parse_cell
from archsim.workloads.table_trace import distinct_parameters, raise_all
from archsim.workloads.trace import Trace

_KEYS = MappingProxyType(
    {
        "layer": "name",
        "layers": "name",
        "layername": "name",
        "m": "m",
        "n": "n",
        "k": "k",
        "ifmapheight": "ifmap_h",
        "ifmapwidth": "ifmap_w",
        "filterheight": "filter_h",
        "filterwidth": "filter_w",
        "channels": "channels",
        "numfilter": "filters",
        "numfilters": "filters",
        "stride": "stride_h",
        "strides": "stride_h",
        "strideh": "stride_h",
        "strideheight": "stride_h",
        "stridew": "stride_w",
        "stridewidth": "stride_w",
        "sparsity": "sparsity",
        "sparsityratio": "sparsity",
        "batch": "batch",
        "batchsize": "batch",
    }
)
_GEMM = ("m", "n", "k")
_CONV = ("ifmap_h", "ifmap_w", "filter_h", "filter_w", "channels", "filters", "stride_h")
_RATIO = re.compile(r"\d+\s*:\s*\d+")
DEPTHWISE = "DP"
GEMM_TITLES = ("Layer", "M", "N", "K")
CONV_TITLES = (
    "Layer name",
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)

Line = tuple[int, list[str]]


def is_topology(header: Sequence[str]) -> bool:
    """Whether a CSV's first line is one of SCALE-Sim's: a layer column with GEMM or IFMAP sizes, or a layer."""
    keys = {_key(name) for name in header}
    named = "name" in keys and (set(_GEMM) <= keys or "ifmap_h" in keys) and "kind" not in map(_plain, header)
    return named or _headless(header) is not None


def _headless(first: Sequence[str]) -> tuple[str, ...] | None:
    """The titles that a file without a header goes without: GEMM for three sizes, conv for seven or eight."""
    sizes = [cell.strip() for cell in first[1:] if cell.strip() and not _RATIO.fullmatch(cell.strip())]
    if not first[0].strip() or first[0].strip().isdecimal() or not all(cell.isdecimal() for cell in sizes):
        return None
    return {3: GEMM_TITLES, 7: CONV_TITLES, 8: CONV_TITLES}.get(len(sizes))


def topology_trace(lines: Sequence[Line], file: Path) -> Trace:
    """The trace of a topology's lines, header first, one op a layer, each after the one before it.

    Layers of the same name are told apart by a number. Columns that mean nothing here are named in the trace's source.
    Raises InputError with every problem of the file.
    """
    (header_line, header), *body = lines
    headless = _headless(header)
    if headless is not None:
        header, body = list(headless), list(lines)
    layout = _Layout(columns=tuple(_key(name) for name in header), titles=tuple(name.strip() for name in header))
    wanted = _CONV if "ifmap_h" in layout.columns else _GEMM
    missing = [key for key in wanted if key not in layout.columns]
    raise_all([Problem(line=header_line, message=f"column for {key} is missing") for key in missing], file)
    ops: list[Op] = []
    problems: list[Problem] = []
    names: dict[str, int] = {}
    for number, cells in body:
        if cells[0].lstrip().startswith("#"):
            continue
        row, wrong = _read(layout, cells, wanted)
        op = None if wrong else _op(row, wanted)
        if isinstance(op, Op):
            ops.append(replace(op, name=unique_name(op.name, names)))
        problems += [replace(problem, line=number) for problem in [*wrong, *(op if isinstance(op, list) else ())]]
    if not ops and not problems:
        problems.append(Problem(message="has no layers"))
    raise_all(problems, file)
    return Trace(name=file.stem, ops=tuple(ops), parameters=distinct_parameters(ops), source=layout.source())


@dataclass(slots=True)
class _Layout:
    """Which column holds what, and a record of the cells that were passed over."""

    columns: tuple[str, ...]
    titles: tuple[str, ...]
    ignored: dict[str, None] = field(default_factory=dict)

    def source(self) -> str:
        text = "SCALE-Sim topology (outputs by that tool's rule: partial windows count, no padding)"
        return f"{text}; ignored: {', '.join(self.ignored)}" if self.ignored else text


@dataclass(slots=True)
class _Layer:
    name: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    sparsity: str | None = None


def _read(layout: _Layout, cells: Sequence[str], wanted: Sequence[str]) -> tuple[_Layer, list[Problem]]:
    """The values of one line, and what is wrong with them."""
    layer = _Layer()
    problems: list[Problem] = []
    optional = ("batch", "stride_w") if "stride_h" in wanted else ("batch",)
    for index, cell in enumerate(cells):
        text = cell.strip()
        key = layout.columns[index] if index < len(layout.columns) else ""
        if not text:
            continue
        if key == "name":
            layer.name = text
        elif _RATIO.fullmatch(text) and (key in ("", "sparsity") or key not in (*wanted, "stride_w")):
            problems += _set_sparsity(layer, text)
        elif key in (*wanted, *optional):
            problems += _set_size(layer, key, text)
        elif _is_second_stride(layout, index, text):
            problems += _set_size(layer, "stride_w", text)
        else:
            layout.ignored[_title(layout, index, text)] = None
    problems += [Problem(key=key, message="is missing") for key in wanted if key not in layer.sizes and not problems]
    return layer, problems


def _set_sparsity(layer: _Layer, text: str) -> list[Problem]:
    """Keep an N:M ratio; equal numbers are dense."""
    try:
        pattern = parse_sparsity(text.replace(" ", ""), key="sparsity")
    except InputError as error:
        return list(error.problems)
    layer.sparsity = None if pattern.density == 1 else pattern.text
    return []


def _set_size(layer: _Layer, key: str, text: str) -> list[Problem]:
    value = parse_cell(Column(name=key), text)
    if isinstance(value, Problem):
        return [value]
    layer.sizes[key] = int(value)
    return []


def _is_second_stride(layout: _Layout, index: int, text: str) -> bool:
    """An unnamed number right behind the only stride column is the stride across."""
    behind = 0 < index <= len(layout.columns) and layout.columns[index - 1] == "stride_h"
    unnamed = index >= len(layout.titles) or not layout.titles[index]
    return behind and unnamed and text.isdecimal()


def _title(layout: _Layout, index: int, text: str) -> str:
    title = layout.titles[index] if index < len(layout.titles) else ""
    return title or repr(text)


def _op(layer: _Layer, wanted: Sequence[str]) -> Op | list[Problem]:
    """The op of a layer, or why there is none."""
    if not layer.name:
        return [Problem(key="layer name", message="is missing")]
    if not layer.name.isprintable() or ";" in layer.name:
        return [Problem(key="layer name", message=f"must be printable text without ';' (got {layer.name!r})")]
    sizes = layer.sizes
    batch = sizes.get("batch", 1)
    if wanted is _GEMM:
        op = Op.gemm(layer.name, m=sizes["m"] * batch, n=sizes["n"], k=sizes["k"])
    else:
        problems = [
            Problem(key=f"filter_{axis}", message=f"must be at most the ifmap's {sizes[f'ifmap_{axis}']} (got {size})")
            for axis in "hw"
            if (size := sizes[f"filter_{axis}"]) > sizes[f"ifmap_{axis}"]
        ]
        if problems:
            return problems
        op = _conv(layer.name, sizes, batch)
    if op.macs > LARGEST:
        return [Problem(message=f"has more than {LARGEST} multiply-accumulates ({op.macs:.3g})")]
    return replace(op, weights=replace(op.weights, sparsity=layer.sparsity))


def _conv(name: str, sizes: Mapping[str, int], batch: int) -> Op:
    stride_h = sizes["stride_h"]
    stride_w = sizes.get("stride_w", stride_h)
    channels, filters = sizes["channels"], sizes["filters"]
    groups = channels if DEPTHWISE in name else 1
    return Op.conv(
        name,
        n=batch,
        k=filters * groups,
        c=channels,
        p=_outputs(sizes["ifmap_h"], sizes["filter_h"], stride_h),
        q=_outputs(sizes["ifmap_w"], sizes["filter_w"], stride_w),
        r=sizes["filter_h"],
        s=sizes["filter_w"],
        stride_h=stride_h,
        stride_w=stride_w,
        groups=groups,
    )


def _outputs(size: int, kernel: int, stride: int) -> int:
    """ceil((size - kernel + stride) / stride): SCALE-Sim's count, in which a partial window is one."""
    return -(-(size - kernel + stride) // stride)


def unique_name(name: str, seen: dict[str, int]) -> str:
    """The name, with a number behind it from the second time on."""
    while True:
        seen[name] = seen.get(name, 0) + 1
        if seen[name] == 1:
            return name
        name = f"{name}.{seen[name]}"


def _key(title: str) -> str:
    return _KEYS.get(_plain(title), "")


def _plain(title: str) -> str:
    return "".join(character for character in title.lower() if character.isalnum())
