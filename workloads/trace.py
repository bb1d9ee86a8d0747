"""A trace: ops in order, and what the network as a whole needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from archsim.workloads.op import AnyOp


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Ops in order, and what the network as a whole needs.

    `parameters` counts weights once however many ops read them. `kv_elements_per_token` counts keys and values of one
    token over all layers (0 without a cache). `kv_tokens` is how many tokens the cache holds at its fullest, times the
    batch.
    """

    name: str
    ops: tuple[AnyOp, ...]
    parameters: int
    kv_elements_per_token: int = 0
    kv_tokens: int = 0
    output_tokens: int = 0
    """Tokens generated per sequence (0: not a generation)."""
    batch: int = 1
    source: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What an importer could not take over. Not kept in trace files."""

    @property
    def macs(self) -> int:
        return sum(op.macs * op.count for op in self.ops)
