"""Every key that is accepted changes the result, or the result says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import archsim
from archsim.api.design import load_design
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


IDLE = [
    ("mapper.tiles=even", "mapper.tiles changes nothing yet: the mapper tries one small set of mappings"),
    ("mapper.budget=2 s", "mapper.budget changes nothing yet: the mapper tries one small set of mappings"),
    ("mapper.tolerance=0.1", "mapper.tolerance changes nothing yet: the mapper tries one small set of mappings"),
    ('hardware.memory.glb.bypass=["weights"]', "hardware.memory.glb.bypass is not used yet: weights pass through it"),
    ("sparsity.weights=2:4", "sparsity is not exploited yet: 1 ops, such as a, are computed and stored dense"),
]


@pytest.mark.parametrize(("override", "warning"), IDLE)
def test_a_key_without_effect_is_a_warning(gemm: Callable[..., Evaluation], override: str, warning: str) -> None:
    assert gemm().to_dict()["warnings"] == []
    assert gemm(override).to_dict()["warnings"] == [warning]


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
