"""Parameters and multiply-accumulates of every catalog model against published figures."""

import tomllib
from pathlib import Path

import pytest

from archsim.core.errors import InputError
from archsim.workloads.models import model, model_config, model_names
from archsim.workloads.op import Op, Role
from archsim.workloads.transformer_config import TransformerConfig

TOLERANCE = 0.01

PARAMETERS = {
    # name: (published, source)
    "bert-base": (109.48e6, "Hugging Face Transformers, BertModel bert-base-uncased; 110 M in Devlin et al. 2019"),
    "gpt-2": (124.44e6, "model card openai-community/gpt2 (124M)"),
    "llama-2-7b": (6.738e9, "model card meta-llama/Llama-2-7b-hf (6.74 B)"),
    "llama-2-13b": (13.016e9, "model card meta-llama/Llama-2-13b-hf (13.0 B)"),
    "llama-3-8b": (8.030e9, "model card meta-llama/Meta-Llama-3-8B (8.03 B)"),
    "mobilenet-v1": (4.2e6, "Howard et al. 2017, table 8"),
    "mobilenet-v2": (3.505e6, "torchvision mobilenet_v2; 3.4 M in Sandler et al. 2018"),
    "opt-1.3b": (1.3158e9, "model card facebook/opt-1.3b"),
    "resnet-50": (25.557e6, "torchvision resnet50"),
    "vgg-16": (138.36e6, "torchvision vgg16"),
    "vit-b": (86.57e6, "torchvision vit_b_16"),
}

GMACS = {
    # name: (published, arguments, source)
    "bert-base": (22.5 / 2, {"context": 128}, "Sun et al. 2020 (MobileBERT), table 4: 22.5 GFLOP at 128 tokens"),
    "mobilenet-v1": (0.569, {}, "Howard et al. 2017, table 8"),
    "mobilenet-v2": (0.300, {}, "Sandler et al. 2018, table 4"),
    "resnet-50": (4.089, {}, "torchvision resnet50"),
    "vgg-16": (15.47, {}, "torchvision vgg16"),
    "vit-b": (17.56, {}, "torchvision vit_b_16"),
}

FOLDER = Path(__file__).parents[2] / "workloads" / "catalog"


def test_every_model_has_a_published_parameter_count():
    assert set(model_names()) == set(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones(name):
    published, _ = PARAMETERS[name]
    assert model(name).parameters == pytest.approx(published, rel=TOLERANCE)


@pytest.mark.parametrize("name", GMACS)
def test_macs_are_the_published_ones(name):
    published, arguments, _ = GMACS[name]
    assert model(name, **arguments).macs / 1e9 == pytest.approx(published, rel=TOLERANCE)


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in GMACS])
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


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name not in GMACS])
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
    ],
)
def test_arguments_a_model_does_not_take(name, arguments, key):
    with pytest.raises(InputError) as caught:
        model(name, **arguments)
    assert [problem.key for problem in caught.value.problems] == [key]
