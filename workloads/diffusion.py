"""Diffusion transformers as traces: one denoising step, without the text encoder and the autoencoder around it.

Three families: DiT (class-conditional images), FLUX (double and single streams of text and image tokens), Wan (video
tokens that cross-attend to text). Guidance that runs the network twice per step is a batch of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from archsim.workloads.convnets import check_image_request
from archsim.workloads.kinds import Network
from archsim.workloads.request import Request
from archsim.workloads.trace import Trace
from archsim.workloads.vision.dit import dit
from archsim.workloads.vision.flux import flux
from archsim.workloads.vision.latents import DiffusionConfig
from archsim.workloads.vision.net import Net
from archsim.workloads.vision.wan import wan


def network(name: str, table: Mapping[str, Any]) -> Network[DiffusionConfig]:
    """The network in the tables of a catalog file: `source` and `config`."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table["config"].items()
    }
    config = DiffusionConfig(name=name, source=table["source"], **values)
    return Network(config=config, build=diffusion_trace)


def diffusion_trace(config: DiffusionConfig, request: Request) -> Trace:
    """One denoising step on `batch` latents.

    Raises InputError for phases other than forward and for token counts, which follow from the latent's size.
    """
    check_image_request(config.name, request)
    net = Net(batch=request.batch)
    _FAMILIES[config.family](net, config)
    return Trace(
        name=config.name,
        ops=tuple(net.ops),
        parameters=net.parameters,
        batch=request.batch,
        source=config.source,
    )


_FAMILIES: Mapping[str, Callable[[Net, DiffusionConfig], None]] = MappingProxyType(
    {"dit": dit, "flux": flux, "wan": wan}
)
