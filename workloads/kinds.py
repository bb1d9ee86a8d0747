"""The kinds of network that the catalog knows: for each `kind` of a catalog file, the module that builds its traces.

Such a module has a function ``network(name, table) -> Network`` that reads a catalog file's tables. Only the module of
the network asked for is imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from archsim.workloads.request import Request
from archsim.workloads.trace import Trace

Config = TypeVar("Config")

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "convnet": "archsim.workloads.convnets",
        "diffusion": "archsim.workloads.diffusion",
        "encoder-decoder": "archsim.workloads.encoder_decoder",
        "mamba": "archsim.workloads.mamba",
        "transformer": "archsim.workloads.transformer",
    }
)
"""Module by kind, in the order of the alphabet."""


TRAINING = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Generic[Config]):
    """The hyper-parameters of one network, and the function that builds its traces (of all phases but training)."""

    config: Config
    build: Callable[[Config, Request], Trace]

    def trace(self, request: Request) -> Trace:
        """The trace of what is asked for; a training step is made from the forward pass.

        Raises InputError for a phase that the network does not have and for sizes below 1.
        """
        if request.phase != TRAINING:
            return self.build(self.config, request)
        from archsim.workloads.training import training_trace

        forward = self.build(self.config, replace(request, phase="forward"))
        return training_trace(forward, optimizer=request.optimizer, recompute=request.recompute)


def read_network(name: str, table: Mapping[str, Any]) -> Network[Any]:
    """The network that a catalog file describes."""
    read: Callable[[str, Mapping[str, Any]], Network[Any]] = importlib.import_module(KINDS[table["kind"]]).network
    return read(name, table)
