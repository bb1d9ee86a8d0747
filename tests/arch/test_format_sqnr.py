"""Published signal-to-noise orderings of block formats, on vectors of varying variance."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.arch.formats import format

VECTORS, LENGTH = 2000, 256


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Gaussian vectors whose standard deviation is itself |N(0, 1)| (ISCA 2023, section IV-B)."""
    rng = np.random.default_rng(20)
    return rng.standard_normal((VECTORS, LENGTH)) * np.abs(rng.standard_normal((VECTORS, 1)))


def sqnr_db(spec: str, x: np.ndarray, scale: float = 1.0) -> float:
    """Mean over vectors of signal over noise power, in dB."""
    noise = np.square(format(spec).round(x / scale) * scale - x).sum(axis=1)
    return float(-10 * np.log10((noise / np.square(x).sum(axis=1)).mean()))


def test_mx9_is_3_6_db_above_msfp16(vectors: np.ndarray) -> None:
    assert sqnr_db("mx9", vectors) - sqnr_db("msfp16", vectors) == pytest.approx(3.6, abs=1.5)


def test_mx9_is_16_db_above_fp8_e4m3(vectors: np.ndarray) -> None:
    scale = float(np.abs(vectors).max()) / 448
    assert sqnr_db("mx9", vectors) - sqnr_db("fp8_e4m3", vectors, scale) == pytest.approx(16, abs=1.5)


def test_orderings_at_six_and_four_bits(vectors: np.ndarray) -> None:
    db = {spec: sqnr_db(spec, vectors) for spec in ("mx9", "mx6", "mx4", "msfp12", "mxfp6", "mxfp4", "nvfp4", "mxint8")}
    assert db["mx9"] > db["mxint8"] > db["mxfp6"] > db["nvfp4"] > db["mxfp4"] > db["mx4"]
    assert db["mx6"] > db["msfp12"] > db["mx4"]
