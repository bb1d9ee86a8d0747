"""Keys of `config.json` for encoders and vision transformers, by `model_type`.

Source of names and defaults: the configuration classes of Hugging Face Transformers 4 (`configuration_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archsim.workloads.huggingface_decoders import plain
from archsim.workloads.huggingface_fields import Fields, Reader
from archsim.workloads.transformer_parts import VisionConfig

ROBERTA_POSITION_OFFSET = 2
"""Rows of RoBERTa's position table that no token uses. Source: create_position_ids_from_input_ids."""


def _encoder(fields: Fields) -> dict[str, Any]:
    """What BERT and ViT share."""
    hidden, heads = fields.integer("hidden_size"), fields.integer("num_attention_heads")
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers("num_hidden_layers"),
        "ffn": fields.integer("intermediate_size"),
        "activation": fields.activation("hidden_act", "gelu"),
        "causal": False,
    }


def _bert(fields: Fields) -> dict[str, Any]:
    if fields.boolean("is_decoder", False):
        fields.problem("is_decoder", "BERT as a decoder is not supported (got true)")
    context = fields.integer("max_position_embeddings")
    return _encoder(fields) | {
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "norm_placement": "post",
        "embed_norm": True,
        "final_norm": False,
        "position_rows": context,
        "token_types": fields.integer("type_vocab_size", 2),
        "head": "pooler",
    }


def _roberta(fields: Fields) -> dict[str, Any]:
    values = _bert(fields)
    return values | {"context": max(1, values["context"] - ROBERTA_POSITION_OFFSET)}


def _distilbert(fields: Fields) -> dict[str, Any]:
    hidden, heads = fields.integer("dim"), fields.integer("n_heads")
    context = fields.integer("max_position_embeddings")
    return plain(hidden, heads, fields.head_dim(None, hidden, heads), True) | {
        "layers": fields.layers("n_layers"),
        "ffn": fields.integer("hidden_dim"),
        "activation": fields.activation("activation", "gelu"),
        "causal": False,
        "context": context,
        "vocab": fields.integer("vocab_size"),
        "norm_placement": "post",
        "embed_norm": True,
        "final_norm": False,
        "position_rows": context,
        "head": "none",
    }


def _vit(fields: Fields) -> dict[str, Any]:
    """A file with labels is a classifier; one without is the bare model with its pooler."""
    labels = fields.count("id2label")
    image, patch = fields.integer("image_size", 224), fields.integer("patch_size", 16)
    if image % patch:
        fields.problem("patch_size", f"must divide image_size {image} (got {patch})")
        patch = image
    vision = VisionConfig(image=image, patch=patch, channels=fields.integer("num_channels", 3), classes=labels)
    return _encoder(fields) | {
        "context": vision.tokens,
        "position_rows": vision.tokens,
        "qkv_bias": fields.boolean("qkv_bias", True),
        "head": "classifier" if labels else "pooler",
        "vision": vision,
    }


ENCODERS: Mapping[str, Reader] = MappingProxyType(
    {
        "bert": _bert,
        "camembert": _roberta,
        "distilbert": _distilbert,
        "roberta": _roberta,
        "vit": _vit,
        "xlm-roberta": _roberta,
    }
)
