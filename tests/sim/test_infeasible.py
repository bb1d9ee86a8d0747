"""What is said of an op that fits no memory, and warnings about formats."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.arch.formats import format
from archsim.arch.memory import MemoryLevel
from archsim.core.errors import InfeasibleError
from archsim.mappers.search import MapperSettings, best_mapping
from archsim.sim.conventions import counting
from archsim.sim.infeasible import check_off_chip, no_tile
from archsim.sim.totals import accumulator_warnings
from archsim.workloads.op import Op, VectorOp
from archsim.workloads.trace import Trace
from tests.sim.builders import INT8, INT32, accelerator, dram, int8, sram, systolic

KIB = 8192.0
GEMM = int8(Op.gemm("fc", m=64, n=64, k=64))


def test_a_memory_too_small_is_named_with_a_size_that_would_do() -> None:
    machine = accelerator(systolic(16, 16), dram(), sram(KIB / 4))

    def fits(memories: tuple[MemoryLevel, ...]) -> bool:
        changed = replace(machine, memories=memories)
        return best_mapping(GEMM, changed, MapperSettings(), counting(), INT32) is not None

    error = str(no_tile(GEMM, machine, fits))
    assert "sram is too small (256 B)" in error
    needed = next(k for k in (2, 4, 8, 16, 32) if fits((dram(), sram(KIB / 4 * k)))) * 256
    text = f"{needed} B" if needed < 1024 else f"{needed / 1024:.2f} KiB"
    assert f"{text} would do" in error


def test_tensors_larger_than_dram_are_an_error_with_their_sizes() -> None:
    machine = accelerator(systolic(), replace(dram(), capacity_bits=3 * 4096 * 8.0 - 1), sram())
    with pytest.raises(InfeasibleError) as caught:
        check_off_chip(GEMM, machine)
    assert str(caught.value).startswith(
        "op 'fc': its tensors take 12.0 KiB (inputs 4.00 KiB, weights 4.00 KiB, outputs 4.00 KiB), "
        "more than dram holds (12.0 KiB): enlarge dram"
    )
    large = VectorOp(name="v", kind="elementwise", elements=20_000, reads_per_element=1, format=INT8, input_format=INT8)
    with pytest.raises(InfeasibleError, match=r"'v': its tensors take 19\.5 KiB"):
        check_off_chip(large, machine)
    check_off_chip(GEMM, accelerator(systolic(), replace(dram(), capacity_bits=3 * 4096 * 8.0), sram()))


@pytest.mark.parametrize(
    ("accumulator", "operand", "text"),
    [
        ("int4", "int8", "int4 is narrower than the products of int8 weights and int8 inputs (16 bits)"),
        ("int16", "int8", None),
        ("bf16", "fp16", "bf16 is narrower than the operands in products of fp16 weights and fp16 inputs"),
        ("fp16", "fp16", None),
        ("fp32", "int8", None),
    ],
)
def test_an_accumulator_narrower_than_a_product(accumulator: str, operand: str, text: str | None) -> None:
    fmt = format(operand)
    op = Op.gemm("a", m=4, n=4, k=4).with_formats(inputs=fmt, weights=fmt, outputs=fmt)
    found = accumulator_warnings(Trace(name="t", ops=(op, op), parameters=0), format(accumulator))
    assert (text is None) == (not found)
    assert all(text in warning for warning in found if text)
