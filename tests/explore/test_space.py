"""The space numbers every different point once."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.explore.axes import Axis
from archsim.explore.space import Space

CONDITIONAL = Space(
    (
        Axis(key="late", values=(7, 8), when=(("inner", (6,)),)),
        Axis(key="a", values=(1, 2, 3)),
        Axis(key="kind", values=("x", "y")),
        Axis(key="inner", values=(5, 6), when=(("kind", ("y",)),)),
        Axis(key="like", values=(10, 20, 30), link="a"),
    )
)


def test_a_grid_has_every_combination_the_last_axis_fastest() -> None:
    space = Space((Axis(key="a", values=(1, 2)), Axis(key="b", values=("x", "y", "z"))))
    points = [dict(space.grid(index).values) for index in range(space.size)]
    assert points == [{"a": a, "b": b} for a, b in itertools.product((1, 2), "xyz")]


def test_linked_axes_follow_position_by_position() -> None:
    assert CONDITIONAL.cardinalities == (2, 3, 2, 2)
    for index in range(CONDITIONAL.size):
        values = dict(CONDITIONAL.grid(index).values)
        assert values["like"] == {1: 10, 2: 20, 3: 30}[values["a"]]


def test_conditional_axes_count_only_where_they_exist() -> None:
    assert CONDITIONAL.size == 3 * (1 + (1 + 2))
    for index in range(CONDITIONAL.size):
        values = dict(CONDITIONAL.grid(index).values)
        assert ("inner" in values) == (values["kind"] == "y")
        assert ("late" in values) == (values.get("inner") == 6)


def test_each_point_of_a_conditional_grid_differs() -> None:
    points = [CONDITIONAL.grid(index) for index in range(CONDITIONAL.size)]
    assert len({point.genes for point in points}) == CONDITIONAL.size
    assert [point.index for point in points] == list(range(CONDITIONAL.size))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.data())
def test_genes_and_places_say_the_same(sizes: list[int], data: st.DataObject) -> None:
    axes = tuple(Axis(key=f"k{i}", values=tuple(range(size))) for i, size in enumerate(sizes))
    space = Space(axes)
    index = data.draw(st.integers(0, space.size - 1))
    point = space.grid(index)
    assert space.point(point.genes, index) == point
    assert point.genes == tuple(value for _, value in point.values)


@given(st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)))
def test_genes_of_axes_that_do_not_exist_have_one_spelling(genes: tuple[int, ...]) -> None:
    point = CONDITIONAL.point(genes)
    assert CONDITIONAL.point(point.genes) == point
    assert point.genes in {CONDITIONAL.grid(index).genes for index in range(CONDITIONAL.size)}


def test_places_outside_are_refused() -> None:
    with pytest.raises(IndexError, match="has 12 points"):
        CONDITIONAL.grid(12)


def test_large_spaces_are_numbered_without_being_listed() -> None:
    space = Space(tuple(Axis(key=f"k{i}", values=tuple(range(10))) for i in range(30)))
    assert space.size == 10**30
    assert space.grid(10**30 - 1).genes == (9,) * 30


def test_a_space_travels_without_what_it_has_worked_out() -> None:
    assert CONDITIONAL.size
    copy = pickle.loads(pickle.dumps(CONDITIONAL))
    assert copy == CONDITIONAL
    assert set(vars(copy)) == {"axes"}
