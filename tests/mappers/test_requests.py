from __future__ import annotations

from dataclasses import replace

from archsim.mappers.requests import Request, find_mappings
from archsim.mappers.search import MapperSettings, find_mapping
from archsim.sim.conventions import counting
from archsim.workloads.op import Op
from tests.sim.builders import INT32, accelerator, dram, int8, sram, systolic

CHIP = accelerator(systolic(permitted=("os", "ws")), dram(64.0), sram(8192.0))
TINY = accelerator(systolic(), dram(64.0), sram(8.0))
USUAL = Request(
    op=int8(Op.gemm("x", m=6, n=8, k=10)),
    accelerator=CHIP,
    settings=MapperSettings(),
    counting=counting(),
    accumulator=INT32,
)


def test_each_request_gets_what_it_would_get_alone() -> None:
    requests = [
        USUAL,
        replace(USUAL, op=int8(Op.gemm("y", m=1, n=8, k=10))),
        replace(USUAL, settings=MapperSettings(objective="latency", perfect_factors=True)),
        replace(USUAL, resident=frozenset({"inputs"})),
        replace(USUAL, reserved_bits=4096.0),
        replace(USUAL, accelerator=TINY),
        replace(USUAL, op=int8(Op.gemm("again", m=6, n=8, k=10))),
    ]
    found = find_mappings(requests)
    for request, each in zip(requests, found, strict=True):
        alone = find_mapping(
            request.op,
            request.accelerator,
            request.settings,
            request.counting,
            request.accumulator,
            resident=request.resident,
            reserved_bits=request.reserved_bits,
        )
        assert each == alone
        assert each is None or alone is None or each.cost == alone.cost
    assert found[5] is None
    assert found[6] is found[0]
