"""The result of evaluating a design: totals, tidy tables, plots, and the resolved design that made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from archsim.reports import records
from archsim.reports.document import evaluation_document, totals
from archsim.reports.frames import frame

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from archsim.arch.accelerator import Accelerator
    from archsim.sim.records import TraceCost


# In a checkout pyright reads this file by two paths, its own and archsim's link, and takes `self` for a stranger where
# it is passed on (the three ignores below).


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a design costs on its workload. Layer values are for one occurrence, totals for the whole trace."""

    design_name: str
    resolved: dict[str, Any]
    """The design with every default filled in, as plain values."""
    accelerator: Accelerator
    cost: TraceCost
    archsim_version: str
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where the files lie that the design names."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON document `archsim.evaluation/1`: plain values, None for what does not exist, never NaN."""
        return evaluation_document(design_name=self.design_name, archsim_version=self.archsim_version, cost=self.cost)

    @property
    def totals(self) -> dict[str, Any]:
        """Totals of the trace, with the keys of the JSON document."""
        return totals(self.cost)

    @property
    def layers(self) -> pd.DataFrame:
        """One row per layer; `total_` columns cover all occurrences, the others one."""
        return frame(records.layer_rows(self.cost), records.layer_columns(self.cost))

    @property
    def traffic(self) -> pd.DataFrame:
        """One row per layer, level and operand: elements per instance; `energy_j` covers all instances."""
        return frame(records.traffic_rows(self.cost), records.TRAFFIC_COLUMNS)

    @property
    def stalls(self) -> pd.DataFrame:
        """One row per layer and cause of waiting, in cycles of one occurrence."""
        return frame(records.stall_rows(self.cost), records.STALL_COLUMNS)

    @property
    def energy(self) -> pd.DataFrame:
        """One row per layer and component, in joules."""
        return frame(records.energy_rows(self.cost), records.ENERGY_COLUMNS)

    def plot(self, kind: str = "latency") -> Figure:
        """A matplotlib figure: ``latency`` or ``energy`` per layer, or the ``roofline``.

        Raises:
            InputError: for an unknown kind.
        """
        from archsim.reports.plots import figure

        return figure(self, kind)  # pyright: ignore[reportArgumentType]

    def save(self, folder: str | Path) -> Path:
        """Write the run folder (resolved design, summary, layer tables, plots) and return its path.

        Raises:
            InputError: when `folder` holds files of the same names that no run of archsim wrote.
            OSError: when it cannot be written; nothing is left behind then.
        """
        from archsim.reports.run_folder import write_run

        return write_run(self, Path(folder))  # pyright: ignore[reportArgumentType]

    def __repr__(self) -> str:
        from archsim.reports.tables import one_line

        return f"<Evaluation {self.design_name!r}: {one_line(self.totals)}>"

    def _repr_html_(self) -> str:
        from archsim.reports.html import evaluation_html

        return evaluation_html(self)  # pyright: ignore[reportArgumentType]
