"""The `[sparsity]` table of a design file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from archsim.core.options import Options, checked, refusal
from archsim.core.spelling import spelled
from archsim.workloads.policies import SPARSITY_KEYS, SparsityPolicy, check_pattern, mask_file


def _checker(key: str) -> Callable[[object], Any]:
    """The validator of a pattern that stands at `key`."""

    def check(value: object) -> Any:
        if not isinstance(value, str):
            raise refusal(f"must be a pattern such as '{EXAMPLES[key]}' (got {spelled(value)})")
        return checked(lambda text: check_pattern(key, str(text)))(value)

    return check


def _schema(key: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [EXAMPLES[key]]})


EXAMPLES = {
    "weights": "2:4",
    "inputs": "random:0.5",
    "outputs": "random:0.5",
    "kv_cache": "2:4",
    "attention": "window:512+4",
}

WeightPattern = Annotated[str, PlainValidator(_checker("weights")), _schema("weights")]
InputPattern = Annotated[str, PlainValidator(_checker("inputs")), _schema("inputs")]
OutputPattern = Annotated[str, PlainValidator(_checker("outputs")), _schema("outputs")]
CachePattern = Annotated[str, PlainValidator(_checker("kv_cache")), _schema("kv_cache")]
AttentionText = Annotated[str, PlainValidator(_checker("attention")), _schema("attention")]


class SparsityKeys(Options):
    """Patterns by operand, and of attention."""

    weights: WeightPattern | None = None
    inputs: InputPattern | None = None
    outputs: OutputPattern | None = None
    kv_cache: CachePattern | None = None
    attention: AttentionText | None = None


class SparsityOptions(SparsityKeys):
    """`[sparsity]`: patterns, and by layer where a glob matches its name."""

    layers: dict[str, SparsityKeys] = Field(default_factory=dict)

    def policy(self, files: Mapping[str, Mapping[str, str]] | None = None) -> SparsityPolicy:
        """The patterns as the trace takes them; `files` are the masks that were read for the file names stated."""
        layers = tuple((glob, keys.written()) for glob, keys in self.layers.items())
        stated: dict[str, Any] = {key: getattr(self, key) for key in SPARSITY_KEYS}
        return SparsityPolicy(**stated, layers=layers, files=files or {})

    def mask_files(self) -> Iterator[tuple[str, str]]:
        """Names of the mask files stated, each with the dotted key of the table that states it."""
        tables: list[tuple[str, SparsityKeys]] = [("sparsity.weights", self)]
        tables += [(f"sparsity.layers.{glob}", keys) for glob, keys in self.layers.items()]
        for place, keys in tables:
            if (name := mask_file(keys.weights)) is not None:
                yield name, place

    @property
    def stated(self) -> bool:
        """Whether any operand is to be sparse."""
        return any(getattr(self, key) for key in SPARSITY_KEYS) or bool(self.layers)
