"""Evaluations made by hand, so that reports are tested apart from what computes the numbers."""

from __future__ import annotations

from dataclasses import dataclass

from archsim.arch.accelerator import Accelerator, VectorUnit
from archsim.arch.engines.base import Dataflow, Engine, SpatialAxis, UnitCost
from archsim.arch.formats.base import Arithmetic
from archsim.arch.memory import MemoryLevel
from archsim.reports.evaluation import Evaluation
from archsim.sim.mapping import Loop, Mapping
from archsim.sim.records import LayerCost, OpCost, Stall, TraceCost, Traffic

PEAK_MACS = 256
CLOCK_HZ = 1e9
DRAM_BITS_PER_CYCLE = 64.0


@dataclass(frozen=True)
class SampleEngine(Engine):
    kind: str = "systolic"

    @property
    def units(self) -> int:
        return PEAK_MACS

    @property
    def arrays(self) -> int:
        return 1

    @property
    def axes(self) -> tuple[SpatialAxis, ...]:
        return ()

    @property
    def dataflows(self) -> tuple[Dataflow, ...]:
        return ()

    def macs_per_unit_cycle(self, weights: Arithmetic, inputs: Arithmetic) -> float:
        return 1.0

    def unit_cost(self, weights: Arithmetic, inputs: Arithmetic, accumulator: Arithmetic) -> UnitCost:
        return UnitCost(energy_pj=0.2, area_um2=100.0)


def accelerator() -> Accelerator:
    return Accelerator(
        name="sample",
        kind="systolic",
        clock_hz=CLOCK_HZ,
        node_nm=28.0,
        cores=1,
        engine=SampleEngine(),
        memories=(
            MemoryLevel(
                name="dram",
                technology="lpddr4",
                read_bits_per_cycle=DRAM_BITS_PER_CYCLE,
                write_bits_per_cycle=DRAM_BITS_PER_CYCLE,
                shared_ports=True,
                off_chip=True,
            ),
            MemoryLevel(name="glb", technology="sram", capacity_bits=2**20, area_mm2=0.5),
        ),
        vector=VectorUnit(lanes=16, energy_pj=0.1),
    )


MAPPING = Mapping(
    dataflow="ws",
    loops=(Loop("k", 4), Loop("n", 2, axis="columns")),
    tiles={"dram": {"inputs": 0}, "glb": {"inputs": 1}},
)


def op_cost(macs: int, dram_bytes: float) -> OpCost:
    """A cost with whole numbers that a reader can check: compute at 80 % of the peak, DRAM at 8 bytes per cycle."""
    compute_cycles = max(1, macs * 5 // (PEAK_MACS * 4))
    dram_cycles = int(dram_bytes * 8 / DRAM_BITS_PER_CYCLE)
    cycles = max(compute_cycles, dram_cycles)
    stall_cycles = cycles - compute_cycles
    return OpCost(
        cycles=cycles,
        compute_cycles=compute_cycles,
        stall_cycles=stall_cycles,
        latency_s=cycles / CLOCK_HZ,
        energy_j={"mac": macs * 0.2e-12, "dram": dram_bytes * 32e-12, "glb": dram_bytes * 8e-12},
        macs=macs,
        utilization=macs / (cycles * PEAK_MACS) if macs else None,
        compute_utilization=macs / (compute_cycles * PEAK_MACS) if macs else None,
        mapping_utilization=1.0 if macs else None,
        bound="vector" if not macs else "dram" if stall_cycles else "compute",
        dram_bytes=dram_bytes,
        traffic=(
            Traffic(
                level="dram",
                operand="weights",
                reads=dram_bytes,
                fills=0.0,
                updates=0.0,
                instances=1,
                energy_j=dram_bytes * 32e-12,
            ),
        ),
        stalls=(Stall(cause="bandwidth", level="dram", operand="weights", cycles=stall_cycles),)
        if stall_cycles
        else (),
        mapping=MAPPING if macs else None,
    )


def gemm(name: str, m: int, n: int, k: int, *, count: int = 1, phase: str = "prefill") -> LayerCost:
    return LayerCost(
        name=name,
        kind="gemm",
        phase=phase,
        count=count,
        dims={"b": 1, "m": m, "n": n, "k": k},
        formats={"weights": "int4:g128", "inputs": "fp16", "outputs": "fp16"},
        cost=op_cost(m * n * k, m * k * 2 + n * k / 2 + m * n * 2),
    )


def vector(name: str, elements: int, *, count: int = 1) -> LayerCost:
    return LayerCost(
        name=name,
        kind="softmax",
        phase="prefill",
        count=count,
        dims={"elements": elements},
        formats={"weights": None, "inputs": "fp16", "outputs": "fp16"},
        cost=op_cost(0, 0.0 if elements < 1000 else elements * 4.0),
    )


def trace_cost(layers: tuple[LayerCost, ...]) -> TraceCost:
    cycles = sum(layer.cost.cycles * layer.count for layer in layers)
    energy_j: dict[str, float | None] = {}
    for layer in layers:
        for name, joules in layer.cost.energy_j.items():
            energy_j[name] = (energy_j.get(name) or 0.0) + joules * layer.count
    energy_j["network"] = None
    return TraceCost(
        layers=layers,
        cycles=cycles,
        latency_s=cycles / CLOCK_HZ,
        energy_j=energy_j,
        area_mm2={"mac": 0.0256, "glb": 0.5, "dram": None},
        macs=sum(layer.cost.macs * layer.count for layer in layers),
        utilization=0.5,
        dram_bytes=sum(layer.cost.dram_bytes * layer.count for layer in layers),
        peak_memory_bytes=float(2**30),
        throughput_per_s=CLOCK_HZ / cycles,
        warnings=("glb: one tile does not fit twice, so loading does not overlap",),
        estimates=("vector energy: estimate: scaled from an adder",),
    )


def evaluation(layers: tuple[LayerCost, ...], name: str = "sample") -> Evaluation:
    return Evaluation(
        design_name=name,
        resolved={"design": {"name": name}, "hardware": {"clock_hz": CLOCK_HZ, "array": {"rows": 16, "cols": 16}}},
        accelerator=accelerator(),
        cost=trace_cost(layers),
        archsim_version="0.1.0",
    )


def small() -> Evaluation:
    """Five layers: compute-bound, memory-bound, repeated, and two on the vector unit."""
    return evaluation(
        (
            gemm("q_proj", 512, 512, 512, count=4),
            gemm("lm_head", 1, 32000, 512),
            gemm("up_proj", 512, 2048, 512, count=4),
            vector("softmax", 512 * 512, count=4),
            vector("norm", 512),
        )
    )


def large(blocks: int = 72) -> Evaluation:
    """Seven layers in each of `blocks` blocks, and a head."""
    shapes = {"q_proj": (64, 512), "k_proj": (64, 512), "o_proj": (512, 512), "up": (2048, 512), "down": (512, 2048)}
    layers: list[LayerCost] = []
    for block in range(blocks):
        layers += [gemm(f"layers.{block}.{name}", 128, n, k) for name, (n, k) in shapes.items()]
        layers += [vector(f"layers.{block}.softmax", 4096 * 16), vector(f"layers.{block}.norm", 900)]
    return evaluation((*layers, gemm("lm_head", 128, 32000, 512)), "large")


def mixed(layers: int = 500) -> Evaluation:
    """Layers that do not fold: each of its own name and shape."""
    rows = tuple(gemm(f"conv{index}x", 16 + index, 64 + 7 * (index % 31), 64 + index) for index in range(layers))
    return evaluation(rows, "mixed")
