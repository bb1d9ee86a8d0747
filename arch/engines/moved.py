"""Weights that move into the places of zeros: how fast a tile of filters goes through its reduction, in closed form.

The reduction is a row of `lanes` weights after another. A filter's lane takes its weight of the present row, else the
first one that its own lane has in the next `lookahead` rows, else one of the next row from the `lookaside` lanes before
it; lanes choose in turn. All filters of a tile move on together, past rows that are empty everywhere. Source: Delmas
Lascorz et al., "Bit-Tactical", ASPLOS 2019 (recalled), as `archsim.sim.bits.tactical` plays it.

A small Markov model. A lane's state says which of its weights in the present row and the `lookahead` - 1 after it are
left: one of 2^lookahead; the row behind them has not been seen. Lanes of a filter, and filters, are taken as
independent given how many steps ago rows were passed over: that number, up to `AGES`, is the chain's state. Nothing is
fitted. Against schedules of random weights the error is below 3 % in the long run (5 % without lookaside), and for
reductions of 9 rows or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from archsim.arch.order import Shares

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
    """A tile's way through its reduction."""

    steps_per_row: float
    """Steps over rows of dense weights in the long run; 1 where nothing moves."""
    head: float
    """Rows that a tile loses once: its first window has not been thinned out, its last step reaches past the end."""
    ages: Reals
    """Share of the steps at each age [ages]."""
    taken: Reals
    """Chance that a filter takes the input at a row and lane in a step [ages, lookahead + 1, lanes]."""

    def steps(self, rows: float) -> float:
        """Steps of a tile of so many rows."""
        return min(max((rows + self.head) * self.steps_per_row, 1.0), max(rows, 1.0))

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
        nothing = np.zeros((AGES, reach.lookahead + 1, lanes))
        return Moved(steps_per_row=0.0, head=0.0, ages=chain.weights, taken=nothing)
    for turn in range(MOST_ROUNDS):
        before = chain.states.copy()
        chain.turn()
        change = np.abs(chain.states - before).max(axis=(1, 2))
        if turn > AGES and float((change * chain.weights).max()) < SETTLED:
            break
    rows = float(chain.weights @ chain.rows)
    past_the_end = float(chain.weights @ chain.pairs_of_rows) / rows
    return Moved(
        steps_per_row=1.0 / rows, head=past_the_end - chain.lead_of_fresh_lanes(), ages=chain.weights, taken=chain.taken
    )


class _Chain:
    """The chain of ages with the lanes' states at each: [ages, lanes, 2^lookahead]."""

    def __init__(self, *, density: float, filters: int, lanes: int, reach: Reach) -> None:
        self.density, self.filters, self.reach = density, filters, reach
        fresh = np.ones(1)
        for _ in range(reach.lookahead):
            fresh = self._with_fresh_row(fresh)
        self.fresh = np.tile(fresh, (1, lanes, 1))
        self.states = np.tile(fresh, (AGES, lanes, 1))
        self.weights = np.full(AGES, 1.0 / AGES)
        self.passed, self.rows, self.pairs_of_rows = np.zeros((3, AGES))
        self.taken = np.zeros((AGES, reach.lookahead + 1, lanes))

    def turn(self) -> None:
        """One step at every age at once."""
        after, self.taken = self._step(self.states)
        self.passed = self._all_empty(after)
        self.weights = _ages(self.passed)
        self.rows, self.pairs_of_rows, entered = self._pass_rows(after, self.passed, self.weights)
        older = _unless_empty(after, self.passed)
        last = self.weights[-2:] * (1.0 - self.passed[-2:])
        self.states[1:] = older[:-1]
        if last.sum() > NEVER:
            self.states[-1] = np.tensordot(last / last.sum(), older[-2:], axes=1)
        if entered is not None:
            self.states[0] = entered

    def lead_of_fresh_lanes(self) -> float:
        """Rows that a tile is ahead for good, against the long run, if no lane has seen the window it begins with."""
        mean = float(self.weights @ self.rows)
        lead = np.zeros(AGES)
        lead[-1] = (self.rows[-1] - mean) / max(float(self.passed[-1]), NEARLY)
        for age in reversed(range(AGES - 1)):
            lead[age] = self.rows[age] - mean + (1.0 - self.passed[age]) * lead[age + 1]
        lead -= float(self.weights @ lead)
        states, found, staying = self.fresh, 0.0, 1.0
        for _ in range(AGES):
            after, _taken = self._step(states)
            passed = self._all_empty(after)
            rows, _pairs, _entered = self._pass_rows(after, passed, np.ones(1))
            found += staying * (float(rows[0]) - mean + float(passed[0]) * float(lead[0]))
            staying *= 1.0 - float(passed[0])
            states = _unless_empty(after, passed)
        return found + staying * float(lead[-1])

    def _step(self, states: Reals) -> tuple[Reals, Reals]:
        """States of the rows behind the present one, after a step of the whole window, and what was `taken`."""
        from archsim.arch.engines.moved_kernels import move_weights

        ages, lanes, _ = states.shape
        after, taken = self._with_fresh_row(states), np.zeros((ages, self.reach.lookahead + 1, lanes))
        move_weights(after, min(self.reach.lookaside, lanes - 1), taken)
        return np.ascontiguousarray(after[..., 0::2]), taken

    def _pass_rows(self, after: Reals, passed: Reals, weights: Reals) -> tuple[Reals, Reals, Reals | None]:
        """Rows R of a step and half of R (R - 1) [ages], and states of lanes that have passed over rows (None: never).

        Expected values; rows that no lane has seen are passed over without end, each with the same chance.
        """
        going, states = passed.copy(), after
        rows, pairs = np.ones_like(passed), np.zeros_like(passed)
        total, weight = np.zeros_like(after[0]), 0.0
        unseen = min((1.0 - self.density) ** (self.filters * after.shape[1]), 1.0 - NEARLY)
        for ahead in range(self.reach.lookahead + 1):
            rows, pairs = rows + going, pairs + (ahead + 1) * going
            states = self._next_row(states)
            empty = self._all_empty(states)
            if ahead == self.reach.lookahead:
                more = unseen / (1.0 - unseen)
                rows, pairs = rows + going * more, pairs + going * more * (ahead + 1 + 1.0 / (1.0 - unseen))
                going = going / (1.0 - unseen)
            stay = weights * going * (1.0 - empty)
            total += np.tensordot(stay, _unless_empty(states, empty), axes=1)
            weight += float(stay.sum())
            going = going * empty
        return rows, pairs, total / weight if weight > NEVER else None

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
