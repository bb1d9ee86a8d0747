"""Mapped ops as terminal text: the proof, the loop nest, buffers, traffic, what binds and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from archsim.core.spelling import size_text
from archsim.reports.mapping import PJ_PER_J
from archsim.reports.tables import plain_table
from archsim.reports.values import binary_bytes, engineering, gap_text, percent, ratio

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.reports.front import Front
    from archsim.reports.mapping import Help, MappedOp
    from archsim.sim.occupancy import Occupancy
    from archsim.sim.ports import PortUse
    from archsim.sim.records import OpCost

WORDS = {"latency": "time", "energy": "energy", "edp": "energy-delay product", "weighted": "weighted product"}
HELP_LEAST = 0.005
"""Gains below this fraction are none."""


def mapping_tables(mapped: MappedOp) -> list[RenderableType]:
    """What `archsim map` prints for one op."""
    from rich.text import Text

    tables: list[RenderableType] = [summary(mapped), Text(mapped.loop_nest.rstrip())]
    tables += [occupancy_table(mapped.occupancy), traffic_table(mapped.cost), port_table(mapped.ports, mapped.cost)]
    tables += [Text("\n".join(limit_lines(mapped.cost, mapped.ports)))]
    if mapped.help:
        tables.append(help_table(mapped.help))
    return tables


def summary(mapped: MappedOp) -> RenderableType:
    """Value, proof and costs, one a line."""
    cost, found = mapped.cost, mapped.found
    dims = " ".join(f"{dim}={size}" for dim, size in mapped.op.dims.items())
    rows = [
        (
            "latency",
            f"{engineering(cost.latency_s, 's')}  ({cost.cycles:,} cycles, {cost.stall_cycles:,} stalled)",
        ),
        ("energy", f"{engineering(cost.total_energy_j, 'J')}  ({energy_split(cost.energy_j)})"),
        ("energy-delay product", f"{mapped.energy_pj * cost.cycles:.4g} pJ cycles"),
        ("utilization", _utilization(cost)),
        ("objective", f"{WORDS[found.objective]}: {proof(mapped)}"),
        ("search", f"{found.evaluated:,} mappings costed, {found.pruned:,} ruled out, of {_space(found.space)}"),
    ]
    rows += [("illegal" if not index else "", text) for index, text in enumerate(_overflow_texts(mapped))]
    title = f"{mapped.op.name}: {dims} on {mapped.design_name}, {formats_text(mapped)}"
    return plain_table(title, [("", "left"), ("", "text")], rows)


def _utilization(cost: OpCost) -> str:
    """Of all cycles, and what of the loss is not waiting; `[mapper.constraints]` is about the last."""
    parts = [(cost.compute_utilization, "without stalls"), (cost.mapping_utilization, "without fill and drain too")]
    known = [f"{percent(value)} {what}" for value, what in parts if value is not None]
    return f"{percent(cost.utilization)}  ({', '.join(known)})" if known else percent(cost.utilization)


def _space(size: float) -> str:
    return f"{size:,.0f}" if size < 1e9 else f"{size:.3g}"


def _overflow_texts(mapped: MappedOp) -> Iterator[str]:
    for overflow in mapped.overflows:
        yield overflow.message
        if overflow.hint:
            yield overflow.hint


def proof(mapped: MappedOp) -> str:
    """How good the mapping is known to be."""
    if mapped.found.optimal:
        return "proven optimal"
    if mapped.gap is None:
        return "nothing proven"
    if mapped.outside is not None:
        side = "above" if mapped.gap >= 0 else "below"
        return f"{percent(abs(mapped.gap))} {side} the bound of all that {mapped.outside}, which this does not"
    text = f"at most {gap_text(mapped.gap)} above the optimum"
    return f"{text}; a larger --budget searches on" if mapped.stopped else text


def formats_text(mapped: MappedOp) -> str:
    names = [fmt.name for fmt in (mapped.op.weights.format, mapped.op.inputs.format) if fmt is not None]
    return "/".join(dict.fromkeys(names))


def energy_split(energy_j: Mapping[str, float], most: int = 9) -> str:
    """Shares of energy by component, the `most` largest, first the largest."""
    total = math.fsum(energy_j.values())
    ranked = sorted(energy_j.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {percent(ratio(joules, total))}" for name, joules in ranked if joules > 0.001 * total)


def occupancy_table(levels: Iterable[Occupancy]) -> RenderableType:
    """What every level holds, by operand."""
    rows = []
    for level in levels:
        capacity = size_text(level.capacity_bits / 8) if math.isfinite(level.capacity_bits) else "unlimited"
        for index, item in enumerate(level.held):
            rows.append(
                (
                    level.level if not index else "",
                    item.operand,
                    f"{item.elements:,}",
                    f"{item.bits_per_element:.4g}",
                    f"{item.copies}",
                    binary_bytes(item.bits / 8),
                    capacity if not index else "",
                    percent(level.fraction) if not index else "",
                )
            )
    heads = ("level", "operand", "elements", "bits each", "copies", "bytes", "capacity", "full")
    kinds = ("left", "left", "right", "right", "right", "right", "right", "right")
    return plain_table("Buffers (one instance of each)", list(zip(heads, kinds, strict=True)), rows)


def traffic_table(cost: OpCost) -> RenderableType:
    """Elements that one instance of every level moves, by operand."""
    rows = [
        (
            row.level,
            row.operand,
            f"{row.reads:,.0f}",
            f"{row.fills:,.0f}",
            f"{row.updates:,.0f}",
            f"{row.instances}",
            engineering(row.energy_j, "J"),
            percent(ratio(row.energy_j, cost.total_energy_j)),
        )
        for row in cost.traffic
    ]
    heads = ("level", "operand", "reads", "fills", "updates", "instances", "energy", "share")
    kinds = ("left", "left", *("right",) * 6)
    return plain_table("Traffic (elements of one instance; energy of all)", list(zip(heads, kinds, strict=True)), rows)


def port_table(ports: Sequence[PortUse], cost: OpCost) -> RenderableType:
    """How long each port is busy."""
    rows = [
        (
            use.level,
            use.port,
            f"{use.bits_per_cycle / 8:.4g} B/cycle",
            binary_bytes(use.bits / 8),
            f"{use.cycles:,.0f}",
            percent(ratio(use.cycles, cost.cycles)),
        )
        for use in ports
    ]
    heads = ("level", "port", "bandwidth", "moves", "busy cycles", "of the time")
    return plain_table("Ports", list(zip(heads, ("left", "left", *("right",) * 4), strict=True)), rows)


def limit_lines(cost: OpCost, ports: Sequence[PortUse]) -> list[str]:
    """What binds, with numbers, in sentences."""
    at_level = [use for use in ports if use.level == cost.bound]
    compute = f"the array works {cost.compute_cycles:,} of {cost.cycles:,} cycles"
    if cost.bound == "compute":
        use = (
            "" if cost.compute_utilization is None else f", with {percent(cost.compute_utilization)} of its PEs at work"
        )
        return [f"bound by compute: {compute}{use}"]
    if at_level:
        use_ = max(at_level, key=lambda item: item.cycles)
        lines = [
            f"bound by {cost.bound}: its {use_.port} port ({use_.bits_per_cycle / 8:.4g} B/cycle) is busy "
            f"{use_.cycles:,.0f} of {cost.cycles:,} cycles ({percent(ratio(use_.cycles, cost.cycles))}); {compute}"
        ]
    elif cost.bound == "vector":
        lines = [f"bound by the vector unit: it works {cost.compute_cycles:,} of {cost.cycles:,} cycles"]
    elif cost.bound == "latency":
        lines = [f"bound by latency: fill, drain, the first loads and the last write-back take most; {compute}"]
    else:
        lines = [f"bound by {cost.bound}; {compute}"]
    waits = sorted(cost.stalls, key=lambda stall: -stall.cycles)[:4]
    if waits:
        texts = [f"{stall.cycles:,} on {stall.cause} of {stall.operand} at {stall.level}" for stall in waits]
        lines.append(f"stalled cycles: {', '.join(texts)}")
    return lines


def help_table(changes: Sequence[Help]) -> RenderableType:
    """Changes with what they gain, each searched anew; the most useful first."""
    ranked = sorted(changes, key=lambda item: (-item.speedup * item.energy_gain, item.change))
    rows = [
        (item.change, times(item.speedup), times(item.energy_gain), engineering(item.energy_j, "J"), item.bound)
        for item in ranked
    ]
    heads = ("change", "time", "energy", "new energy", "then bound by")
    kinds = ("text", "right", "right", "right", "left")
    return plain_table("What would help (searched anew; > 1 is better)", list(zip(heads, kinds, strict=True)), rows)


def times(gain: float) -> str:
    """A gain as a factor; `same` where it is none."""
    return "same" if abs(gain - 1) < HELP_LEAST else f"{gain:.2f} x"


def mappings_table(mapped: Sequence[MappedOp]) -> RenderableType:
    """Many ops, one a row, for one occurrence of each."""
    rows = []
    for item in mapped:
        cost = item.cost
        first, *others = item.names
        more = f" and {len(others)} more" if others else ""
        rows.append(
            (
                f"{first}{more}",
                f"{item.count:,}",
                item.mapping.dataflow,
                f"{cost.cycles:,}",
                engineering(cost.total_energy_j, "J"),
                percent(cost.utilization),
                cost.bound,
                "0" if item.found.optimal else gap_text(item.gap),
            )
        )
    heads = ("op", "runs", "dataflow", "cycles", "energy", "util", "bound", "gap")
    kinds = ("left", "right", "left", "right", "right", "right", "left", "right")
    objective = WORDS[mapped[0].found.objective]
    title = f"Best mappings on {mapped[0].design_name}, least {objective} (one run of each; gap 0: proven optimal)"
    return plain_table(title, list(zip(heads, kinds, strict=True)), rows)


def front_table(front: Front) -> RenderableType:
    """All points of a front, one a row; those that no other beats are marked."""
    best = front.front
    rows = [
        (
            *((binary_bytes(point.capacity_bytes),) if front.memory else ()),
            engineering(point.latency_s, "s"),
            f"{point.cycles:,.0f}",
            engineering(point.energy_pj / PJ_PER_J, "J", 5),
            f"{point.energy_pj * point.cycles:.4g}",
            "0" if point.optimal else gap_text(point.gap),
            "front" if point in best else "",
        )
        for point in front.points
    ]
    heads = (
        *((f"size of {front.memory}",) if front.memory else ()),
        "time",
        "cycles",
        "energy",
        "pJ cycles",
        "gap",
        "",
    )
    kinds = ["right"] * (len(heads) - 1) + ["left"]
    against = f"the size of {front.memory}" if front.memory else "time"
    title = f"{front.work} on {front.design_name}: energy against {against}"
    return plain_table(title, list(zip(heads, kinds, strict=True)), rows)
