"""Recomputations over a suite: what a design gains over a baseline, averaged over models and tasks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

from archsim.reproduce.designs import number
from archsim.reproduce.options import RunOptions, SuiteOptions


def mean_gain(options: SuiteOptions, folder: Path) -> float:
    """The mean over models and tasks of the baseline's number over the design's; design files lie in `folder`.

    A task is one or several runs, whose numbers add up as often as each is run.
    """
    gains = list(_gains(options, folder))
    if options.mean == "geometric":
        return math.exp(statistics.fmean(math.log(gain) for gain in gains))
    return statistics.fmean(gains)


def _gains(options: SuiteOptions, folder: Path) -> Iterator[float]:
    ours, theirs = folder / options.design, folder / options.baseline
    for task in options.task:
        for model in options.models:
            always = (f'workload.model="{model}"', *options.set)
            design = sum(run.times * number(options.metric, ours, (*always, *run.set)) for run in task.run)
            baseline = sum(
                run.times * number(options.metric, theirs, (*always, *_baseline_set(run, model))) for run in task.run
            )
            yield baseline / design


def _baseline_set(run: RunOptions, model: str) -> tuple[str, ...]:
    return (*run.baseline_set, *run.baseline_by_model.get(model, ()))
