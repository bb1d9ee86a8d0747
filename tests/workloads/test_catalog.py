"""The catalog: its names, its files, and the multiply-accumulates of plain decoders."""

import tomllib
from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.workloads.models import model, model_config, model_names
from archsim.workloads.op import Op, Role
from archsim.workloads.transformer_config import TransformerConfig

DECODERS = ("gpt-2", "llama-2-7b", "llama-2-13b", "llama-3-8b", "opt-1.3b")

FOLDER = Path(__file__).parents[2] / "workloads" / "catalog"


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("context", [1, 777])
def test_decoder_macs_per_token_follow_kaplan(name, context):
    """Kaplan et al. 2020, table 1: FLOP per token = 2 (N + layers x context x attention width x 2), N the matrices.

    The scores and the mixing each take context x width MACs; the table counts one of them in its rounded form, so both
    are written out here. N: parameters without embeddings, norms and biases, with the head once.
    """
    config = model_config(name)
    assert isinstance(config, TransformerConfig)
    width, hidden = config.heads * config.head_dim, config.hidden
    mlp = (3 if config.gated else 2) * hidden * config.ffn
    projections = 2 * hidden * width + 2 * hidden * config.kv_heads * config.head_dim
    matrices = config.layers * (projections + mlp) + hidden * config.vocab
    expected = matrices + 2 * config.layers * (context + 1) * width
    assert model(name, phase="decode", context=context).macs == expected


@pytest.mark.parametrize("name", DECODERS)
def test_matrix_weights_of_a_decoder_are_most_of_its_parameters(name):
    trace = model(name, phase="decode", context=1)
    weights = sum(
        op.elements("weights") for op in trace.ops if isinstance(op, Op) and op.weights.role is Role.PARAMETER
    )
    assert 0.9 < weights / trace.parameters <= 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("llama-2-7b", 2 * 32 * 4096), ("llama-3-8b", 2 * 32 * 1024), ("bert-base", 0), ("vgg-16", 0)],
)
def test_kv_elements_per_token(name, expected):
    assert model(name).kv_elements_per_token == expected


def test_aliases_lead_to_catalog_models():
    aliases = tomllib.loads((FOLDER / "_aliases.toml").read_text(encoding="utf-8"))
    assert set(aliases.values()) <= set(model_names())
    assert not set(aliases) & set(model_names())
    assert model("ViT-B-16") == model("vit-b")


def test_every_catalog_file_names_its_source():
    for name in model_names():
        assert model(name).source, name


def test_unknown_model_gets_the_nearest_name():
    with pytest.raises(InputError) as caught:
        model("lama-2-7b")
    assert str(caught.value) == "model: unknown model 'lama-2-7b'\nhint: did you mean 'llama-2-7b'?"


@pytest.mark.parametrize("name", ["../pyproject", "_aliases", ""])
def test_names_are_not_paths(name):
    with pytest.raises(InputError):
        model(name)


def test_all_wrong_arguments_are_reported_at_once():
    with pytest.raises(InputError) as caught:
        model("llama-2-7b", phase="decod", batch=0, context=-1, output_tokens=0)
    assert [problem.key for problem in caught.value.problems] == ["phase", "batch", "context", "output_tokens"]
    assert caught.value.problems[0].hint == "did you mean 'decode'?"


@pytest.mark.parametrize(
    ("name", "arguments", "key"),
    [
        ("resnet-50", {"phase": "decode"}, "phase"),
        ("resnet-50", {"context": 10}, "context"),
        ("vit-b", {"context": 10}, "context"),
        ("bert-base", {"phase": "decode"}, "phase"),
        ("gpt-2", {"phase": "generate"}, "output_tokens"),
        ("gpt-2", {"context": 2.5}, "context"),
        ("gpt-2", {"latent_attention": "expanded"}, "latent_attention"),
        ("gpt-2", {"phase": "training", "optimizer": "adamm"}, "optimizer"),
        ("gpt-2", {"phase": "training", "recompute": True}, "recompute"),
        ("t5-base", {"phase": "generate"}, "output_tokens"),
        ("mamba-130m", {"phase": "trainin"}, "phase"),
    ],
)
def test_arguments_a_model_does_not_take(name, arguments, key):
    with pytest.raises(InputError) as caught:
        model(name, **arguments)
    assert [problem.key for problem in caught.value.problems] == [key]
