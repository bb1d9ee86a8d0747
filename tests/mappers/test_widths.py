"""What narrower operands are worth on real layers, each width with its own mapping."""

from __future__ import annotations

from itertools import pairwise

import pytest

from archsim.api.map import chosen_work, search
from tests.validation.widths import design, rows


@pytest.mark.parametrize(("machine", "layer"), [("simba", "conv4.dw"), ("simba", "conv10.dw")])
def test_the_least_energy_never_rises_as_widths_shrink(machine: str, layer: str) -> None:
    energies = []
    for bits in (8, 6, 5, 4, 2):
        chosen = design(machine, "mobilenet-v1", bits)
        (work,) = chosen_work(chosen, layer, None)
        found = search(chosen, work.op)
        energies.append(found.cost.total_energy_j)
        assert found.optimal
    assert all(narrow <= wide * (1 + 1e-12) for wide, narrow in pairwise(energies))


@pytest.mark.parametrize("network", ["mobilenet-v1", "mobilenet-v2"])
def test_widths_by_layer_save_what_the_published_study_saves(network: str) -> None:
    """Klhufek et al., arXiv:2404.05368: up to 37 % against uniform 8 bits."""
    wide, mixed = rows("simba", network, (8,), words=False)
    assert 0.25 < 1 - mixed.searched / wide.searched < 0.5
    assert mixed.searched <= mixed.same_mappings * (1 + 1e-12)
