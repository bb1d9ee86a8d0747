"""The model catalog: traces by name. Each model is one TOML file, and only the one asked for is read."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from archsim.core.errors import InputError, unknown_name
from archsim.workloads.kinds import Network, read_network
from archsim.workloads.request import LatentForm, Optimizer, Recompute, Request
from archsim.workloads.routing import Routing
from archsim.workloads.trace import Trace

_FOLDER = Path(__file__).with_name("catalog")
_ALIASES = "_aliases.toml"


def model(
    name: str,
    *,
    phase: str | None = None,
    batch: int = 1,
    context: int | None = None,
    output_tokens: int | None = None,
    routing: Routing | None = None,
    latent_attention: LatentForm = "absorbed",
    optimizer: Optimizer = "adam",
    recompute: Recompute = "none",
) -> Trace:
    """The trace of a catalog model.

    `phase` is prefill, decode, generate, forward or training (default: prefill for decoders, forward for the others);
    `context` counts prompt tokens, or for decode tokens already cached (default: the model's full context);
    `output_tokens` is read by generate only. `routing` says how tokens spread over experts (default: uniformly at
    random), `latent_attention` how latent attention decodes; `optimizer` and `recompute` are for training.
    Raises InputError for an unknown name, a phase the model lacks and sizes below 1.
    """
    request = Request(
        phase=phase,
        batch=batch,
        context=context,
        output_tokens=output_tokens,
        routing=routing,
        latent_attention=latent_attention,
        optimizer=optimizer,
        recompute=recompute,
    )
    return model_network(name).trace(request)


@cache
def model_names() -> tuple[str, ...]:
    """Names of the catalog models, sorted, without aliases. Reads no file."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("[!_]*.toml")))


def model_config(name: str) -> Any:
    """The hyper-parameters of a catalog model: the configuration class of its kind.

    Raises InputError with the nearest name for an unknown one.
    """
    return model_network(name).config


def model_network(name: str) -> Network[Any]:
    """A catalog model, ready to be asked for traces. Raises InputError with the nearest name for an unknown one."""
    return _load(_canonical(name))


def _canonical(name: str) -> str:
    lower = name.lower()
    if lower in model_names():
        return lower
    aliases: dict[str, str] = _table(_FOLDER / _ALIASES)
    if lower in aliases:
        return aliases[lower]
    raise InputError(unknown_name("model", name, {*model_names(), *aliases}, key="model"))


@cache
def _load(name: str) -> Network[Any]:
    return read_network(name, _table(_FOLDER / f"{name}.toml"))


def _table(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
