"""Random tensors with the shapes of distribution that weights and activations have: what formats are compared on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.core.errors import InputError, Problem, unknown_name

VECTOR_LENGTH = 1024
"""Elements of one vector, the last axis of a sample. Source: estimate: the hidden dimension of a small transformer."""
MAX_ELEMENTS = 1_000_000_000
"""Most elements of a tensor that is drawn or read: 8 GB in float64."""
DEGREES_OF_FREEDOM = 5.0
"""Of Student's t. Source: Dotzel et al., "Learning from Students", ICML 2024: nu about 5 fits weights and activations
of most large language models."""
OUTLIER_FRACTION = 0.001
"""Share of the hidden dimensions that are outliers. Source: Dettmers et al., "LLM.int8()", NeurIPS 2022: 0.1 %."""
OUTLIER_FACTOR = 20.0
"""How much larger they are. Source: Dettmers et al., "LLM.int8()", NeurIPS 2022: up to 20 times."""

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A distribution of tensor elements; `draw` gives vectors along the last axis."""

    name: str
    about: str
    draw: Draw


def sample(name: str, elements: int, seed: int = 0) -> Array:
    """Vectors from the distribution `name`, at least `elements` numbers: whole vectors of 1,024, or one shorter one.

    The same name, number and seed give the same values, whatever else is drawn. Raises InputError for an unknown name
    and for numbers out of range.

    >>> sample("gaussian", 2000).shape, sample("laplace", 3).shape
    ((2, 1024), (1, 3))
    """
    problems = [] if name in DISTRIBUTIONS else [unknown_name("distribution", name, DISTRIBUTIONS)]
    if not 1 <= elements <= MAX_ELEMENTS:
        problems.append(Problem(key="elements", message=f"must be 1 to {MAX_ELEMENTS:,} (got {elements})"))
    if seed < 0:
        problems.append(Problem(key="seed", message=f"must be at least 0 (got {seed})"))
    if problems:
        raise InputError(problems)
    length = min(elements, VECTOR_LENGTH)
    generator = np.random.Generator(np.random.PCG64([seed, *name.encode()]))
    return DISTRIBUTIONS[name].draw(generator, (-(-elements // length), length))


def _gaussian(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    return generator.standard_normal(shape)


def _laplace(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    return generator.laplace(size=shape)


def _student_t(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    values = generator.standard_t(DEGREES_OF_FREEDOM, size=shape)
    outliers = generator.choice(shape[1], size=round(OUTLIER_FRACTION * shape[1]), replace=False)
    values[:, outliers] *= OUTLIER_FACTOR
    return values


def _variance(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    deviations = np.abs(generator.standard_normal((shape[0], 1)))
    return generator.standard_normal(shape) * deviations


def _uniform(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    return generator.uniform(-1.0, 1.0, size=shape)


DISTRIBUTIONS = {
    item.name: item
    for item in (
        Distribution(name="gaussian", about="normal, mean 0, deviation 1", draw=_gaussian),
        Distribution(name="laplace", about="Laplace, mean 0, scale 1", draw=_laplace),
        Distribution(
            name="student-t",
            about="Student's t with 5 degrees of freedom; 0.1 % of the positions in every vector 20 times larger",
            draw=_student_t,
        ),
        Distribution(
            name="variance",
            about="normal, each vector with a deviation of its own: the magnitude of a normal number",
            draw=_variance,
        ),
        Distribution(name="uniform", about="uniform from -1 to 1", draw=_uniform),
    )
}
"""By name. `variance` is the data of Rouhani et al., "With Shared Microexponents, A Little Shifting Goes a Long Way",
ISCA 2023, section 3."""
