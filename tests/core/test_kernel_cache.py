"""Compiled kernels are kept until something they are made of changes, and no longer."""

from __future__ import annotations

import pytest

from archsim.core import kernels


@pytest.fixture
def edited_sim_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `sim/kernels.py` had one more line."""
    read = kernels._imports

    def imports(module: str) -> tuple[bytes, frozenset[str]]:
        text, names = read(module)
        return (text + b"# edited" if module == "archsim.sim.kernels" else text), names

    monkeypatch.setattr(kernels, "_imports", imports)


def hashes() -> dict[str, str]:
    names = ("archsim.sim.kernels", "archsim.mappers.branch_kernels", "archsim.arch.formats.kernels")
    return {name: kernels.source_hash.__wrapped__(name) for name in names}


def test_an_edit_changes_the_hash_of_every_file_that_can_see_it_and_of_no_other(
    request: pytest.FixtureRequest,
) -> None:
    before = hashes()
    request.getfixturevalue("edited_sim_kernels")
    after = hashes()
    assert {name for name in before if before[name] != after[name]} == {
        "archsim.sim.kernels",
        "archsim.mappers.branch_kernels",
    }


def test_kernels_of_different_sources_lie_in_different_folders() -> None:
    assert len(set(hashes().values())) == 3
