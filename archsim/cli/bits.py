"""`archsim bits`: the bits of a network's operands, played on a bit-serial array."""

from __future__ import annotations

from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options

FILE = "bits.json"


def run(design: Path, weights: str | None, options: Options) -> None:
    """Play the design's workload, print the result, and write it into the folder asked for."""
    from archsim.api.bits import play
    from archsim.core.kernels import start_without_linear_algebra
    from archsim.reports.bits_tables import bits_tables

    start_without_linear_algebra()
    played = play(design, weights=weights, overrides=options.overrides)
    document = played.to_dict()
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(bits_tables(document))
    for note in played.notes:
        output.warn(note, quiet=options.quiet)
