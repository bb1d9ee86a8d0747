"""Each datapath makes the exact product, in as many steps as the simulator counts."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.arch.engines.bit_words import Words
from archsim.sim.bits.bitlet import Bitlet
from archsim.sim.bits.bitvert import BitVert
from archsim.sim.bits.bitwave import BitWave
from archsim.sim.bits.engine import BitEngine
from archsim.sim.bits.pragmatic import Pragmatic
from archsim.sim.bits.stripes import DynamicStripes, Stripes
from tests.sim.bits.operands import adversarial, drawn

LANES = 16
SERIAL = {
    "stripes": Stripes,
    "dynamic stripes": DynamicStripes,
    "shapeshifter": lambda **width: DynamicStripes(trim_low=True, **width),
    "pragmatic": Pragmatic,
    "pragmatic booth": lambda **width: Pragmatic(words=Words.BOOTH, **width),
    "pragmatic stored sign": lambda **width: Pragmatic(words=Words.STORED, **width),
    "pragmatic reach 0": lambda **width: Pragmatic(shifter_bits=0, **width),
    "pragmatic reach 2": lambda **width: Pragmatic(shifter_bits=2, **width),
    "pragmatic booth reach 1": lambda **width: Pragmatic(words=Words.BOOTH, shifter_bits=1, **width),
    "bitlet": Bitlet,
    "bitlet magnitudes": lambda **width: Bitlet(words=Words.MAGNITUDE, **width),
    "bitwave": BitWave,
    "bitvert": BitVert,
}


@pytest.mark.parametrize(("width", "signed"), [(8, True), (8, False), (4, True), (11, True)])
@pytest.mark.parametrize("name", SERIAL)
def test_datapath_makes_the_exact_product_in_the_steps_counted(name: str, width: int, signed: bool) -> None:
    engine: BitEngine = SERIAL[name](width=width, signed=signed)
    serial = np.concatenate([adversarial(LANES, width, signed=signed), drawn(60, LANES, 1, width, signed=signed)])
    for parallel in (drawn(len(serial), LANES, 2), np.full_like(serial, -128), np.zeros_like(serial)):
        made = engine.dots(serial, parallel)
        assert made.products.tolist() == (serial * parallel).sum(axis=1).tolist()
        assert made.steps.tolist() == engine.steps(serial, LANES)[:, 0].tolist()
