"""`archsim zeros`: the masks of a network's operands, played on a sparse array."""

from __future__ import annotations

from pathlib import Path

from archsim.cli import output
from archsim.cli.options import Options

FILE = "zeros.json"


def run(design: Path, masks: Path | None, seed: int, options: Options) -> None:
    """Play the design's masks, print the result, and write it into the folder asked for."""
    from archsim.api.zeros import play_zeros
    from archsim.core.kernels import start_without_linear_algebra
    from archsim.reports.zeros_tables import zeros_tables

    start_without_linear_algebra()
    document = play_zeros(design, masks=masks, seed=seed, overrides=options.overrides).to_dict()
    output.save_json(document, FILE, options)
    if options.json:
        output.emit_json(document)
    else:
        output.emit_tables(zeros_tables(document))
