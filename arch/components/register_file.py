"""Register files of flip-flops: words with an enable each, and a multiplexer tree for every read port."""

from __future__ import annotations

import math
from functools import lru_cache

from archsim.arch.components.cost import MemoryCost
from archsim.arch.components.gates import Circuit, gates, register, selector
from archsim.arch.components.logic import circuit_cost, logic_estimates
from archsim.core.errors import InputError, Problem

UM2_PER_MM2 = 1e6


@lru_cache(maxsize=512)
def register_file_cost(words: int, bits: int, node_nm: float, *, read_ports: int = 1) -> MemoryCost:
    """Energy per bit read and written, area and leakage of `words` x `bits` flip-flops with one write port.

    A write clocks one word, the others are gated; a read switches the levels of one multiplexer tree, half the tree's
    inputs staying as they are. Raises InputError for what is not a register file.
    """
    if words < 1 or bits < 1 or read_ports < 1:
        message = f"a register file has at least 1 word, bit and read port (got {words}, {bits}, {read_ports})"
        raise InputError(Problem(message=message))
    trees = selector(bits, words) * read_ports
    decoder = gates(words * max(math.ceil(math.log2(words)), 1) if words > 1 else 0)
    whole = register(words * bits, enable=True) + trees + decoder
    cost = circuit_cost(whole, node_nm)
    read = Circuit(logic_ge=selector(bits, words).logic_ge / 2 + decoder.logic_ge)
    write = register(bits, enable=True) + decoder
    return MemoryCost(
        read_pj_per_bit=circuit_cost(read, node_nm).energy_pj / bits,
        write_pj_per_bit=circuit_cost(write, node_nm).energy_pj / bits,
        area_mm2=(cost.area_um2 or 0.0) / UM2_PER_MM2,
        leakage_w=cost.leakage_w,
        source=cost.source,
        estimates=logic_estimates(node_nm),
    )
