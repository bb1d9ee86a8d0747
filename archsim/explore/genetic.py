"""NSGA-II and NSGA-III of pymoo over integer genes, asked for points and told what they gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from archsim.core.errors import InputError, Problem
from archsim.explore.archive import Archive, Outcomes, evenly
from archsim.explore.neighbours import Genes

Algorithm = Literal["nsga2", "nsga3"]
Canonical = Callable[[Genes], Genes]

CROSSOVER_PROBABILITY = 0.9
"""Of a pair of parents. Source: Deb et al., "NSGA-II", 2002, sec. IV."""
DISTRIBUTION_INDEX = 3.0
"""Of simulated binary crossover and polynomial mutation: small, so that steps of several values are common. Source:
estimate: axes have few values; Deb et al. take 20 for real numbers."""
MATINGS = 10
"""Times that parents are mated anew for offspring that are not yet known."""


class Genetic:
    """One run of the algorithm; every step is determined by the seed and what it was told."""

    def __init__(
        self,
        cardinalities: Sequence[int],
        first: tuple[Genes, Outcomes],
        *,
        objectives: int,
        offspring: int,
        seed: int,
        algorithm: Algorithm,
        archive: Archive,
        canonical: Canonical,
    ) -> None:
        try:
            from pymoo.core.problem import Problem as Space
        except ImportError:
            message, hint = "evolutionary search needs pymoo", "pip install 'archsim[search]'"
            raise InputError(Problem(message=message, hint=hint)) from None
        highest = np.array(cardinalities, float) - 1
        space = Space(n_var=len(highest), n_obj=objectives, n_ieq_constr=1, xl=np.zeros(len(highest)), xu=highest)
        self._canonical = canonical
        genes, outcomes = first
        settings = _operators(len(highest)) | {"pop_size": len(genes), "n_offsprings": offspring}
        settings["sampling"] = genes.astype(float)
        settings["eliminate_duplicates"] = _unknown(archive, canonical, lambda: bool(self._run.is_initialized))
        self._run: Any = _algorithm(algorithm, objectives, settings)
        self._run.setup(space, termination=("n_gen", math.inf), seed=seed)
        self._run.ask()
        self.tell(genes, outcomes)

    def ask(self) -> Genes:
        """Genes of the next generation, (N, D); empty when it has nothing new."""
        offspring = self._run.ask()
        if offspring is None or not len(offspring):
            return np.empty((0, self._run.problem.n_var), np.int64)
        return self._canonical(_integers(offspring))

    def tell(self, genes: Genes, outcomes: Outcomes) -> None:
        """What points gave, those it asked for and others; they compete with the population for their place in it."""
        from pymoo.core.population import Population

        missed = outcomes.total_violations
        scaled = np.nan_to_num(evenly(outcomes.objectives))
        told = Population.new(X=genes.astype(float), F=scaled, G=missed[:, None], H=np.empty((len(genes), 0)))
        for individual in told:
            individual.evaluated.update(("F", "G", "H"))
        self._run.tell(infills=told)


def _algorithm(name: Algorithm, objectives: int, settings: dict[str, Any]) -> Any:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.util.ref_dirs import get_reference_directions

    if name == "nsga2" or objectives == 1:
        return NSGA2(**settings)
    partitions = 1
    while math.comb(partitions + objectives, objectives - 1) <= settings["pop_size"]:
        partitions += 1
    return NSGA3(ref_dirs=get_reference_directions("das-dennis", objectives, n_partitions=partitions), **settings)


def _operators(width: int) -> dict[str, Any]:
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair

    shared: dict[str, Any] = {
        "prob": CROSSOVER_PROBABILITY,
        "eta": DISTRIBUTION_INDEX,
        "repair": RoundingRepair(),
    }
    return {"crossover": SBX(**shared), "mutation": PM(prob_var=1 / width, **shared)}


def _integers(population: Any) -> Genes:
    genes: Genes = np.asarray(population.get("X"), float).round().astype(np.int64)
    return genes


def _unknown(archive: Archive, canonical: Canonical, begun: Callable[[], bool]) -> Any:
    """pymoo's filter of offspring: those stay that are neither evaluated nor in the generation already.

    It lets the first population through, which is evaluated.
    """
    from pymoo.core.duplicate import DuplicateElimination

    class Unknown(DuplicateElimination):  # type: ignore[misc]  # pymoo has no types
        def _do(self, pop: Any, other: Any, is_duplicate: Any) -> Any:
            if not begun():
                return is_duplicate
            seen = set() if other is None else {tuple(row) for row in canonical(_integers(other)).tolist()}
            for place, row in enumerate(canonical(_integers(pop)).tolist()):
                gene = tuple(row)
                is_duplicate[place] |= gene in seen or gene in archive
                if other is None:
                    seen.add(gene)
            return is_duplicate

    return Unknown()
