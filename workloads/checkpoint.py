"""A checkpoint as a trace: the ops of the config.json beside its weights, which must be the config's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archsim.core.errors import InputError, Problem
from archsim.workloads.huggingface import read_network
from archsim.workloads.request import Request
from archsim.workloads.safetensors import StoredTensor, stored_tensors
from archsim.workloads.trace import Trace
from archsim.workloads.weights import CONFIG, Weights, config_beside, match_weights

LISTED = 8
"""Names that a message lists at most."""


class NoNetworkError(InputError):
    """Weights without a description of the network they belong to; `tensors` are what there is."""

    def __init__(self, path: Path, tensors: tuple[StoredTensor, ...]) -> None:
        self.tensors = tensors
        elements = sum(tensor.elements for tensor in tensors)
        message = f"holds {len(tensors):,} tensors of {elements:,} elements, but not how the network uses them"
        hint = f"put the model's {CONFIG} beside it: tensors say neither the order of ops nor their rows"
        super().__init__(Problem(file=str(path), message=message, hint=hint))


def checkpoint_trace(path: Path, request: Request | None = None) -> Trace:
    """The trace of the config.json beside the weights (a file, an index or a folder), whose shapes are compared.

    What the two do not share is said in the trace's `source`. Raises NoNetworkError
    without a config.json, InputError for damaged files and for tensors that do not fit their op.
    """
    tensors = stored_tensors(path)
    config = config_beside(path)
    if config is None:
        raise NoNetworkError(path, tensors)
    network = read_network(config)
    trace = network.trace(request or Request())
    weights = match_weights(tensors, network.trace(Request()))
    return replace(trace, source=f"{trace.source}; {_source(weights)}")


def _source(weights: Weights) -> str:
    dtypes = ", ".join(sorted({share.tensor.dtype for share in weights.matched}))
    ops = len({share.op for share in weights.matched})
    text = f"weights of {ops:,} ops in {dtypes}" if ops else "weights of no op"
    if weights.missing:
        text += f"; without weights: {_listed(weights.missing)}"
    matrices = {tensor.name for tensor in weights.tensors if len(tensor.shape) > 1}
    others = tuple(name for name in weights.unmatched if name in matrices)
    return f"{text}; tensors of no op: {_listed(others)}" if others else text


def _listed(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + rest
