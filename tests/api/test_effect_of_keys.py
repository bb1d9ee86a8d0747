"""Every key that is accepted changes the result, or the result says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import archsim
from archsim.api.design import load_design
from archsim.api.map import conv_op, map_ops
from archsim.core.errors import InputError
from archsim.reports.evaluation import Evaluation
from archsim.workloads.op import VectorOp

Write = Callable[..., Path]
TRACE = "name,kind,m,n,k\na,gemm,40,50,60\n"


@pytest.fixture
def gemm(design_text: str, write: Write) -> Callable[..., Evaluation]:
    """Evaluates the small design on one GEMM, with keys over it."""
    write(TRACE, "gemm.csv")
    path = write(design_text.replace('model = "resnet-50"', 'trace = "gemm.csv"'))
    return lambda *overrides: archsim.evaluate(path, overrides=overrides)


@pytest.mark.parametrize("fidelity", ["analytic", "cycle"])
def test_pe_energy_is_paid_by_every_pe_in_every_cycle(gemm: Callable[..., Evaluation], fidelity: str) -> None:
    plain = gemm(f"simulation.fidelity={fidelity}")
    clocked = gemm(f"simulation.fidelity={fidelity}", "hardware.array.pe_energy=3 pJ/cycle")
    more = clocked.to_dict()["energy_j"]["mac"] - plain.to_dict()["energy_j"]["mac"]
    assert clocked.totals["cycles"] == plain.totals["cycles"]
    assert more == pytest.approx(3e-12 * 256 * plain.totals["cycles"], rel=1e-9)


def test_a_key_without_effect_is_a_warning(gemm: Callable[..., Evaluation]) -> None:
    warning = "a systolic array does not exploit sparsity: 1 ops, such as a, are computed and stored dense"
    assert gemm().to_dict()["warnings"] == []
    assert gemm("sparsity.weights=2:4").to_dict()["warnings"] == [warning]


TIGHT = "hardware.memory.glb.capacity=4 KiB"


def test_even_tiles_cost_more_where_memory_is_scarce(gemm: Callable[..., Evaluation]) -> None:
    uneven, even = gemm(TIGHT), gemm(TIGHT, "mapper.tiles=even")
    assert even.totals["edp_js"] > uneven.totals["edp_js"]


def test_an_operand_that_may_pass_a_memory_by_does_where_that_pays(gemm: Callable[..., Evaluation]) -> None:
    held, passed = gemm(TIGHT), gemm(TIGHT, 'hardware.memory.glb.bypass=["weights"]')
    assert passed.totals["edp_js"] < held.totals["edp_js"]
    assert passed.to_dict()["warnings"] == []


def test_a_tolerance_buys_energy_with_time(gemm: Callable[..., Evaluation]) -> None:
    runs = [gemm(TIGHT, "mapper.objective=latency", f"mapper.tolerance={share}") for share in (0.0, 0.5, 1.0)]
    cycles, energy = ([run.totals[key] for run in runs] for key in ("cycles", "energy_j"))
    assert energy[0] > energy[1] > energy[2]
    assert cycles[0] < cycles[1] <= 1.5 * cycles[0] < cycles[2] <= 2 * cycles[0]


def test_a_small_budget_leaves_a_gap_and_a_large_one_none(design_text: str, write: Write) -> None:
    """The first answer is never worse than what a larger budget finds by more than its gap says."""
    path = write(design_text)
    small, large = (
        map_ops(path, op=conv_op([1, 16, 24, 13, 11, 3, 3]), overrides=[TIGHT, f"mapper.budget={budget}"])[0]
        for budget in ("10 us", "2 s")
    )
    assert large.gap == 0.0
    assert small.gap is not None
    assert small.gap > 0
    assert large.value <= small.value <= large.value * (1 + small.gap)


@pytest.mark.parametrize(
    ("keys", "override", "warning"),
    [
        (", fold_overlap=true", "", "hardware.array.fold_overlap says nothing for kind 'spatial', which has no passes"),
        (', dataflow="os"', "", "hardware.array.dataflow says nothing beside axes"),
        (
            "",
            'mapper.dataflows=["os"]',
            "mapper.dataflows says nothing for kind 'spatial', whose axes say what is unrolled",
        ),
    ],
)
def test_keys_of_systolic_arrays_on_a_spatial_one(
    gemm: Callable[..., Evaluation], keys: str, override: str, warning: str
) -> None:
    axes = 'hardware.array={axes=[{size=4,dims=["n"],multicast=["inputs"]}]' + keys + "}"
    overrides = ['hardware.kind="spatial"', axes, *([override] if override else [])]
    assert gemm(*overrides).to_dict()["warnings"] == [warning]


def test_output_tokens_outside_a_generation(design_text: str, write: Write) -> None:
    text = 'model = "gpt-2"\nphase = "decode"\noutput_tokens = 4'
    design = load_design(write(design_text.replace('model = "resnet-50"', text)))
    assert design.warnings == ("workload.output_tokens says nothing in phase 'decode': only generate produces tokens",)


LANGUAGE = """model = "deepseek-v2-lite"
phase = "{phase}"
context = 7
batch = 2
"""


@pytest.mark.parametrize(
    ("phase", "key", "layer"),
    [
        ("decode", 'routing = "balanced"', "layers.1.experts.up_proj"),
        ("decode", 'latent_attention = "naive"', "layers.0.kv_b_proj"),
        ("training", 'recompute = "blocks"', "recompute.layers.0.kv_b_proj"),
    ],
)
def test_keys_of_language_models_reach_the_trace(
    design_text: str, write: Write, phase: str, key: str, layer: str
) -> None:
    text = LANGUAGE.format(phase=phase)
    designs = [load_design(write(design_text.replace('model = "resnet-50"', text + more))) for more in ("", key)]
    plain, chosen = ({op.name for op in design.trace.ops} for design in designs)
    assert layer in chosen
    assert layer not in plain
    assert designs[1].warnings == ()


def test_the_optimizer_reaches_the_trace(design_text: str, write: Write) -> None:
    text = LANGUAGE.format(phase="training") + 'optimizer = "sgd"'
    design = load_design(write(design_text.replace('model = "resnet-50"', text)))
    updates = [op for op in design.trace.ops if isinstance(op, VectorOp) and op.name.endswith(".update")]
    assert sum(op.elements * op.count for op in updates) == design.trace.parameters


def test_keys_of_language_models_that_say_nothing(design_text: str, write: Write) -> None:
    text = 'model = "gpt-2"\nrouting = "balanced"\nlatent_attention = "naive"\noptimizer = "sgd"\nrecompute = "blocks"'
    design = load_design(write(design_text.replace('model = "resnet-50"', text)))
    assert design.warnings == (
        "workload.routing says nothing for gpt-2, which has no experts",
        "workload.latent_attention says nothing for gpt-2, which has none",
        "workload.optimizer says nothing outside of phase 'training'",
        "workload.recompute says nothing outside of phase 'training'",
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hardware.memory.glb.name=dram", "--set: hardware.memory.dram.name: memory 'dram' is named twice"),
        (
            "hardware.memory.glb.remove=true",
            "--set: hardware.memory.glb.remove: cannot be set from the command line\n"
            "hint: write it in the design file, beside its base",
        ),
        (
            "mapper={objective='weighted', weights={latency=100}}",
            "--set: mapper.weights.latency: must be at most 10 (got 100)",
        ),
        (
            "hardware.clock=1e300 Hz",
            "--set: hardware.clock: must be from 1e-18 to 1e+24 Hz (got '1e300 Hz')",
        ),
        (
            "hardware.vector.rates={softmx=0.5}",
            "--set: hardware.vector.rates.softmx: unknown kind of operation\nhint: did you mean 'softmax'?",
        ),
    ],
)
def test_a_key_that_could_have_no_effect_is_refused(
    gemm: Callable[..., Evaluation], override: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        gemm(override)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("simulation.convention=scale-sim", "convention"),
        ('simulation.counting={tiling="whole-layer"}', "counting.tiling"),
    ],
)
def test_whole_layers_are_counted_on_systolic_arrays_only(
    gemm: Callable[..., Evaluation], override: str, key: str
) -> None:
    """On axes they ran without any unrolling: as slow as one PE."""
    with pytest.raises(InputError) as caught:
        gemm("hardware.kind=spatial", override)
    assert str(caught.value) == f"--set: simulation.{key}: counts whole layers on kind 'systolic' (got 'spatial')"
