"""The most sensitive layers keep a wider format."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.arch.formats import format
from archsim.core.errors import InputError
from archsim.workloads.models import model
from archsim.workloads.sensitivity import read_order, sensitive_formats, weight_counts

TRACE = model("gpt-2", phase="generate", context=4, output_tokens=9)
SIZES = weight_counts(TRACE)
INT8, FP16 = format("int8"), format("fp16")


def test_layers_count_once_however_often_they_run() -> None:
    assert SIZES["layers.0.fc1"] == 768 * 3072
    assert not any(name.startswith("decode") for name in SIZES)


@settings(max_examples=40, deadline=None)
@given(st.permutations(sorted(SIZES)), st.floats(0, 1), st.floats(0, 1))
def test_what_is_kept_is_the_front_of_the_order_and_within_the_share(
    order: list[str], first: float, second: float
) -> None:
    formats, _ = sensitive_formats(TRACE, order, [(first, FP16), (second, INT8)])
    kept = [layer for layer in order if layer in formats]
    assert kept == order[: len(kept)]
    total = sum(SIZES.values())
    for fraction, fmt in ((first, FP16), (second, INT8)):
        assert sum(SIZES[layer] for layer in kept if formats[layer] is fmt) <= fraction * total * (1 + 1e-12)
    if len(kept) < len(order):
        own = sum(SIZES[layer] for layer in kept if formats[layer] is INT8)
        assert own + SIZES[order[len(kept)]] > second * total * (1 - 1e-12)


def test_globs_stand_for_their_layers_in_order() -> None:
    formats, warnings = sensitive_formats(TRACE, ["*.fc2", "lm_haed"], [(1.0, INT8)])
    assert list(formats) == [f"layers.{i}.fc2" for i in range(12)]
    assert warnings == (
        "quantization.sensitivity.order: 'lm_haed' matches no layer with weights of gpt-2 (did you mean 'lm_head'?)",
    )


def test_a_share_smaller_than_the_first_layer_is_a_warning() -> None:
    _, warnings = sensitive_formats(TRACE, ["lm_head"], [(0.01, INT8)])
    assert len(warnings) == 1
    assert "no layer is kept in int8" in warnings[0]


def test_a_file_is_sorted_by_its_sensitivity(tmp_path: Path) -> None:
    path = tmp_path / "order.csv"
    path.write_text("layer,sensitivity\na,1\nb,3e2\n\nc,3\n")
    assert read_order(path) == ("b", "c", "a")
    path.write_text("layer\na\nb\n")
    assert read_order(path) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "order.csv:1: has no column layer"),
        ("layr\na\n", "order.csv:1: unknown column 'layr'"),
        ("layer,sensitivity\na\n", "order.csv:2: has 1 cells for 2 columns"),
        ("layer,sensitivity\na,nan\n", "order.csv:2: sensitivity: must be a finite number"),
        ("layer,sensitivity\na,x\n,2\n", "order.csv:3: layer: must not be empty"),
        ("layer\n", "lists no layers"),
    ],
)
def test_files_that_are_no_order(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "order.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_order(path)
    assert message in str(caught.value)


def test_a_binary_file_is_no_order(tmp_path: Path) -> None:
    path = tmp_path / "order.csv"
    path.write_bytes(b"\xff\x00\xfe")
    with pytest.raises(InputError, match="cannot be read as CSV"):
        read_order(path)
