"""How a quantity is called and written for people: its label, unit and style, told from the key that names its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Style = Literal["si", "bytes", "percent", "plain", "text"]
"""`si`: with a prefix (1.2 ms); `bytes`: KiB, MiB; `percent`: of a fraction; `plain`: the number and its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Label, unit and style of a quantity, as in latency, s, si."""

    label: str
    unit: str = ""
    style: Style = "plain"


_TOTALS = {
    "latency_s": Quantity(label="latency", unit="s", style="si"),
    "cycles": Quantity(label="cycles", style="si"),
    "energy_j": Quantity(label="energy", unit="J", style="si"),
    "area_mm2": Quantity(label="area", unit="mm²"),
    "power_w": Quantity(label="power", unit="W", style="si"),
    "edp_js": Quantity(label="energy-delay product", unit="J·s", style="si"),
    "macs": Quantity(label="MACs", style="si"),
    "utilization": Quantity(label="utilization", style="percent"),
    "dram_bytes": Quantity(label="DRAM traffic", unit="B", style="bytes"),
    "peak_memory_bytes": Quantity(label="peak memory", unit="B", style="bytes"),
    "throughput_per_s": Quantity(label="throughput", unit="1/s", style="si"),
    "tops": Quantity(label="performance", unit="TOPS"),
    "tops_per_w": Quantity(label="efficiency", unit="TOPS/W"),
    "ttft_s": Quantity(label="time to first token", unit="s", style="si"),
    "tpot_s": Quantity(label="time per token", unit="s", style="si"),
    "accuracy": Quantity(label="accuracy"),
}
_SUFFIXES: tuple[tuple[str, str, Style], ...] = (
    ("_per_s", "1/s", "si"),
    ("_mm2", "mm²", "plain"),
    ("_bytes", "B", "bytes"),
    ("_fraction", "", "percent"),
    ("_js", "J·s", "si"),
    ("_hz", "Hz", "si"),
    ("_s", "s", "si"),
    ("_j", "J", "si"),
    ("_w", "W", "si"),
)


def total(key: str) -> Quantity:
    """How a total is written, or a component's part of it, or the total of one workload of several.

    >>> [total(key).label for key in ("latency_s", "energy_j.dram", "decode.tpot_s", "wait_s")]
    ['latency', 'energy: dram', 'time per token: decode', 'wait']
    """
    if key in _TOTALS:
        return _TOTALS[key]
    name, _, part = key.partition(".")
    for total_key, other in ((name, part), (part, name)):
        if other and total_key in _TOTALS:
            whole = _TOTALS[total_key]
            return Quantity(label=f"{whole.label}: {other}", unit=whole.unit, style=whole.style)
    for suffix, unit, style in _SUFFIXES:
        if key.endswith(suffix) and len(key) > len(suffix):
            return Quantity(label=key.removesuffix(suffix).replace("_", " "), unit=unit, style=style)
    return Quantity(label=key.replace("_", " "))


def axis_labels(keys: tuple[str, ...]) -> dict[str, str]:
    """Axes by the last parts of their dotted keys, as many as tell them apart.

    >>> axis_labels(("hardware.array.rows", "hardware.memory.glb.capacity"))
    {'hardware.array.rows': 'array rows', 'hardware.memory.glb.capacity': 'glb capacity'}
    """
    labels = {}
    for key in keys:
        parts = key.split(".")
        length = min(2, len(parts)) if parts[0] in ("hardware", "simulation") else 1
        while length < len(parts) and any(
            other != key and other.split(".")[-length:] == parts[-length:] for other in keys
        ):
            length += 1
        labels[key] = " ".join(parts[-length:]).replace("_", " ")
    return labels
