"""Both operands serial: the expected steps of groups whose inputs and weights all meet."""

from __future__ import annotations

import numpy as np

from archsim.arch.engines.order import Shares, largest, mean


def of_products(inputs: Shares, weights: Shares, per_step: int = 1) -> Shares:
    """The distribution of ceil(a / per_step) x b of independent draws a of `inputs` and b of `weights`."""
    found = np.zeros(-(-(inputs.size - 1) // per_step) * (weights.size - 1) + 1)
    for terms, share in enumerate(inputs):
        steps = -(-terms // per_step)
        if steps:
            found[: steps * (weights.size - 1) + 1 : steps] += share * weights
        else:
            found[0] += share
    return found


def expected_by_group(inputs: Shares, weights: Shares, columns: int, rows: int, per_step: int = 1) -> float:
    """Steps of a tile in which every lane takes as long as the widest input and the widest weight.

    `inputs` and `weights` are distributions of one group's widest operand; `columns` and `rows` groups step together.
    """
    return mean(of_products(largest(inputs, columns), largest(weights, rows), per_step))


def expected_by_lane(inputs: Shares, weights: Shares, columns: int, rows: int, lanes: int, per_step: int = 1) -> float:
    """Steps of a tile that waits for its slowest lane, at least 1: the largest of `lanes` products.

    `inputs` and `weights` are distributions of single operands' terms; a lane's inputs are `columns`, its weights `rows`.
    """
    products = of_products(largest(inputs, columns), largest(weights, rows), per_step)
    found = largest(products, lanes)
    return mean(found) + float(found[0])
