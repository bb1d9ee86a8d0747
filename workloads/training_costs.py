"""What a training step's vector operations cost, from `training.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from archsim.workloads.op import VectorOp

_FILE = Path(__file__).with_name("training.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Lane operations and elements read for one element; factors and additions are to the forward operation's."""

    source: str
    operations: float = 0
    reads: float = 0
    operations_factor: float = 0
    reads_added: float = 0
    values: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCosts:
    """The table: backward costs by kind of vector operation, the loss, sums of gradients, optimizers."""

    kinds: Mapping[str, Cost]
    loss: Cost
    sum: Cost
    optimizers: Mapping[str, Cost]

    def backward(self, op: VectorOp) -> tuple[float, float]:
        """Operations and reads for one element of the gradient of a vector operation."""
        cost = self.kinds[op.kind]
        operations = cost.operations + cost.operations_factor * op.operations_per_element
        reads = cost.reads if cost.reads else op.reads_per_element + cost.reads_added
        return operations, reads


@cache
def training_costs() -> TrainingCosts:
    """The table of `training.toml`."""
    table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return TrainingCosts(
        kinds=MappingProxyType({kind: Cost(**entry) for kind, entry in table["backward"].items()}),
        loss=Cost(**table["loss"]),
        sum=Cost(**table["sum"]),
        optimizers=MappingProxyType({name: Cost(**entry) for name, entry in table["optimizer"].items()}),
    )
