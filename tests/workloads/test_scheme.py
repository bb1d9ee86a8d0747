"""Shorthands such as w4a8kv4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.core.errors import InputError
from archsim.workloads.quantization_options import QuantizationOptions
from archsim.workloads.scheme import parse_scheme


@pytest.mark.parametrize(
    ("text", "weights", "activations", "cache"),
    [
        ("w4a8kv4", "int4:g128", "int8:token", "int4:head"),
        ("W4A16", "int4:g128", "fp16", None),
        ("w8a8", "int8:channel", "int8:token", None),
        ("w4a4kv4", "int4:g128", "int4:token", "int4:head"),
        ("w1.58a8", "ternary", "int8:token", None),
        ("wfp8afp8", "fp8", "fp8", None),
        ("w3g64a16kv8", "int3:g64", "fp16", "int8:head"),
        ("wmxfp4amxfp8kvfp8", "mxfp4", "mxfp8", "fp8"),
        ("want4a8", "ant4", "int8:token", None),
        ("wternarya8", "ternary", "int8:token", None),
        ("wnf4g64abf16", "nf4:g64", "bf16", None),
    ],
)
def test_a_shorthand_is_its_spelled_out_table(text: str, weights: str, activations: str, cache: str | None) -> None:
    table = {"weights": weights, "activations": activations} | ({} if cache is None else {"kv_cache": cache})
    assert parse_scheme(text) == table
    short, spelled = (QuantizationOptions.model_validate(values) for values in ({"scheme": text}, table))
    assert short.policy() == spelled.policy()
    assert short.resolved() == spelled.resolved()


def test_keys_beside_a_scheme_win() -> None:
    options = {"scheme": "w4a8kv4", "outputs": "fp16", "kv_cache": {"keys": "int8:head"}}
    policy = QuantizationOptions.model_validate(options).policy()
    assert (policy.weights.name, policy.inputs.name, policy.outputs.name) == ("int4:g128", "int8:token", "fp16")
    assert policy.keys is not None
    assert policy.keys.name == "int8:head"
    assert (policy.values, policy.kv_cache.name) == (None, "int4:head")


@given(st.text("wakvg0123456789.fpintmx_:", max_size=20))
def test_any_text_is_a_scheme_or_an_error_with_the_grammar(text: str) -> None:
    try:
        table = parse_scheme(text)
    except InputError as error:
        message = str(error)
    else:
        message = "w<F>"
        QuantizationOptions.model_validate(table)
    assert "w<F>" in message
