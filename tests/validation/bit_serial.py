"""Cycles and speedups of the bit-serial engines that the paper on BBS compares, on drawn weights.

Weights of the networks are not at hand: they are drawn from a normal distribution and quantized channel by channel.
What accuracy decides is taken from the comparison: the bit columns that BitWave keeps (its cycles there are those of
whole numbers of columns), the shares of channels that BitVert leaves dense. Vector operations are not in its counts.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from archsim.api.bit_records import PlayedLayer
from archsim.api.bits import play
from tests.validation.measure import Row, read, relative

FILE = "bitmod/bbs_bitserial_cycles.csv"
SOURCE = "`bbs_bitserial_cycles.csv`"
NETWORKS = {
    "VGG-16": "vgg-16",
    "Resnet-34": "resnet-34",
    "Resnet-50": "resnet-50",
    "ViT-Small": "vit-s",
    "ViT-Base": "vit-b",
    "Bert-MRPC": "bert-base",
    "Bert-SST2": "bert-base",
}
ENGINES = {
    "Pragmatic": "pragmatic-28nm",
    "Bitlet": "bitlet-28nm",
    "BitWave": "bitwave-28nm",
    "BitVert (cons)": "bitvert-conservative-28nm",
    "BitVert (mod)": "bitvert-moderate-28nm",
}
KEPT = {"Resnet-34": 6, "Resnet-50": 5, "ViT-Small": 5, "Bert-MRPC": 5}
"""Bit columns that BitWave's flipping leaves; 4 elsewhere."""
TAKEN = {"BitWave": "; how many bit columns it keeps (4, 5 or 6 by network) is read off the same cycles"}
"""What an engine's row rests on that is not independent of it."""
IMBALANCE = {2: 1.63, 32: 1.35}
"""Bitlet's speedup by PEs that wait for each other. Source: Chen et al., BBS, MICRO 2024 (BERT on MRPC)."""
BERT_TOKENS = 128
BERT_GEMMS = ("q_proj", "k_proj", "v_proj", "o_proj")
"""The comparison counts the GEMMs of 768 x 768 only."""


@cache
def published() -> dict[tuple[str, str], float]:
    """Cycles by accelerator and network."""
    return {(row["accelerator"], name): float(row[name]) for row in read(FILE) for name in NETWORKS}


def cycles(base: str, network: str) -> float:
    """Cycles of a network's products on an entry of the catalog."""
    array: dict[str, Any] = {"kept_columns": KEPT.get(network, 4)} if base == "bitwave-28nm" else {}
    return _cycles(base, NETWORKS[network], tuple(array.items()))


@cache
def _cycles(base: str, model: str, array: tuple[tuple[str, Any], ...]) -> float:
    workload: dict[str, Any] = {"model": model, "phase": "forward"}
    if model == "bert-base":
        workload["context"] = BERT_TOKENS
    played = play(
        {
            "hardware": {"base": base, **({"array": dict(array)} if array else {})},
            "workload": workload,
            "quantization": {"weights": "int8:channel", "inputs": "int8", "outputs": "int8"},
        }
    )
    return sum(layer.count * layer.cycles for layer in played.layers if _counted(layer, model))


def _counted(layer: PlayedLayer, model: str) -> bool:
    return model != "bert-base" or layer.name.rsplit(".", 1)[-1] in BERT_GEMMS


def stripes_pairs() -> list[tuple[float, float]]:
    """Cycles of Stripes, ours and published."""
    return [(cycles("stripes-28nm", name), published()["Stripes", name]) for name in NETWORKS]


def speedup_pairs(engine: str, *, own_columns: bool = True) -> list[tuple[float, float]]:
    """Speedups over Stripes, ours and published; without `own_columns` BitWave keeps what its catalog entry says."""
    found, base = published(), ENGINES[engine]
    return [
        (
            cycles("stripes-28nm", name) / (cycles(base, name) if own_columns else _cycles(base, NETWORKS[name], ())),
            found["Stripes", name] / found[engine, name],
        )
        for name in NETWORKS
    ]


def imbalance_pairs() -> list[tuple[float, float]]:
    """Bitlet's speedups over Stripes on BERT's GEMMs where 2 and where 32 PEs wait, ours and published."""
    found = []
    for rows, speedup in IMBALANCE.items():
        array = (("rows", rows),)
        pair = [_cycles(base, "bert-base", array) for base in ("stripes-28nm", "bitlet-28nm")]
        found.append((pair[0] / pair[1], speedup))
    return found


def bit_serial_rows() -> list[Row]:
    """The bit-serial family on seven networks."""
    rows = [relative("Stripes at 28 nm, cycles of seven networks", SOURCE, stripes_pairs())]
    for engine in ENGINES:
        what = f"{engine} over Stripes, speedup on seven networks, drawn weights{TAKEN.get(engine, '')}"
        rows.append(relative(what, SOURCE, speedup_pairs(engine)))
    what = "BitWave over Stripes, the same with the 5 kept columns of its catalog entry everywhere"
    rows.append(relative(what, SOURCE, speedup_pairs("BitWave", own_columns=False)))
    what = "Bitlet over Stripes on BERT where 2 and 32 PEs wait for each other, drawn weights"
    rows.append(relative(what, "BBS, MICRO 2024", imbalance_pairs()))
    return rows
