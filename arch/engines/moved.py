"""Weights that move into the places of zeros: how fast a tile of filters goes through its reduction, in closed form.

The reduction is a row of `lanes` weights after another. A filter's lane takes its weight of the present row, else the
first one that its own lane has in the next `lookahead` rows, else one of the next row from the `lookaside` lanes before
it; lanes choose in turn. All filters of a tile move on together, past rows that are empty everywhere. Source: Delmas
Lascorz et al., "Bit-Tactical", ASPLOS 2019 (recalled), as `archsim.sim.bits.tactical` plays it.

A small Markov model. A lane's state says which of its weights in the present row and the `lookahead` - 1 after it are
left: one of 2^lookahead; the row behind them has not been seen. Lanes of a filter, and filters, are taken as
independent given how many steps ago rows were passed over: that number, up to `AGES`, is the chain's state. Nothing is
fitted. Against schedules of random weights the error is below 3 % (5 % without lookaside).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.arch.engines.order import Shares

Reals = NDArray[np.float64]

AGES = 24
"""Steps since rows were last passed over that are told apart."""
MOST_ROUNDS = 400
SETTLED = 5e-5
"""Change of the chance of any state between two rounds, by its age's share, at which the chain has settled."""
NEVER, NEARLY = 1e-300, 1e-12
"""What chances are kept above, that something is divided by; and how near to 1 they may come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where lanes find weights."""

    lookahead: int
    lookaside: int

    def __post_init__(self) -> None:
        for name, value, least in (("lookahead", self.lookahead, 1), ("lookaside", self.lookaside, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least} (got {value})")

    @property
    def ways(self) -> int:
        """Weights that a lane picks from: its own, those ahead, those aside."""
        return 1 + self.lookahead + self.lookaside


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """A tile's way through its reduction, in the long run."""

    steps_per_row: float
    """Steps over rows of dense weights; 1 where nothing moves."""
    ages: Reals
    """Share of the steps at each age [ages]."""
    taken: Reals
    """Chance that a filter takes the input at a row and lane in a step [ages, lookahead + 1, lanes]."""

    def cycles_per_step(self, terms: Shares, filters: int, windows: int) -> float:
        """Expected cycles of a step that waits for the largest input that any filter takes, in any window.

        `terms` is the distribution of one input's cycles; a step takes one at least.
        """
        anywhere = 1.0 - (1.0 - self.taken) ** filters
        below = np.minimum(np.cumsum(terms), 1.0)[:-1] ** windows
        chance = np.prod(1.0 - anywhere[..., None] * (1.0 - below), axis=(1, 2))
        chance[:, :1] = 0.0
        return float(self.ages @ (1.0 - chance).sum(axis=1))


def moved(density: float, filters: int, lanes: int, reach: Reach) -> Moved:
    """What becomes of weights of which a share `density` is not zero, apart from each other.

    >>> moved(1.0, 16, 16, Reach(lookahead=2, lookaside=5)).steps_per_row
    1.0
    >>> round(moved(0.3, 16, 16, Reach(lookahead=2, lookaside=5)).steps_per_row, 2)  # played: 0.56
    0.55
    """
    return _moved(float(f"{density:.3g}"), filters, lanes, reach)


@lru_cache(maxsize=1024)
def _moved(density: float, filters: int, lanes: int, reach: Reach) -> Moved:
    chain = _Chain(density=density, filters=filters, lanes=lanes, reach=reach)
    if density <= 0.0:  # every row is passed over; a tile takes one step
        return Moved(steps_per_row=0.0, ages=chain.weights, taken=np.zeros((AGES, reach.lookahead + 1, lanes)))
    rows = 1.0
    for turn in range(MOST_ROUNDS):
        before = chain.states.copy()
        rows = chain.turn()
        change = np.abs(chain.states - before).max(axis=(1, 2))
        if turn > AGES and float((change * chain.weights).max()) < SETTLED:
            break
    return Moved(steps_per_row=1.0 / rows, ages=chain.weights, taken=chain.taken)


class _Chain:
    """The chain of ages with the lanes' states at each: [ages, lanes, 2^lookahead]."""

    def __init__(self, *, density: float, filters: int, lanes: int, reach: Reach) -> None:
        self.density, self.filters, self.reach = density, filters, reach
        fresh = np.ones(1)
        for _ in range(reach.lookahead):
            fresh = self._with_fresh_row(fresh)
        self.states = np.tile(fresh, (AGES, lanes, 1))
        self.weights = np.full(AGES, 1.0 / AGES)
        self.taken = np.zeros((AGES, reach.lookahead + 1, lanes))

    def turn(self) -> float:
        """One step at every age at once; returns the rows that a step moves on by."""
        after = self._step(self._with_fresh_row(self.states))
        passed = self._all_empty(after)
        self.weights = _ages(passed)
        entered, rows = self._pass_rows(after, passed)
        older = _unless_empty(after, passed)
        last = self.weights[-2] * (1.0 - passed[-2]), self.weights[-1] * (1.0 - passed[-1])
        self.states[1:] = older[:-1]
        if sum(last) > NEVER:
            self.states[-1] = (last[0] * older[-2] + last[1] * older[-1]) / sum(last)
        if entered is not None:
            self.states[0] = entered
        return rows

    def _step(self, before: Reals) -> Reals:
        """States of the rows behind the present one, after a step of the whole window; sets `taken`."""
        from archsim.arch.engines.moved_kernels import move_weights

        self.taken = np.zeros_like(self.taken)
        after = np.ascontiguousarray(before)
        move_weights(after, min(self.reach.lookaside, before.shape[1] - 1), self.taken)
        return np.ascontiguousarray(after[..., 0::2])

    def _pass_rows(self, after: Reals, passed: Reals) -> tuple[Reals | None, float]:
        """States of lanes that have passed over rows (None: they never do), and the rows of a step."""
        going, states, rows = self.weights * passed, after, 1.0
        total, weight = np.zeros_like(after[0]), 0.0
        unseen = (1.0 - self.density) ** (self.filters * after.shape[1])
        for ahead in range(self.reach.lookahead + 1):
            rows += float(going.sum())
            states = self._next_row(states)
            empty = self._all_empty(states)
            if ahead == self.reach.lookahead:  # only rows that no lane has seen are left
                rows += float(going.sum()) * unseen / (1.0 - unseen)
                going = going / (1.0 - unseen)
            stay = going * (1.0 - empty)
            total += np.tensordot(stay, _unless_empty(states, empty), axes=1)
            weight += float(stay.sum())
            going = going * empty
        return (total / weight, rows) if weight > NEVER else (None, rows)

    def _next_row(self, states: Reals) -> Reals:
        """States one row on, given that the present one is empty."""
        left = states[..., 0::2]
        return self._with_fresh_row(left / np.maximum(left.sum(axis=-1, keepdims=True), NEVER))

    def _with_fresh_row(self, states: Reals) -> Reals:
        found: Reals = np.concatenate([states * (1.0 - self.density), states * self.density], axis=-1)
        return found

    def _all_empty(self, states: Reals) -> Reals:
        """Chance that the present row is empty in all lanes of all filters [ages]."""
        empty = np.maximum(states[..., 0::2].sum(axis=-1), NEVER)
        found: Reals = np.minimum(np.exp(self.filters * np.log(empty).sum(axis=1)), 1.0 - NEARLY)
        return found


def _unless_empty(states: Reals, empty: Reals) -> Reals:
    """Lanes' states given that the present row is not empty everywhere, which it is with chance `empty` [ages]."""
    found = states.copy()
    own = np.maximum(states[..., 0::2].sum(axis=-1), NEVER)
    rest = np.maximum(1.0 - empty, NEARLY)[:, None]
    found[..., 0::2] *= (np.maximum(own - empty[:, None], 0.0) / rest / own)[..., None]
    found[..., 1::2] /= rest[..., None]
    found /= np.maximum(found.sum(axis=-1, keepdims=True), NEVER)
    return found


def _ages(passed: Reals) -> Reals:
    """Share of the steps at each age, where steps of an age pass over rows, and begin anew, with these chances."""
    lasting = np.cumprod(np.concatenate([[1.0], 1.0 - passed[:-1]]))
    lasting[-1] /= max(float(passed[-1]), NEARLY)
    found: Reals = lasting / lasting.sum()
    return found
