"""The base designs whose mappings points keep: one for each workload, mapped once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

from archsim.api.design import design_from_document
from archsim.api.overrides import Override
from archsim.core.errors import ArchsimError, InfeasibleError
from archsim.core.toml import TomlDocument, parse_key
from archsim.explore.design_parts import part_of
from archsim.explore.kept import Kept
from archsim.explore.lru import Recent
from archsim.explore.points import Values, frozen, overrides_of
from archsim.workloads.trace import Trace

MOST_BASES = 64
FORMATS = ("quantization", "sparsity")
OTHER_OPS = "the base design has other ops: its mappings cannot be kept"


class Bases:
    """What base designs keep, for the points of one workload of a sweep.

    A point's base is the design with the point's `[workload]`, and with those of its settings that make it another
    kind of machine (base, kind, which memories there are, what axes unroll). Where formats make other ops of the
    workload, it has the point's formats too.
    """

    def __init__(self, document: TomlDocument, path: Path | None, overrides: Sequence[Override]) -> None:
        self._document, self._path, self._overrides = document, path, list(overrides)
        self._kept: Recent[Kept | ArchsimError] = Recent(MOST_BASES)

    def kept(self, values: Values, trace: Trace) -> Kept:
        """What a point with this trace keeps.

        Raises:
            InputError: its base is no design.
            InfeasibleError: its base has no mapping, or other ops.
        """
        for tables in (("workload",), ("workload", *FORMATS)):
            found = self._of(values, tables)
            if found.suits(trace):
                return found
        raise InfeasibleError(OTHER_OPS)

    def _of(self, values: Values, tables: tuple[str, ...]) -> Kept:
        keys = [parse_key(key) or (key,) for key, _ in values]
        places = [i for i, key in enumerate(keys) if part_of(key) is None or part_of(key) in tables]
        setting: Hashable = tuple((values[i][0], frozen(values[i][1])) for i in places)

        def make() -> Kept | ArchsimError:
            try:
                overrides = [*self._overrides, *overrides_of(values, keys, places)]
                return Kept.of(design_from_document(self._document, overrides, self._path))
            except ArchsimError as error:
                return error

        found = self._kept.get((tables, setting), make)
        if isinstance(found, ArchsimError):
            raise found
        return found
