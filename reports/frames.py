"""Rows as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.reports import records

if TYPE_CHECKING:
    import pandas as pd

_DTYPES = {records.TEXT: "object", records.INTEGER: "int64", records.NUMBER: "float64"}


def frame(rows: list[records.Row], columns: dict[str, str]) -> pd.DataFrame:
    """Rows as a DataFrame with the types that the columns declare."""
    import pandas as pd

    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=_DTYPES[kind]) for name, kind in columns.items()}
    )
