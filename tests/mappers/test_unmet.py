"""An op without a mapping because of what is asked for, not of its memories, is told so."""

from __future__ import annotations

import pytest

from archsim import evaluate, map_ops
from archsim.core.errors import InfeasibleError
from archsim.workloads.op import Op

DESIGN = "designs/validation/accelforge-b.toml"
GEMM = Op.gemm("fc", m=64, n=64, k=64)


@pytest.mark.parametrize(
    ("constraints", "advice"),
    [
        ("{ tiles = { glb = { m = 33 } } }", 'without tiles.glb or with mapper.factors = "any"'),
        ("{ min_utilization = 0.9, spatial = { x = { n = 2 } } }", "without min_utilization or without spatial.x"),
        ("{ tiles = { glb = { m = 33 } }, spatial = { x = { n = 3 } } }", 'with mapper.factors = "any"'),
    ],
)
def test_constraints_that_leave_no_mapping_are_named(constraints: str, advice: str) -> None:
    with pytest.raises(InfeasibleError) as caught:
        map_ops(DESIGN, op=GEMM, overrides=[f"mapper.constraints={constraints}"])
    text = f"op 'fc': no mapping keeps all of mapper.constraints: there is one {advice}"
    assert str(caught.value) == text


def test_memories_are_blamed_where_they_are_too_small_without_constraints_too() -> None:
    tight = ["hardware.memory.rf.capacity=2 B", "mapper.constraints.tiles.rf={ m = 1 }"]
    with pytest.raises(InfeasibleError, match="rf is too small"):
        map_ops("designs/validation/accelforge-a.toml", op=GEMM, overrides=tight)


def test_a_whole_evaluation_names_them_too() -> None:
    with pytest.raises(InfeasibleError, match=r"there is one without spatial\.x"):
        evaluate(DESIGN, overrides=['workload.model="deit-ti"', "mapper.constraints.spatial.x={ n = 7 }"])
