"""Small chains and the machines they run on, for tests of fusion."""

from __future__ import annotations

from dataclasses import replace

from archsim.arch.accelerator import Accelerator
from archsim.mappers.chains import Chain, find_chains
from archsim.mappers.fusion import Fuser
from archsim.mappers.fusion_setting import Setting
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import Counting, counting
from archsim.sim.records import OpCost
from archsim.sim.totals import idle_array
from archsim.workloads.op import AnyOp, Op, Role, VectorKind, VectorOp
from archsim.workloads.trace import Trace
from tests.sim.builders import INT8, INT32, accelerator, dram, int8, sram, systolic

KIB = 8192.0


def chip(capacity: float = 64 * KIB, bandwidth: float = 64.0, *, double_buffer: bool = True) -> Accelerator:
    level = sram(capacity, 16 * bandwidth, double_buffer=double_buffer)
    return accelerator(systolic(8, 8, ("ws", "os")), dram(bandwidth), level)


def vector(name: str, elements: int, *after: str, kind: VectorKind = "elementwise", reads: float = 1.0) -> VectorOp:
    return VectorOp(
        name=name, kind=kind, elements=elements, reads_per_element=reads, after=after, format=INT8, input_format=INT8,
        operations_per_element=5.0 if kind == "softmax" else 1.0,
    )  # fmt: skip


def attention(*, heads: int = 1, rows: int = 64, columns: int = 64, d: int = 16) -> tuple[AnyOp, ...]:
    roles = {"weight_role": Role.KV}
    return (
        int8(Op.gemm("l.qk", b=heads, m=rows, n=columns, k=d, after=(), **roles)),
        vector("l.softmax", heads * rows * columns, "l.qk", kind="softmax"),
        int8(Op.gemm("l.av", b=heads, m=rows, n=d, k=columns, after=("l.softmax",), **roles)),
    )


def mlp(*, m: int = 64, k: int = 32, f: int = 64, n: int = 32, gated: bool = False) -> tuple[AnyOp, ...]:
    firsts = [int8(Op.gemm(f"l.{name}", m=m, n=f, k=k, after=())) for name in (("gate", "up") if gated else ("up",))]
    names = [op.name for op in firsts]
    return (
        *firsts,
        vector("l.act", m * f, *names, reads=len(names)),
        int8(Op.gemm("l.down", m=m, n=n, k=f, after=("l.act",))),
    )


def convs(
    *, n: int = 1, c: int = 4, k1: int = 4, k2: int = 4, p: int = 8, q: int = 8, r1: int = 1, r2: int = 3,
    stride1: int = 1,
    stride2: int = 1, padding: int = 1, dilation2: int = 1,
) -> tuple[AnyOp, ...]:  # fmt: skip
    """Two convolutions, the last with `p` x `q` results, and an activation between."""
    reach = dilation2 * (r2 - 1) + 1
    height, width = (stride2 * (size - 1) + reach - 2 * padding for size in (p, q))
    first = Op.conv("l.a", n=n, k=k1, c=c, p=height, q=width, r=r1, s=r1, stride_h=stride1, stride_w=stride1, after=())
    last = Op.conv(
        "l.b", n=n, k=k2, c=k1, p=p, q=q, r=r2, s=r2, stride_h=stride2, stride_w=stride2, dilation_h=dilation2,
        dilation_w=dilation2, after=("l.act",),
    )  # fmt: skip
    return int8(first), vector("l.act", first.elements("outputs"), "l.a"), int8(last)


def the_chain(ops: tuple[AnyOp, ...]) -> Chain:
    chains, refusals = find_chains(Trace(name="t", ops=ops, parameters=0))
    assert not refusals, refusals
    (chain,) = chains
    return chain


def setting(machine: Accelerator, objective: str = "latency", switches: Counting | None = None) -> Setting:
    switches = switches or counting()
    wanted = MapperSettings(objective=objective)

    def cost(op: Op, resident: frozenset[str], reserved_bits: float) -> OpCost | None:
        return best_mapping(op, machine, wanted, switches, INT32, resident=resident, reserved_bits=reserved_bits)

    return Setting(
        accelerator_for=lambda _: machine,
        counting=switches,
        accumulator=INT32,
        mapper=wanted,
        cost_op=cost,
        array=idle_array(Trace(name="t", ops=(), parameters=0), machine, INT32),
    )


def fuser(machine: Accelerator, objective: str = "latency", most: int = 48) -> Fuser:
    return Fuser(setting=replace(setting(machine, objective), most_tilings=most))
