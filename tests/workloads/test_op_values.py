"""Ops are values: they pickle, hash, compare, and cannot be changed."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest

from archsim.arch.formats import format
from archsim.workloads.models import model
from archsim.workloads.op import Op
from archsim.workloads.sizes import Sizes

INT8 = format("int8")
CONV = Op.conv("c", k=4, c=2, p=5, q=6, r=3, s=3).with_formats(inputs=INT8, weights=INT8, outputs=INT8)


@pytest.mark.parametrize("name", ["llama-2-7b", "mobilenet-v2"])
def test_a_trace_comes_back_from_another_process_equal(name: str) -> None:
    trace = model(name)
    back = pickle.loads(pickle.dumps(trace))
    assert back == trace
    assert hash(back) == hash(trace)


def test_an_op_keeps_the_order_of_its_loops() -> None:
    back = pickle.loads(pickle.dumps(CONV))
    assert list(back.loops.items()) == list(CONV.loops.items())
    assert copy.deepcopy(CONV) == CONV


def test_equal_ops_are_one_key() -> None:
    assert len({CONV, replace(CONV), replace(CONV, name="d")}) == 2


def test_a_copy_shares_its_sizes() -> None:
    assert replace(CONV, name="d").loops is CONV.loops


@pytest.mark.parametrize(
    "change",
    [
        lambda sizes: sizes.update(k=1),
        lambda sizes: sizes.pop("k"),
        lambda sizes: sizes.clear(),
        lambda sizes: sizes.setdefault("z", 1),
        lambda sizes: sizes.__setitem__("k", 1),
        lambda sizes: sizes.__delitem__("k"),
        lambda sizes: sizes.__ior__({"k": 1}),
    ],
)
def test_sizes_cannot_change(change) -> None:
    with pytest.raises(TypeError, match="cannot change"):
        change(CONV.loops)
    assert CONV.loops["k"] == 4


def test_sizes_equal_any_mapping_with_the_same_items() -> None:
    assert Sizes({"m": 1, "n": 2}) == {"n": 2, "m": 1}
    assert hash(Sizes({"m": 1, "n": 2})) == hash(Sizes({"n": 2, "m": 1}))
