"""What is asked of a model: phase, batch and lengths, checked before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from archsim.core.errors import InputError, Problem, nearest, unknown_name
from archsim.core.spelling import brief
from archsim.workloads.routing import ROUTINGS, Routing

RoutingName = Literal["balanced", "uniform"]
LatentForm = Literal["absorbed", "naive"]
Optimizer = Literal["adam", "momentum", "sgd"]
Recompute = Literal["none", "blocks"]

LARGEST_SIZE = 2**31 - 1
"""Sequences or tokens at most."""
REQUEST_KEYS = (
    "phase",
    "batch",
    "context",
    "output_tokens",
    "routing",
    "latent_attention",
    "optimizer",
    "recompute",
)
"""What is asked of a model, by the names that designs use; a trace's rows state their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A phase of a model with its batch and lengths in tokens; None: the model's own default."""

    phase: str | None = None
    batch: int = 1
    context: int | None = None
    """Prompt tokens (prefill, generate, forward) or tokens already cached (decode)."""
    output_tokens: int | None = None
    """Tokens to generate per sequence; only `generate` reads it."""
    routing: Routing | None = None
    """How tokens spread over the experts of a mixture; None: uniformly at random."""
    latent_attention: LatentForm = "absorbed"
    """How multi-head latent attention decodes: on the cached latents, or naively on cached keys and values."""
    optimizer: Optimizer = "adam"
    """Of a training step."""
    recompute: Recompute = "none"
    """Whether a training step keeps the activations within blocks or computes them again."""

    def problems(self) -> list[Problem]:
        """Sizes that no phase accepts, and choices that do not exist."""
        least = 0 if self.phase == "decode" else 1
        checks = (("batch", self.batch, 1), ("context", self.context, least), ("output_tokens", self.output_tokens, 1))
        sizes = [problem for key, value, low in checks if (problem := _bad_size(key, value, low))]
        choices = {
            "latent_attention": (self.latent_attention, get_args(LatentForm)),
            "optimizer": (self.optimizer, get_args(Optimizer)),
            "recompute": (self.recompute, get_args(Recompute)),
        }
        wrong = {key: choice for key, choice in choices.items() if choice[0] not in choice[1]}
        return sizes + [unknown_name(key, str(value), known, key=key) for key, (value, known) in wrong.items()]


def request_of(stated: Mapping[str, Any]) -> Request:
    """The request that plain values spell, `routing` by its name. Raises InputError for a routing that is not known."""
    routing = stated.get("routing")
    if routing is None or not isinstance(routing, str):
        return Request(**stated)
    if routing not in ROUTINGS:
        raise InputError(unknown_name("routing", routing, tuple(ROUTINGS), key="routing"))
    return Request(**{**stated, "routing": ROUTINGS[routing]})


def check_phase(name: str, phase: str, allowed: tuple[str, ...]) -> list[Problem]:
    """The problem of a phase that model `name` does not have, or nothing.

    Whatever runs forward can be trained, so that training is always among the phases named.
    """
    if phase in allowed:
        return []
    allowed = (*allowed, "training")
    near = nearest(phase, allowed)
    hint = f"did you mean {near!r}?" if near else f"allowed: {', '.join(allowed)}"
    return [Problem(key="phase", message=f"{name} has no phase {phase!r}", hint=hint)]


def reject(problems: list[Problem]) -> None:
    """Raise all `problems` as one `InputError`, if there are any."""
    if problems:
        raise InputError(problems)


def _bad_size(key: str, value: int | None, least: int) -> Problem | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        return Problem(key=key, message=f"must be an integer (got {value!r})")
    if value > LARGEST_SIZE:
        return Problem(key=key, message=f"must be at most {LARGEST_SIZE} (got {brief(str(value))})")
    return None if value >= least else Problem(key=key, message=f"must be at least {least} (got {value})")
