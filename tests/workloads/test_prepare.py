"""`[quantization]` and `[sparsity]` together, as a design and `archsim trace` apply them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.api.trace import with_policies
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.op import Op
from archsim.workloads.prepare import prepared
from archsim.workloads.quantization_options import QuantizationOptions
from archsim.workloads.sparsity_options import SparsityOptions
from archsim.workloads.table import read_trace, write_trace

LLAMA = model("llama-2-7b", phase="decode", context=40)
names = st.sampled_from(("int8", "int4:g128", "fp16", "mxfp4", "ternary"))
tables = st.fixed_dictionaries(
    {},
    optional={
        "scheme": st.sampled_from(("w4a8kv4", "w8a8", "wfp8afp8")),
        "weights": names,
        "outputs": names,
        "kv_cache": names | st.fixed_dictionaries({"keys": names}, optional={"values": names}),
        "heads": st.just({"0-3": {"kv_cache": "int8"}}),
        "layers": st.just(
            {"*.qk": {"inputs": "fp16"}, "layers.1.*": {"weights": "int8", "heads": {"4": {"kv_cache": "fp16"}}}}
        ),
        "effects": st.sampled_from((["quantize"], ["scale"], ["dequantize"], "all")),
        "rotate": st.just({"*.qk": "hadamard", "*.down_proj": "hadamard:256"}),
        "sensitivity": st.just({"order": ["lm_head", "*.o_proj"], "keep": {"fraction": 0.1, "format": "int8"}}),
    },
)


def no_file(name: str, key: str) -> Path:
    raise AssertionError(name)


@settings(max_examples=30, deadline=None)
@given(tables, st.sampled_from(({}, {"weights": "2:4"}, {"inputs": "topk:0.5", "kv_cache": "random:0.5"})))
def test_no_policy_changes_the_macs_and_what_is_resolved_says_the_same(table: dict, sparse: dict) -> None:
    options, sparsity = QuantizationOptions.model_validate(table), SparsityOptions.model_validate(sparse)
    trace, _ = prepared(LLAMA, options, sparsity, no_file)
    assert trace.macs == LLAMA.macs
    assert all(op.weights.format and op.inputs.format and op.outputs.format for op in trace.ops if isinstance(op, Op))
    again, _ = prepared(LLAMA, QuantizationOptions.model_validate(options.resolved()), sparsity, no_file)
    assert again == trace


def test_everything_at_once_survives_a_trace_file(tmp_path: Path) -> None:
    options = {
        "scheme": "w4a8kv4",
        "outputs": "fp16",
        "effects": "all",
        "rotate": ["*.down_proj"],
        "heads": {"0": {"kv_cache": "fp16"}},
    }
    sparsity = SparsityOptions.model_validate({"weights": "block16x16:0.5", "attention": "window:20+2"})
    trace, _ = prepared(LLAMA, QuantizationOptions.model_validate(options), sparsity, no_file)
    assert trace.macs < LLAMA.macs
    for suffix in ("csv", "parquet"):
        write_trace(trace, tmp_path / f"t.{suffix}")
        assert read_trace(tmp_path / f"t.{suffix}") == trace


def test_masks_and_orders_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace = model("mobilenet-v1")
    fc = next(op for op in trace.ops if op.name == "fc")
    assert isinstance(fc, Op)
    kept = np.zeros((fc.loops["n"], fc.loops["k"]), bool)
    kept[:, ::4] = True
    np.savez("masks.npz", fc=kept, nothing=kept)
    Path("order.csv").write_text("layer\nfc\n")
    keys = [
        "sparsity.weights='file:masks.npz'",
        "quantization.sensitivity={order='order.csv', keep={fraction=0.5, format='fp16'}}",
    ]
    result, warnings = with_policies(trace, keys)
    ops = {op.name: op for op in result.ops if isinstance(op, Op)}
    assert (ops["fc"].weights.sparsity or "").startswith(f"mask:{kept.sum()}/{kept.size}:2=")
    assert ops["fc"].weights.format is not None
    assert ops["fc"].weights.format.name == "fp16"
    assert {op.weights.sparsity for name, op in ops.items() if name != "fc"} == {None}
    assert warnings == ("sparsity.weights: masks.npz has masks of no layer of mobilenet-v1: nothing",)
    write_trace(result, tmp_path / "t.csv")
    assert read_trace(tmp_path / "t.csv") == result


def test_files_that_are_not_there_name_their_key() -> None:
    with pytest.raises(InputError) as caught:
        with_policies(LLAMA, ["sparsity.weights='file:none.npz'"])
    assert str(caught.value) == "--set: sparsity.weights: no such file 'none.npz'"


def test_a_mask_file_without_a_layer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("masks.npz", other=np.ones((2, 2)))
    with pytest.raises(InputError, match="has no mask of a layer of llama-2-7b"):
        with_policies(LLAMA, ["sparsity.weights='file:masks.npz'"])


@pytest.mark.parametrize(
    ("network", "scheme", "stated", "idle"),
    [
        ("resnet-50", "w4a8kv4", ("weights", "activations"), True),
        ("resnet-50", "w4a8kv4", ("weights",), False),
        ("llama-2-7b", "w4a8kv4", ("weights", "activations"), False),
        ("llama-2-7b", "w4a8", ("weights", "inputs", "outputs"), True),
    ],
)
def test_a_scheme_that_keys_beside_it_leave_nothing_to_say_is_a_warning(
    network: str, scheme: str, stated: tuple[str, ...], idle: bool
) -> None:
    trace = LLAMA if network == "llama-2-7b" else model(network)
    table = QuantizationOptions.model_validate({"scheme": scheme} | dict.fromkeys(stated, "int8"))
    _, warnings = prepared(trace, table, SparsityOptions(), no_file)
    says = "quantization.scheme says nothing: inputs, outputs, weights are stated beside it"
    assert warnings == ((says,) if idle else ())
