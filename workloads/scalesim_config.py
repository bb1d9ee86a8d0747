"""SCALE-Sim's cfg files: the array, its memories and its dataflow, as a design file that runs a trace on them.

Source: SCALE-Sim 3.0.0, its reader of configurations; words are one byte there.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.core.spelling import spelled
from archsim.workloads.table_trace import raise_all

LARGEST_BYTES = 1_000_000
DATAFLOWS = ("os", "ws", "is")
_ARCHITECTURE, _RUN, _NETWORK = "architecture_presets", "run_presets", "network_presets"
_SIZES = ("ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB")
_LARGEST = 1 << 31
_USER, _CALC = "USER", "CALC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleSimConfig:
    """What a cfg says of the hardware; sizes of memories in KiB."""

    name: str
    rows: int
    columns: int
    dataflow: str
    ifmap_kib: int
    filter_kib: int
    ofmap_kib: int
    bandwidth_bytes_per_cycle: int | None
    """Of the memory outside; None where the tool derives what it would need (CALC)."""
    topology: str | None
    """The topology that the cfg names, as older versions do."""

    def about(self) -> str:
        """The hardware in a line."""
        memories = f"{self.ifmap_kib} + {self.filter_kib} + {self.ofmap_kib} KiB for inputs, weights, outputs"
        return f"{self.rows} x {self.columns} PEs, {self.dataflow}, {memories}"

    def design(self, trace: str) -> str:
        """A design file that runs the trace file `trace` on this hardware, counting as SCALE-Sim does."""
        bandwidth = self.bandwidth_bytes_per_cycle
        outside = "unlimited" if bandwidth is None else f"{bandwidth} B/cycle"
        sizes = (self.ifmap_kib, self.filter_kib, self.ofmap_kib)
        names = ("ifmap_sram", "filter_sram", "ofmap_sram")
        memories = zip(names, ("inputs", "weights", "outputs"), sizes, strict=True)
        return _DESIGN.format(
            name=_quoted(self.name),
            rows=self.rows,
            columns=self.columns,
            dataflow=self.dataflow,
            outside=outside,
            memories="".join(_MEMORY.format(name=name, operand=operand, size=size) for name, operand, size in memories),
            trace=_quoted(trace),
        )


def read_config(path: Path) -> ScaleSimConfig:
    """The hardware of a cfg file. Raises InputError with every missing or wrong key and its line."""
    text = _text(path)
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next((number for number, _ in getattr(error, "errors", ())), None)
        reason = str(error).splitlines()[0].split(": ")[-1]
        problem = Problem(file=str(path), line=line, message=f"is not a cfg of sections and keys: {reason}")
        raise InputError(problem) from None
    reader = _Reader(parser=parser, lines=_lines(text))
    config = reader.config(path.stem)
    raise_all(reader.problems, path)
    return config


def topology_of(path: Path) -> Path:
    """The topology that a cfg names, which must lie in the cfg's folder or below. Raises InputError where none is."""
    config = read_config(path)
    if config.topology is None:
        message = f"describes hardware ({config.about()}), but names no network"
        hint = f"archsim trace TOPOLOGY.csv --cfg {path.name} --out FOLDER writes a design of both"
        raise InputError(Problem(file=str(path), message=message, hint=hint))
    root = path.parent.resolve()
    try:
        found = (root / config.topology).resolve()
        inside = found.is_relative_to(root) and found.is_file()
    except (OSError, ValueError):
        inside = False
    if not inside:
        message = f"names no file in its folder: {spelled(config.topology)}"
        hint = f"archsim trace TOPOLOGY.csv --cfg {path.name}"
        raise InputError(Problem(file=str(path), key="TopologyCsvLoc", message=message, hint=hint))
    return path.parent / found.relative_to(root)


class _Reader:
    """Keys of a cfg, without regard to case, and what is wrong with them."""

    def __init__(self, parser: configparser.ConfigParser, lines: Mapping[str, int]) -> None:
        self.parser = parser
        self.lines = lines
        self.problems: list[Problem] = []

    def config(self, stem: str) -> ScaleSimConfig:
        rows, columns, ifmap, filters, ofmap = (self._integer(key) for key in _SIZES)
        return ScaleSimConfig(
            name=self.parser.get("general", "run_name", fallback="").strip(" \"'") or stem,
            rows=rows,
            columns=columns,
            dataflow=self._dataflow(),
            ifmap_kib=ifmap,
            filter_kib=filters,
            ofmap_kib=ofmap,
            bandwidth_bytes_per_cycle=self._bandwidth(),
            topology=self._topology(),
        )

    def _value(self, section: str, key: str) -> str | None:
        value = self.parser.get(section, key, fallback=None)
        return None if value is None else value.strip()

    def _wrong(self, key: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(key=key, line=self.lines.get(key.lower()), message=message, hint=hint))

    def _integer(self, key: str) -> int:
        spellings = (key, key.replace("SzkB", "Sz"))
        value = next((found for name in spellings if (found := self._value(_ARCHITECTURE, name))), None)
        if value is None:
            self._wrong(key, "is missing", f"add it to [{_ARCHITECTURE}]")
        elif not value.isascii() or not value.isdecimal() or len(value) > 12 or not 1 <= int(value) <= _LARGEST:
            self._wrong(key, f"must be an integer from 1 to {_LARGEST:,} (got {spelled(value)})")
        else:
            return int(value)
        return 1

    def _dataflow(self) -> str:
        value = self._value(_ARCHITECTURE, "Dataflow")
        if value is None:
            self._wrong("Dataflow", "is missing", f"known: {', '.join(DATAFLOWS)}")
        elif value.lower() not in DATAFLOWS:
            known = unknown_name("dataflow", value, DATAFLOWS)
            self._wrong("Dataflow", known.message, known.hint)
        return (value or DATAFLOWS[0]).lower()

    def _bandwidth(self) -> int | None:
        """The least of the bandwidths in USER mode: one memory stands for the tool's three interfaces."""
        mode = self._value(_RUN, "InterfaceBandwidth") or _CALC
        if mode not in (_USER, _CALC):
            self._wrong("InterfaceBandwidth", f"must be USER or CALC (got {spelled(mode)})")
        if mode != _USER:
            return None
        parts = [part.strip() for part in (self._value(_ARCHITECTURE, "Bandwidth") or "").split(",")]
        if not all(part.isascii() and part.isdecimal() and 0 < len(part) <= 12 and int(part) for part in parts):
            self._wrong(
                "Bandwidth", f"must be words per cycle, at least 1, in USER mode (got {spelled(', '.join(parts))})"
            )
            return None
        return min(map(int, parts))

    def _topology(self) -> str | None:
        for section in (_NETWORK, _ARCHITECTURE):
            value = self._value(section, "TopologyCsvLoc")
            if value:
                return value.strip("\"'") or None
        return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(Problem(file=str(path), message=f"is larger than {LARGEST_BYTES:,} bytes"))
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(Problem(file=str(path), message="no such file")) from None
    except OSError as error:
        raise InputError(Problem(file=str(path), message=f"cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 (byte 0x{content[error.start]:02x})"
        raise InputError(Problem(file=str(path), line=line, message=message)) from None


def _lines(text: str) -> dict[str, int]:
    """The line of each key, in lower case."""
    keys = (line.replace(":", "=").partition("=")[0].strip().lower() for line in text.splitlines())
    return {key: number for number, key in enumerate(keys, start=1) if key}


def _quoted(text: str) -> str:
    """A TOML string; characters that it cannot hold become underscores."""
    return '"' + "".join("_" if letter in '"\\' or not letter.isprintable() else letter for letter in text) + '"'


_MEMORY = """
[[hardware.memory]]
name = "{name}"
technology = "sram"
capacity = "{size} KiB"
operands = ["{operand}"]
read_bandwidth = "unlimited"
write_bandwidth = "unlimited"
double_buffer = true
"""

_DESIGN = """\
# From a SCALE-Sim cfg. It states neither clock nor node: those below are placeholders for time and energy.

[design]
name = {name}

[hardware]
kind = "systolic"
clock = "1 GHz"
node = "28 nm"

[hardware.array]
rows = {rows}
cols = {columns}
dataflows = ["{dataflow}"]

[[hardware.memory]]
name = "dram"
technology = "ddr4"
bandwidth = "{outside}"
{memories}
[workload]
trace = {trace}

[quantization]              # that tool's words are one byte
weights = "int8"
activations = "int8"

[simulation]
convention = "scale-sim"
"""
