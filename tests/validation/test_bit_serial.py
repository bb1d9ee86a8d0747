"""The bit-serial family against the cycles of the comparison in the paper on BBS."""

from __future__ import annotations

import pytest

from tests.validation import bit_serial, measure

pytestmark = pytest.mark.skipif(not measure.DATA.is_dir(), reason="the reference data are not beside this checkout")


def test_stripes_is_within_half_a_percent_on_every_network_and_exact_on_bert() -> None:
    pairs = dict(zip(bit_serial.NETWORKS, bit_serial.stripes_pairs(), strict=True))
    assert [name for name, (ours, theirs) in pairs.items() if abs(ours / theirs - 1) > 0.005] == []
    for name in ("Bert-MRPC", "Bert-SST2", "VGG-16"):
        assert pairs[name][0] == pairs[name][1]


@pytest.mark.parametrize("engine", bit_serial.ENGINES)
def test_speedups_over_stripes_are_within_ten_percent(engine: str) -> None:
    pairs = bit_serial.speedup_pairs(engine)
    assert len(pairs) == 7
    assert [(ours, theirs) for ours, theirs in pairs if abs(ours / theirs - 1) > 0.10] == []


def test_bitlet_loses_what_is_published_when_more_pes_wait() -> None:
    pairs = bit_serial.imbalance_pairs()
    assert [(ours, theirs) for ours, theirs in pairs if abs(ours / theirs - 1) > 0.10] == []
