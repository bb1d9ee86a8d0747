"""Hugging Face configurations: the same traces as the catalog's, and broken files."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.huggingface import MODEL_TYPES, read_config, trace_from_config
from archsim.workloads.models import model, model_config
from tests.workloads.huggingface_configs import CONFIGS, DEEPSEEK, GEMMA3_TEXT, GPT_OSS, PARAMETERS, QWEN3, T5

LLAMA = {
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
    "vocab_size": 32000,
}
MISTRAL = LLAMA | {
    "model_type": "mistral",
    "intermediate_size": 14336,
    "num_key_value_heads": 8,
    "sliding_window": 4096,
    "max_position_embeddings": 32768,
}
QWEN2 = LLAMA | {
    "model_type": "qwen2",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "vocab_size": 151936,
    "max_position_embeddings": 32768,
}
OPT = {
    "model_type": "opt",
    "activation_function": "relu",
    "do_layer_norm_before": True,
    "ffn_dim": 8192,
    "hidden_size": 2048,
    "max_position_embeddings": 2048,
    "num_attention_heads": 32,
    "num_hidden_layers": 24,
    "vocab_size": 50272,
    "word_embed_proj_dim": 2048,
}
GPT2 = {
    "model_type": "gpt2",
    "activation_function": "gelu_new",
    "n_embd": 768,
    "n_head": 12,
    "n_inner": None,
    "n_layer": 12,
    "n_positions": 1024,
    "vocab_size": 50257,
}
BERT = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 768,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
VIT = {
    "model_type": "vit",
    "hidden_act": "gelu",
    "hidden_size": 768,
    "id2label": {str(index): "x" for index in range(1000)},
    "image_size": 224,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_channels": 3,
    "num_hidden_layers": 12,
    "patch_size": 16,
}


def config(tmp_path, table):
    path = tmp_path / "some-model" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
    return path


def outcome(path):
    """The parameters of a configuration, or the problems that it was refused for."""
    try:
        return read_config(path).parameters
    except InputError as error:
        return error.problems


def problems(tmp_path, table):
    path = config(tmp_path, table)
    with pytest.raises(InputError) as caught:
        trace_from_config(path)
    return [str(problem).replace(str(path), "config.json") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("table", "name"),
    [(LLAMA, "llama-2-7b"), (OPT, "opt-1.3b"), (GPT2, "gpt-2"), (BERT, "bert-base"), (VIT, "vit-b")],
)
def test_same_trace_as_the_catalog(tmp_path, table, name):
    path = config(tmp_path, table)
    trace, expected = trace_from_config(path, batch=3), model(name, batch=3)
    assert trace == replace(expected, name="some-model", source=trace.source)


@pytest.mark.parametrize("name", CONFIGS)
def test_published_files_give_the_catalogs_hyper_parameters(tmp_path, name):
    found = read_config(config(tmp_path, CONFIGS[name]))
    assert found == replace(model_config(name), name=found.name, source=found.source)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_files_beside_the_catalog(tmp_path, name):
    table, parameters = PARAMETERS[name]
    assert read_config(config(tmp_path, table)).parameters == pytest.approx(parameters, rel=0.005)


def test_more_than_twenty_architectures_are_read():
    tested = {table["model_type"] for table in (*CONFIGS.values(), *(table for table, _ in PARAMETERS.values()))}
    tested |= {"gpt2", "llama", "mistral", "opt", "qwen2", "vit"}
    assert len(MODEL_TYPES) >= 30
    assert len(tested) >= 27
    assert tested <= set(MODEL_TYPES)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            DEEPSEEK | {"num_experts_per_tok": 300},
            "num_experts_per_tok: must be at most n_routed_experts 256 (got 300)",
        ),
        (DEEPSEEK | {"kv_lora_rank": -5}, "kv_lora_rank: must be from 1 to 2147483647 (got -5)"),
        (
            DEEPSEEK | {"attention_bias": True},
            "attention_bias: biases of latent attention are not supported (got true)",
        ),
        (DEEPSEEK | {"n_routed_experts": 10**12}, "n_routed_experts: must be from 1 to 1048576 (got 1000000000000)"),
        (
            GPT_OSS | {"layer_types": ["sliding_attention"] * 3},
            "layer_types: must have one entry for each of 24 layers",
        ),
        (GPT_OSS | {"layer_types": "full"}, "layer_types: must be a list of full_attention and sliding_attention"),
        (
            GPT_OSS | {"layer_types": ["full_attention", "sliding_attention"] * 12},
            "layer_types: must have its full layers at a regular distance",
        ),
        (GEMMA3_TEXT | {"final_logit_softcapping": -1}, "final_logit_softcapping: must be a positive number or null"),
        (QWEN3 | {"model_type": "qwen3_moe", "mlp_only_layers": [1]}, "mlp_only_layers: dense layers at chosen places"),
        (CONFIGS["phi-2"] | {"partial_rotary_factor": 1.5}, "partial_rotary_factor: must be above 0 and at most 1"),
        (CONFIGS["phi-2"] | {"partial_rotary_factor": "half"}, "partial_rotary_factor: must be above 0 and at most 1"),
        (T5 | {"feed_forward_proj": "gated-gelo"}, "feed_forward_proj: unknown feed_forward_proj 'gated-gelo'"),
        ({"model_type": "gemma3"}, "text_config: must be an object"),
        ({"model_type": "mamba", "hidden_size": 1 << 80}, "hidden_size: must be from 1 to 2147483647"),
    ],
)
def test_values_that_an_architecture_does_not_take(tmp_path, table, expected):
    assert any(expected in problem for problem in problems(tmp_path, table))


def test_regular_layer_types_become_a_period(tmp_path):
    types = (["sliding_attention"] * 5 + ["full_attention"]) * 5
    table = {key: value for key, value in GEMMA3_TEXT.items() if key != "sliding_window_pattern"}
    found = read_config(config(tmp_path, table | {"layer_types": types[:26]}))
    assert (found.window, found.full_attention_every) == (512, 6)
    everywhere = read_config(config(tmp_path, GPT_OSS | {"layer_types": ["full_attention"] * 24}))
    assert (everywhere.window, everywhere.full_attention_every) == (None, 0)


@pytest.mark.parametrize(
    ("table", "parameters"),
    [
        (MISTRAL, 7.241732e9),  # model card mistralai/Mistral-7B-v0.1
        (QWEN2, 494.03e6),  # model card Qwen/Qwen2-0.5B
    ],
)
def test_parameters_of_published_models(tmp_path, table, parameters):
    assert read_config(config(tmp_path, table)).parameters == pytest.approx(parameters, rel=1e-4)


def test_sliding_window_bounds_decode_and_cache(tmp_path):
    path = config(tmp_path, MISTRAL)
    trace = trace_from_config(path, phase="decode", context=10_000)
    assert next(op for op in trace.ops if op.name == "layers.0.qk").dims["n"] == 4096
    assert trace.kv_tokens == 4096
    open_window = config(tmp_path, MISTRAL | {"sliding_window": None})
    assert trace_from_config(open_window, phase="decode", context=10_000).kv_tokens == 10_001


def test_post_norm_and_untied_variants(tmp_path):
    small = read_config(config(tmp_path, OPT | {"do_layer_norm_before": False, "tie_word_embeddings": False}))
    assert (small.norm_placement, small.final_norm, small.head) == ("post", False, "lm")


def test_bare_vision_model_has_a_pooler(tmp_path):
    bare = {key: value for key, value in VIT.items() if key != "id2label"}
    trace = trace_from_config(config(tmp_path, bare))
    assert trace.ops[-1].name == "pooler_act"
    assert trace.parameters == pytest.approx(86.389e6, rel=1e-4)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("{", None),
        ("[]", ["config.json: must hold one JSON object"]),
        ("[" * 100_000, None),
        ("{}", ["config.json: model_type: is missing or not text"]),
        ({"model_type": "lama"}, ["config.json: model_type: unknown model_type 'lama'\nhint: did you mean 'llama'?"]),
        (
            {"model_type": "zzz"},
            [f"config.json: model_type: unknown model_type 'zzz'\nhint: known: {', '.join(MODEL_TYPES)}"],
        ),
        (
            LLAMA | {"hidden_size": "4096", "num_hidden_layers": 0, "hidden_act": "sillu", "tie_word_embeddings": 1},
            [
                "config.json: hidden_size: must be an integer (got '4096')",
                "config.json: num_hidden_layers: must be from 1 to 10000 (got 0)",
                "config.json: hidden_act: unknown activation 'sillu'\nhint: did you mean 'silu'?",
                "config.json: tie_word_embeddings: must be true or false (got 1)",
            ],
        ),
        ({"model_type": "gpt2", "n_embd": 8}, None),
        (
            LLAMA | {"num_attention_heads": 33},
            ["config.json: num_attention_heads: must divide the hidden size 4096 (got 33)"],
        ),
        (
            LLAMA | {"num_key_value_heads": 5},
            ["config.json: num_key_value_heads: must divide num_attention_heads 32 (got 5)"],
        ),
        (
            LLAMA | {"num_hidden_layers": 10**9},
            ["config.json: num_hidden_layers: must be from 1 to 10000 (got 1000000000)"],
        ),
        (VIT | {"patch_size": 15}, ["config.json: patch_size: must divide image_size 224 (got 15)"]),
        (VIT | {"id2label": 5}, ["config.json: id2label: must be an object (got int)"]),
        (BERT | {"is_decoder": True}, ["config.json: is_decoder: BERT as a decoder is not supported (got true)"]),
        (QWEN2 | {"use_sliding_window": True}, None),
    ],
)
def test_broken_configurations(tmp_path, table, expected):
    found = problems(tmp_path, table)
    assert found if expected is None else found == expected


def test_every_missing_key_is_named(tmp_path):
    keys = [problem.split(": ")[1] for problem in problems(tmp_path, {"model_type": "llama"})]
    assert keys == [
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "intermediate_size",
        "max_position_embeddings",
        "vocab_size",
    ]


def test_missing_and_undecodable_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        trace_from_config(tmp_path / "config.json")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(InputError, match="is not UTF-8"):
        trace_from_config(tmp_path / "config.json")


values = st.none() | st.booleans() | st.integers(-2, 40) | st.floats() | st.text(max_size=4) | st.just([]) | st.just({})


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_values_are_read_or_refused(tmp_path, data):
    table = dict(data.draw(st.sampled_from((MISTRAL, QWEN2, OPT, GPT2, VIT, *CONFIGS.values()))))
    for key in data.draw(st.lists(st.sampled_from(sorted(table)), max_size=5)):
        table[key] = data.draw(values)
    path = config(tmp_path, table)
    assert outcome(path)
