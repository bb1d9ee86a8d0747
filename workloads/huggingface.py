"""Hugging Face `config.json` as a trace: the architectures' keys mapped to a `TransformerConfig`.

Keys that a file leaves out take the value that the architecture's configuration class documents for them; sizes that
decide the cost must be there. Source: configuration classes of Hugging Face Transformers 4.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archsim.core.errors import InputError, Problem, unknown_name
from archsim.workloads.encoder_decoder import EncoderDecoderConfig, encoder_decoder_trace
from archsim.workloads.huggingface_decoders import DECODERS
from archsim.workloads.huggingface_encoders import ENCODERS
from archsim.workloads.huggingface_fields import Fields, Reader
from archsim.workloads.huggingface_mixtures import MIXTURES
from archsim.workloads.huggingface_sequence import ENCODER_DECODERS, STATE_SPACES
from archsim.workloads.kinds import Network
from archsim.workloads.mamba import MambaConfig, mamba_trace
from archsim.workloads.request import Request
from archsim.workloads.trace import Trace
from archsim.workloads.transformer import transformer_trace
from archsim.workloads.transformer_config import TransformerConfig

MODEL_TYPES: Mapping[str, Reader] = MappingProxyType(
    dict(sorted({**DECODERS, **ENCODERS, **MIXTURES, **STATE_SPACES, **ENCODER_DECODERS}.items()))
)
"""Supported values of `model_type`, each with the function that reads its keys."""


def trace_from_config(
    path: str | os.PathLike[str],
    *,
    phase: str | None = None,
    batch: int = 1,
    context: int | None = None,
    output_tokens: int | None = None,
) -> Trace:
    """The trace of the model that a Hugging Face config.json describes; arguments as those of `model`.

    Raises InputError that names the file and every missing or bad key, or the supported values of `model_type`.
    """
    request = Request(phase=phase, batch=batch, context=context, output_tokens=output_tokens)
    return read_network(path).trace(request)


def read_config(path: str | os.PathLike[str]) -> Any:
    """The hyper-parameters in a config.json, named after its folder: the configuration class of its kind of network.

    Raises InputError as `trace_from_config`.
    """
    return read_network(path).config


def read_network(path: str | os.PathLike[str]) -> Network[Any]:
    """The network in a config.json, named after its folder. Raises InputError as `trace_from_config`."""
    file = Path(path)
    table = _table(file)
    model_type = table.get("model_type")
    if not isinstance(model_type, str):
        raise InputError(Problem(file=str(file), key="model_type", message="is missing or not text"))
    if model_type not in MODEL_TYPES:
        raise InputError(unknown_name("model_type", model_type, MODEL_TYPES, file=str(file), key="model_type"))
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    fields = Fields(table=table)
    values = MODEL_TYPES[model_type](fields)
    if "kv_heads" in values:
        fields.check_heads(values["heads"], values["kv_heads"])
    if fields.problems:
        raise InputError(fields.placed(str(file)))
    common: dict[str, Any] = {"name": name, "source": f"{file.name}, model_type {model_type}"}
    if model_type in STATE_SPACES:
        return Network(config=MambaConfig(**common, **values), build=mamba_trace)
    if model_type in ENCODER_DECODERS:
        return Network(config=EncoderDecoderConfig(**common, **values), build=encoder_decoder_trace)
    return Network(config=TransformerConfig(**common, **values), build=transformer_trace)


def _table(file: Path) -> dict[str, Any]:
    try:
        table = json.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        problem = Problem(file=str(file), message="no such file")
    except OSError as error:
        problem = Problem(file=str(file), message=f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        problem = Problem(file=str(file), message=f"is not UTF-8 (byte {error.start})")
    except json.JSONDecodeError as error:
        problem = Problem(file=str(file), line=error.lineno, message=f"is not JSON: {error.msg}")
    except (RecursionError, ValueError):
        problem = Problem(file=str(file), message="is not JSON that can be read: nested too deeply or numbers too long")
    else:
        if isinstance(table, dict):
            return table
        problem = Problem(file=str(file), message="must hold one JSON object")
    raise InputError(problem)
