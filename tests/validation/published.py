"""What archsim says under published simulators' conventions against the runs and the papers' numbers of them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from functools import cache
from typing import Any

from archsim.api.design import Design, design_from_dict
from archsim.api.evaluate import evaluate
from archsim.arch.formats import format
from archsim.sim.published import published_simulator
from archsim.sim.records import OpCost
from archsim.workloads.op import Op
from archsim.workloads.trace import Trace
from tests.validation.measure import Row, exact, read, relative

Pairs = list[tuple[float, float]]
MODELS = {
    "OPT-1.3B": "opt-1.3b",
    "Phi-2B": "phi-2",
    "Yi-6B": "yi-6b",
    "Llama-2-7B": "llama-2-7b",
    "Llama-2-13B": "llama-2-13b",
    "Llama-3-8B": "llama-3-8b",
}
BITMOD_BASES = {"FP16": "fp16-28nm", "ANT": "ant-28nm", "OliVe": "olive-28nm"}
GENERATION = {"Llama-3-8B": 4.5, "Yi-6B": 5.25}
"""ANT's bits in decode where they are not 5 (`w_bits_in_sim` of the configurations)."""
OLIVE_GENERATION = {
    "OPT-1.3B": 3.875,
    "Phi-2B": 4.0,
    "Yi-6B": 4.25,
    "Llama-2-7B": 3.75,
    "Llama-2-13B": 3.75,
    "Llama-3-8B": 3.5,
}
ANT_DESIGNS = {
    "ANT-OS": ("ant-2022", "os", "ant_bits"),
    "ANT-WS": ("ant-2022", "ws", "antws_bits"),
    "BitFusion": ("bitfusion-2022", "os", "bitfusion_bits"),
    "AdaFloat": ("adafloat-2022", "os", "adafloat_bits"),
    "OLAccel": ("olaccel-2022", "os", "olaccel_bits"),
    "BiScaled": ("biscaled-2022", "os", "biscaled_bits"),
}
NETWORKS = {
    "VGG16": "vgg16",
    "ResNet18": "resnet18",
    "ResNet50": "resnet50",
    "InceptionV3": "inceptionv3",
    "ViT": "vit",
    "BERT-MNLI": "mnli",
    "BERT-CoLA": "cola",
    "BERT-SST-2": "sst_2",
}
OUT_OF_ORDER = ("BitFusion", "ViT")
"""The layers' bits are listed in another order than the layers there."""
BATCH = 64


@cache
def bitmod(
    accelerator: str, model: str, weight_bits: float, phase: str, context: int, batch: int, convention: str
) -> dict[str, Any]:
    """The evaluation's document for one published run."""
    serial = accelerator.startswith("BitMoD")
    weights: Any = {"format": "bitmod-fp4:g128" if serial else "int8", "storage_bits": weight_bits}
    small_cache = serial and convention == "bitmod-2025"
    design = {
        "hardware": {"base": BITMOD_BASES.get(accelerator, "bitmod-28nm")},
        "workload": {"model": MODELS[model], "phase": phase, "context": context, "batch": batch},
        "quantization": {
            "weights": "fp16" if accelerator == "FP16" else weights,
            "inputs": "fp16",
            "outputs": "fp16",
            "kv_cache": "int8:head" if small_cache else "fp16",
            "accumulator": "fp32",
        },
        "simulation": {"convention": convention},
    }
    return evaluate(design).to_dict()


def _published_bits(row: dict[str, str]) -> float:
    decode = row["task"] == "gen"
    match row["acc"]:
        case "FP16":
            return 16.0
        case "ANT":
            return GENERATION.get(row["model"], 5.0) if decode else 5.5
        case "OliVe":
            return OLIVE_GENERATION[row["model"]] if decode else 4.5
        case "BitMoD-LL":
            return 6.0625
        case _:
            return 3.0625 if decode else 4.0625


def _onchip_j(document: dict[str, Any]) -> float:
    return math.fsum(joules or 0.0 for name, joules in document["energy_j"].items() if name != "dram")


@cache
def bitmod_published() -> tuple[Pairs, Pairs]:
    """(cycles, energies in uJ on chip and in all) of the paper's figures 7 and 8."""
    cycles: Pairs = []
    energies: Pairs = []
    for row in read("bitmod/published_notebook_values.csv"):
        phase = "decode" if row["task"] == "gen" else "prefill"
        found = bitmod(row["acc"], row["model"], _published_bits(row), phase, 256, 1, "bitmod-2024")
        cycles.append((found["totals"]["cycles"], int(row["published_total_cycles"])))
        energies.append((_onchip_j(found) * 1e6, float(row["published_onchip_uJ"])))
        energies.append((found["totals"]["energy_j"] * 1e6, float(row["published_total_uJ"])))
    return cycles, energies


@cache
def bitmod_sweep(revision: str) -> tuple[Pairs, Pairs]:
    """(compute, DRAM-bound and total cycles; energies in uJ) over precision, context and batch of one revision."""
    cycles: Pairs = []
    energies: Pairs = []
    convention = {"nov2024": "bitmod-2024", "jul2025": "bitmod-2025"}[revision]
    for row in read("bitmod/precision_context_batch_sweep.csv"):
        if row["sim"] == revision:
            phase = "prefill" if row["task"] == "prefill" else "decode"
            shape = (phase, int(row["ctx"]), int(row["batch"]))
            found = bitmod(row["accel"], row["model"], float(row["w_prec"]), *shape, convention)
            compute = sum(layer["compute_cycles"] * layer["count"] for layer in found["layers"])
            cycles += [(compute, int(row["compute_cycles"])), (found["totals"]["cycles"], int(row["total_cycles"]))]
            energies.append((found["totals"]["energy_j"] * 1e6, float(row["total_uJ"])))
    return cycles, energies


@cache
def _ant_layers() -> dict[str, list[dict[str, str]]]:
    layers: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read("ant_olive/ant_workloads_layers.csv"):
        layers[row["network"]].append(row)
    return layers


def _ant_op(row: dict[str, str], bits: int) -> Op:
    sizes, kernel, output = (json.loads(row[key]) for key in ("input", "kernel", "output"))
    fmt = format(f"int{bits}")
    name = f"{row['type']}{row['idx']}"
    if row["type"] == "fc":
        op = Op.gemm(name, m=sizes[0] * BATCH, n=kernel[0], k=kernel[1])
    else:
        k, c, r, s = kernel
        stride = json.loads(row["stride"])[0]
        op = Op.conv(name, n=BATCH, k=k, c=c, p=output[2], q=output[3], r=r, s=s, stride_h=stride, stride_w=stride)
    return op.with_formats(inputs=fmt, weights=fmt, outputs=fmt)


@cache
def _ant_design(base: str, dataflow: str) -> Design:
    return design_from_dict({"hardware": {"base": base, "array": {"dataflow": dataflow}}}, workload_required=False)


@cache
def ant_costs(accelerator: str, network: str) -> tuple[OpCost, ...]:
    """Cost of each layer of a network on one of the accelerators of ANT's comparison."""
    base, dataflow, bits = ANT_DESIGNS[accelerator]
    ops = tuple(_ant_op(row, int(row[bits])) for row in _ant_layers()[network])
    simulator = published_simulator("ant-2022")
    assert simulator is not None
    chip = _ant_design(base, dataflow).accelerator
    return simulator.costs(Trace(name=network, ops=ops, parameters=0), lambda phase: chip, format("int32"))


def ant_compute_cycles(*, with_inception: bool = True) -> Pairs:
    """Compute cycles of every layer that the per-layer runs list, of the accelerators that are modelled."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in read("ant_olive/ant_simulator_layers.csv"):
        rows[row["Accel"], row["Network"]].append(row)
    pairs: Pairs = []
    for (accelerator, network), layers in rows.items():
        if accelerator not in ANT_DESIGNS or (accelerator, network) == ("BitFusion", "vit"):
            continue
        if network == "inceptionv3" and not with_inception:
            continue
        names = [f"{row['type']}{row['idx']}" for row in _ant_layers()[network]]
        costs = dict(zip(names, ant_costs(accelerator, network), strict=True))
        for row in layers:
            waited = int(row["Cycles"]) - int(row["Memory wait cycles"])
            pairs.append((costs[row["Layer"].split("/")[0]].compute_cycles, waited))
    return pairs


@cache
def ant_networks() -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """(our cycles, theirs, our energy in nJ, theirs) by accelerator and network."""
    found = {}
    for row in read("ant_olive/ant_simulator_rerun_vs_published.csv"):
        accelerator, network = row["accel"], row["network"]
        if accelerator not in ANT_DESIGNS or (accelerator, network) == OUT_OF_ORDER:
            continue
        costs = ant_costs(accelerator, NETWORKS[network])
        cycles, energy_nj = sum(cost.cycles for cost in costs), sum(cost.total_energy_j for cost in costs) * 1e9
        theirs_nj = sum(float(row[key]) for key in ("static_nJ", "dram_nJ", "buffer_nJ", "core_nJ"))
        found[accelerator, network] = (cycles, float(row["cycles"]), energy_nj, theirs_nj)
    return found


def ant_speedups() -> Pairs:
    """Time of each network over AdaFloat's, ours and published (two decimals)."""
    pairs: Pairs = []
    found = ant_networks()
    for row in read("ant_olive/ant_simulator_rerun_vs_published.csv"):
        key = (row["accel"], row["network"])
        if key in found and row["accel"] != "AdaFloat":
            ours = found[key][0] / found["AdaFloat", row["network"]][0]
            pairs.append((ours, float(row["published_norm_Time"])))
    return pairs


def ant_over_bitfusion() -> tuple[float, float]:
    """Geometric means over networks of BitFusion's time and energy over ANT's (output stationary)."""
    found = ant_networks()
    networks = [name for accelerator, name in found if accelerator == "BitFusion" and ("ANT-OS", name) in found]
    gains = [(found["BitFusion", name][i] / found["ANT-OS", name][i] for i in (0, 2)) for name in networks]
    times, energies = zip(*gains, strict=True)
    return math.prod(times) ** (1 / len(times)), math.prod(energies) ** (1 / len(energies))


def ant_over_bitfusion_corrected() -> tuple[float, float]:
    """The same as archsim counts: mappings of its own, exact kernels and edges, decoders, leakage of buffers."""
    gains = []
    for network in NETWORKS.values():
        if network != NETWORKS[OUT_OF_ORDER[1]]:
            ours, theirs = (_corrected(accelerator, network) for accelerator in ("ANT-OS", "BitFusion"))
            gains.append((theirs[0] / ours[0], theirs[1] / ours[1]))
    times, energies = zip(*gains, strict=True)
    return math.prod(times) ** (1 / len(times)), math.prod(energies) ** (1 / len(energies))


def _corrected(accelerator: str, network: str) -> tuple[float, float]:
    """Seconds and joules of a network under archsim's convention."""
    base, _, bits = ANT_DESIGNS[accelerator]
    ops = tuple(_ant_op(row, int(row[bits])) for row in _ant_layers()[network])
    design = design_from_dict({"hardware": {"base": base}}, workload_required=False)
    found = evaluate(replace(design, trace=Trace(name=network, ops=ops, parameters=0)))
    return found.cost.latency_s, sum(joules or 0.0 for joules in found.cost.energy_j.values())


def published_rows() -> list[Row]:
    """Rows of docs/validation.md."""
    cycles, energies = bitmod_published()
    rows = [
        exact("cycles of BitMoD's figures, convention bitmod-2024", "BitMoD, HPCA 2025", cycles),
        relative("energies on chip and in all of the same", "BitMoD, HPCA 2025", energies),
    ]
    for revision, convention in (("nov2024", "bitmod-2024"), ("jul2025", "bitmod-2025")):
        swept, spent = bitmod_sweep(revision)
        what = f"precision, context and batch, convention {convention}"
        rows.append(exact(f"cycles over {what}", "BitMoD's simulator", swept))
        rows.append(relative(f"energies over {what}", "BitMoD's simulator", spent))
    rows.append(exact("compute cycles of layers, convention ant-2022", "ANT's simulator", ant_compute_cycles()))
    totals = list(ant_networks().values())
    rows.append(exact("cycles of networks, convention ant-2022", "ANT's simulator", [(a, b) for a, b, _, _ in totals]))
    rows.append(relative("energies of networks, convention ant-2022", "ANT's simulator", [t[2:] for t in totals]))
    speed, energy = ant_over_bitfusion()
    rows.append(
        relative(
            "ANT over BitFusion, speed and energy, geometric means", "ANT, MICRO 2022", [(speed, 2.83), (energy, 2.49)]
        )
    )
    pairs = list(zip(ant_over_bitfusion_corrected(), (2.83, 2.49), strict=True))
    rows.append(relative("the same as archsim counts, seven networks", "ANT, MICRO 2022", pairs))
    return rows
