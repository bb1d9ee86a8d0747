"""Writes docs/mapper-widths.md: energy of two networks by operand width, each width with its own mappings.

Run as ``python -m tests.validation.widths``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.api.design import Design
from archsim.api.map import Work, chosen_design, chosen_work, search
from archsim.sim.cost import Costing, cost_mapping
from archsim.sim.mapping import Mapping
from archsim.sim.problem import build_problem

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mapper-widths.md"
MACHINES = ("eyeriss", "simba")
NETWORKS = ("mobilenet-v1", "mobilenet-v2")
UNIFORM = (8, 6, 5, 4, 2)
WORD = 64
WIDENS = {"mobilenet-v1": "*.pw", "mobilenet-v2": "*.expand"}
"""The pointwise layers that depthwise ones follow."""
MIXED: dict[str, dict[str, str]] = {
    "*": {"weights": "int4", "inputs": "int5", "outputs": "int5"},
    "conv1": {"weights": "int8", "inputs": "int8", "outputs": "int6"},
    "*.dw": {"weights": "int6", "inputs": "int6", "outputs": "int5"},
    "fc": {"weights": "int8", "inputs": "int8", "outputs": "int8"},
}
"""Widths by layer: wide at both ends of the network, 6 bits where each channel has few weights (depthwise), 4-bit
weights and 5-bit activations in the pointwise layers. Source: estimate: our choice, with no network trained for it."""

HEAD = """# Widths by layer

Made by `python -m tests.validation.widths`; do not edit. MobileNet v1 and v2 (one image, convolutions and classifier,
each layer from and to DRAM) on the catalog's `eyeriss` and `simba`, sums of 24 bits, objective energy. Every layer is
mapped anew for each width: narrower operands make larger tiles legal. The published study (Klhufek et al.,
arXiv:2404.05368, abstract) saves up to 37 % of the energy on these networks and machines, with widths chosen by layer
and no loss of accuracy. Which widths a network bears is found by training; `mixed` is a choice of ours of that kind:
8 bits in the first and the last layer, 6 in the depthwise ones, 4-bit weights and 5-bit activations in the others.

*saved* is against uniform 8 bits. No mapping costs less than *bound*; *saved for sure* is against the bound of 8 bits,
so that it holds whatever a longer search would find there. *same mappings* keeps those of 8 bits: what the search adds
is the difference.
*packed in words* fills words with floor(word / bits) elements (`counting.packing = "words"`) in memories that state a
width: of a 64-bit word 6-bit elements then take as much as if they had 6.4 bits, 5-bit ones 5.3. Energies in µJ.

**Read the savings on `eyeriss` with care.** The search stops at its usual budget, and there few layers are proven: the
difference between *energy* and *bound* at 8 bits is what is not known. Part of *saved*, and of the difference to *same
mappings*, may therefore be an 8-bit search that stopped early, not the narrower operands; *saved for sure* is not.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Energies of one network on one machine at one choice of widths, in pJ."""

    widths: str
    searched: float
    bound: float
    """No mapping costs less."""
    same_mappings: float
    in_words: float


def quantization(network: str, widths: int | None) -> dict[str, Any]:
    """The `[quantization]` table of uniform widths, or of `MIXED`."""
    if widths is None:
        layers = MIXED | {WIDENS[network]: {"weights": "int4", "inputs": "int5", "outputs": "int6"}}
        return {"weights": "int4", "inputs": "int5", "accumulator": "int24", "layers": layers}
    return {"weights": f"int{widths}", "inputs": f"int{widths}", "accumulator": "int24"}


def design(machine: str, network: str, widths: int | None, packing: str = "bits") -> Design:
    table = {
        "hardware": {"base": machine},
        "workload": {"model": network},
        "quantization": quantization(network, widths),
        "mapper": {"objective": "energy"},
        "simulation": {"counting": {"packing": packing}},
    }
    return chosen_design(table, (), workload_required=True)


Known = dict[tuple[Any, ...], list[Mapping]]


def key(work: Work) -> tuple[Any, ...]:
    return work.op.kind, *work.op.dims.items()


def least_energies(chosen: Design, known: Known) -> tuple[float, float, float]:
    """(of the best mappings, of the first known ones, what no mapping goes below) in pJ.

    Known mappings of wider operands are tried too.

    A mapping that fits stays legal when operands get narrower: what the search found for the wider ones bounds the
    energy of the narrower ones, also where it stopped before a proof.
    """
    best = same = bound = 0.0
    for work in chosen_work(chosen, None, None):
        found = search(chosen, work.op)
        assert found.cost.mapping is not None
        earlier = [recost(chosen, work, mapping) for mapping in known.get(key(work), [])]
        least = min([found.cost.total_energy_j, *earlier])
        known.setdefault(key(work), []).append(found.cost.mapping)
        best += least * work.count * 1e12
        bound += min(found.bound, least) * work.count * 1e12
        same += (earlier[0] if earlier else least) * work.count * 1e12
    return best, same, bound


def recost(chosen: Design, work: Work, mapping: Mapping) -> float:
    """Energy in J of one occurrence of an op under a mapping."""
    accelerator, counting = chosen.accelerator_for(work.op.phase), chosen.simulation.switches
    flow = next(flow for flow in accelerator.engine.dataflows if flow.name == mapping.dataflow)
    problem = build_problem(work.op, accelerator, flow, counting, chosen.accumulator)
    costing = Costing.of(accelerator, problem, chosen.accumulator, counting)
    return cost_mapping(problem, mapping, costing).total_energy_j


def rows(machine: str, network: str, uniform: tuple[int, ...] = UNIFORM, *, words: bool = True) -> Iterator[Row]:
    """Uniform widths from the widest down, then the mixed ones."""
    bits: Known = {}
    packed: Known = {}
    for widths in (*uniform, None):
        # Mixed layers are up to 8 bits wide: of the known mappings only those of 8 bits fit for sure.
        first = {name: mappings[:1] for name, mappings in bits.items()}
        searched, same, bound = least_energies(design(machine, network, widths), bits if widths is not None else first)
        in_words = searched
        if words:
            first = {name: mappings[:1] for name, mappings in packed.items()}
            in_words, _, _ = least_energies(
                design(machine, network, widths, "words"), packed if widths is not None else first
            )
        name = "mixed" if widths is None else str(widths)
        yield Row(widths=name, searched=searched, bound=bound, same_mappings=same, in_words=in_words)


def table(machine: str, network: str) -> Iterator[str]:
    yield f"\n## {network} on {machine}\n"
    yield "| bits | energy | bound | saved | saved for sure | same mappings | packed in words | in a 64-bit word |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    first = None
    for row in rows(machine, network):
        first = first or row
        saved = 1 - row.searched / first.searched
        sure = max(0.0, 1 - row.searched / first.bound)
        held = "" if row.widths == "mixed" else str(WORD // int(row.widths))
        energies = [f"{value / 1e6:,.0f}" for value in (row.searched, row.bound, row.same_mappings, row.in_words)]
        shares = f"{saved:.1%} | {sure:.1%}"
        yield f"| {row.widths} | {energies[0]} | {energies[1]} | {shares} | {energies[2]} | {energies[3]} | {held} |"


def main() -> None:
    lines = [HEAD.rstrip("\n")]
    for machine in MACHINES:
        for network in NETWORKS:
            for line in table(machine, network):
                lines.append(line)
                print(line, file=sys.stderr, flush=True)
    PAGE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
