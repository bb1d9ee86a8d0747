"""Quantities: known spellings, pint's spellings, and what is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.core import units

READERS: list[Callable[[object], object]] = [
    units.clock_hz,
    units.capacity_bits,
    units.width_bits,
    units.bandwidth,
    units.access_energy,
    units.energy_pj,
    units.cycle_energy_pj,
    units.area_um2,
    units.area_mm2,
    units.length_nm,
    units.time_s,
    units.power_w,
]


@pytest.mark.parametrize(
    ("expected", "read", "text"),
    [
        (1e9, units.clock_hz, "1 GHz"),
        (7e8, units.clock_hz, "700MHz"),
        (1.05e9, units.clock_hz, "1.05 GHz"),
        (65536 * 8, units.capacity_bits, "64 KiB"),
        (64000 * 8, units.capacity_bits, "64 kB"),
        (8192, units.capacity_bits, "8 Kibit"),
        (math.inf, units.capacity_bits, "unlimited"),
        (64, units.width_bits, "8 B"),
        (units.Bandwidth(64e9 * 8, "s"), units.bandwidth, "64 GB/s"),
        (units.Bandwidth(256, "cycle"), units.bandwidth, "32 B/cycle"),
        (units.Bandwidth(16, "cycle"), units.bandwidth, "16 bit / cycle"),
        (units.EnergyText(6, "element"), units.access_energy, "6 pJ/element"),
        (units.EnergyText(1, "bit"), units.access_energy, "8 pJ/byte"),
        (units.EnergyText(500, "bit"), units.access_energy, "0.5 nJ/bit"),
        (units.EnergyText(70.1, "access"), units.access_energy, "70.1 pJ"),
        (0.2, units.energy_pj, "0.2 pJ"),
        (0.1, units.cycle_energy_pj, "0.1 pJ/cycle"),
        (500, units.area_um2, "500 um^2"),
        (500, units.area_um2, "500 µm²"),
        (2e6, units.area_um2, "2 mm2"),
        (0.5, units.area_mm2, "0.5 mm^2"),
        (28, units.length_nm, "28 nm"),
        (280, units.length_nm, "0.28 um"),
        (0.5, units.time_s, "500 ms"),
        (0.01, units.power_w, "10 mW"),
    ],
)
def test_common_spellings(expected: object, read: Callable[[object], object], text: str) -> None:
    assert expected == read(text)


@pytest.mark.parametrize(
    ("expected", "read", "text"),
    [
        (2000, units.area_um2, "2 um * mm"),
        (1, units.power_w, "1 J/s"),
        (120, units.time_s, "2 min"),
        (8, units.capacity_bits, "1 byte"),
        (3, units.area_um2, "3 um**2"),
        (1e3, units.energy_pj, "1 nW*s"),
    ],
)
def test_pint_reads_other_spellings_of_the_dimension(
    expected: float, read: Callable[[object], object], text: str
) -> None:
    assert read(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (units.clock_hz, 1, "needs a unit, such as '1 GHz' (got 1)"),
        (units.clock_hz, "1", "needs a unit, such as '1 GHz' (got '1')"),
        (units.clock_hz, True, "must be text with a unit, such as '1 GHz' (got true)"),
        (units.clock_hz, None, "must be text with a unit, such as '1 GHz' (got None)"),
        (units.clock_hz, "fast", "must be a number with a unit, such as '1 GHz' (got 'fast')"),
        (units.clock_hz, "1 s", "must be a frequency such as '1 GHz' (got '1 s')"),
        (units.capacity_bits, "1 MiB/s", "must be a size such as '64 KiB' (got '1 MiB/s')"),
        (units.width_bits, "1.5 bit", "must be a whole number of bits (got '1.5 bit')"),
        (units.power_w, "-1 W", "must be at least 0 (got '-1 W')"),
        (
            units.capacity_bits,
            "1 b",
            "unit 'b' is ambiguous: write bit or B; write a size such as '64 KiB' (got '1 b')",
        ),
        *(
            (units.length_nm, f"1 {unit}", f"unknown unit {unit!r}; write a length such as '28 nm' (got '1 {unit}')")
            for unit in ("m^4^4^4^4", "m**4**4**4**4", "m^-4 ^4 ** 4^4", "m ^ 4 ^ 4^4^4", "m*^4^4^4^4", "m^4**m^4^4^4")
        ),
    ],
)
def test_refused(read: Callable[[object], object], value: object, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read(value)
    assert message == str(caught.value)


@given(st.sampled_from(sorted(units.CAPACITY.factors)), st.floats(min_value=1e-3, max_value=1e6))
def test_known_spellings_agree_with_pint(unit: str, number: float) -> None:
    from archsim.core.units import _pint_factor  # the slow way round, as an oracle

    assert units.capacity_bits(f"{number!r} {unit}") == pytest.approx(number * (_pint_factor(unit, "bit") or 0))


@settings(max_examples=200)
@given(
    st.sampled_from(READERS),
    st.text(alphabet="0123456789.eE+-*/^() GHzKiBbitspJWmnµu²_%$", max_size=20) | st.integers() | st.floats(),
)
def test_any_value_is_read_or_refused_with_a_sentence(read: Callable[[object], object], value: object) -> None:
    outcome: object
    try:
        outcome = read(value)
    except ValueError as error:
        outcome = str(error)
    assert not isinstance(outcome, str) or "(got " in outcome


def test_common_spellings_do_not_import_pint() -> None:
    code = "import sys; from archsim.core import units; units.clock_hz('1 GHz'); assert 'pint' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
