"""Rows on mappings that other tools costed."""

from __future__ import annotations

from tests.validation import timeloop_runs, zigzag_runs
from tests.validation.measure import Row, exact, relative
from tests.validation.timeloop_runs import Count

TIMELOOP, ZIGZAG = "runs of Timeloop 3.0.3", "runs of ZigZag 3.9.1"


def mapping_rows() -> list[Row]:
    counts = list(timeloop_runs.counts())
    gaps = [count for count in counts if count.halo and count.run.gaps]
    others = [(count.ours, count.theirs) for count in counts if count not in gaps]
    apart = {count.run.name for count in gaps if count.ours != count.theirs}
    runs = [run for run in timeloop_runs.runs() if run.name not in apart]
    return [
        exact("`timeloop` convention: reads, fills and updates of each level and operand", TIMELOOP, others),
        gap_row(gaps),
        exact(
            "`timeloop` convention: cycles where those are equal",
            TIMELOOP,
            [(float(run.cost.cycles), float(run.summary["cycles"])) for run in runs],
        ),
        exact(
            "`timeloop` convention: energy of the same, in units of 0.1 pJ",
            TIMELOOP,
            [(tenths(run.cost.total_energy_j * 1e12), tenths(float(run.summary["energy_pJ_sum"]))) for run in runs],
        ),
        exact(
            "`zigzag` convention: energy of mappings whose loops divide, in units of 0.01 pJ",
            ZIGZAG,
            [(hundredths(ours), hundredths(theirs)) for ours, theirs in zigzag_runs.energies()],
        ),
        relative(
            "`zigzag` convention: cycles of the same (its stalls and write-backs are not modelled one by one)",
            ZIGZAG,
            list(zigzag_runs.cycles()),
        ),
    ]


def gap_row(counts: list[Count]) -> Row:
    """Inputs whose tiles have gaps: how many counts differ."""
    wrong = [abs(count.ours / count.theirs - 1) for count in counts if count.ours != count.theirs]
    return Row(
        what="the same, inputs of strided or dilated convolutions (tests find ours by a walk of the nest)",
        source=TIMELOOP,
        rows=len(counts),
        error=f"{len(counts) - len(wrong)} equal, {len(wrong)} differ by up to {100 * max(wrong, default=0.0):.0f} %",
    )


def tenths(value: float) -> float:
    return float(round(value * 10))


def hundredths(value: float) -> float:
    return float(round(value * 100))
