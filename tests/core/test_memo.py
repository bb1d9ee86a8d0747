from __future__ import annotations

from archsim.core.memo import ByIdentity, Memo, Same


def test_a_value_is_made_once() -> None:
    memo: Memo[int] = Memo(most_bytes=10, size_of=lambda value: 1)
    made: list[int] = []

    def make() -> int:
        made.append(len(made) + 1)
        return made[-1]

    assert [memo.get(key, make) for key in "abab"] == [1, 2, 1, 2]
    assert made == [1, 2]


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    memo: Memo[str] = Memo(most_bytes=6, size_of=len)
    memo.get("a", lambda: "aa")
    memo.get("b", lambda: "bbb")
    memo.get("a", lambda: "")
    memo.get("c", lambda: "cccc")
    assert memo.get("a", lambda: "gone") == "aa"
    assert memo.get("b", lambda: "gone") == "gone"


def test_a_value_that_is_too_large_is_given_and_not_kept() -> None:
    memo: Memo[str] = Memo(most_bytes=2, size_of=len)
    assert memo.get("a", lambda: "aaa") == "aaa"
    assert len(memo) == 0


def test_the_same_object_is_a_key_and_an_equal_one_another() -> None:
    first, equal = [1], [1]
    assert {Same(first): "first", Same(equal): "second"} == {Same(first): "first", Same(equal): "second"}
    assert Same(first) == Same(first)
    assert Same(first) != Same(equal)


def test_values_by_identity_are_those_of_these_very_objects() -> None:
    memo: ByIdentity[str] = ByIdentity(9)
    first, equal = [1], [1]
    assert memo.get((first,), "a", lambda: "first") == "first"
    assert memo.get((equal,), "a", lambda: "equal") == "equal"
    assert memo.get((first,), "b", lambda: "other") == "other"
    assert memo.get((first,), "a", lambda: "again") == "first"


def test_objects_of_kept_values_stay_so_that_no_other_takes_their_place() -> None:
    memo: ByIdentity[int] = ByIdentity(1000)
    assert [memo.get(([i],), None, lambda i=i: i) for i in range(500)] == list(range(500))


def test_when_values_by_identity_are_too_many_all_go() -> None:
    memo: ByIdentity[str] = ByIdentity(6, len)
    one, two, three = [1], [2], [3]
    for item, value in ((one, "aa"), (two, "bbb"), (three, "cc")):
        memo.get((item,), None, lambda value=value: value)
    assert len(memo) == 1
    assert memo.get((three,), None, lambda: "again") == "cc"
    assert memo.get((one,), None, lambda: "again") == "again"
