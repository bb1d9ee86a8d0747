"""A file with a mapping, in any of the forms that are taken."""

from __future__ import annotations

from pathlib import Path

from archsim.core.toml import read_toml
from archsim.mappers.files import read_text
from archsim.mappers.given import Given, given_from_values


def read_given(path: str | Path, levels: tuple[str, ...], axes: tuple[str, ...]) -> Given:
    """The mapping in a file: ``.toml``, ``.json``, ``.yaml`` or ``.yml`` (Timeloop), any other is a loop nest as text.

    `levels` and `axes` are the names that a Timeloop file's levels, X and Y are matched with.

    Raises:
        InputError: with every problem of the file, each with its line.
    """
    match Path(path).suffix.lower():
        case ".toml":
            document = read_toml(path)
            return given_from_values(document.values, document.name, document.line)
        case ".json":
            return _read_json(path)
        case ".yaml" | ".yml":
            return _read_timeloop(path, levels, axes)
        case _:
            from archsim.mappers.mapping_text import parse_loop_nest

            return parse_loop_nest(read_text(path), str(path))


def _read_json(path: str | Path) -> Given:
    from archsim.mappers.json_lines import read_json

    document = read_json(path)
    return given_from_values(document.values, document.name, document.line)


def _read_timeloop(path: str | Path, levels: tuple[str, ...], axes: tuple[str, ...]) -> Given:
    from archsim.mappers.timeloop import Mesh, read_timeloop_mapping

    lower = {name.lower(): name for name in axes}
    mesh = Mesh(
        x=lower.get("x") or lower.get("column") or "x",
        y=lower.get("y") or lower.get("row") or "y",
    )
    op, mapping = read_timeloop_mapping(path, levels=levels, mesh=mesh)
    return Given(file=str(path), loops=mapping.loops, tiles=mapping.tiles, op=op)
