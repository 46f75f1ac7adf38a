"""The ledger as a table: one row per record, float64 columns, a reason for every column of NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import ConfigError, closest


class Ledger(Mapping[str, np.ndarray]):
    """Columns by name, each a 1-D float64 array with one entry per record; row 0 is the initial state.

    `work`, `released` and `dissipated` are sums since the row before; `notes` gives, by column, the
    estimator used or the reason why it is NaN.

    >>> ledger = Ledger()
    >>> ledger.append({"t": 0.0, "free_energy": 1.0}); ledger["free_energy"]
    array([1.])
    """

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self.notes: dict[str, str] = {}

    def append(self, row: Mapping[str, float]) -> None:
        """Add a record; a column that is new or absent in it is NaN elsewhere."""
        self._rows.append({name: float(value) for name, value in row.items()})

    @property
    def columns(self) -> tuple[str, ...]:
        """Names in the order in which they first appeared."""
        return tuple(dict.fromkeys(name for row in self._rows for name in row))

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise KeyError(f"no column {name!r}{closest(name, self.columns)}")
        return np.array([row.get(name, math.nan) for row in self._rows], dtype=np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        """Number of columns, as of any mapping; `rows` counts the records."""
        return len(self.columns)

    @property
    def rows(self) -> int:
        """Number of records."""
        return len(self._rows)

    def row(self, index: int) -> dict[str, float]:
        """One record as a dictionary."""
        return dict(self._rows[index])

    def to_pandas(self) -> Any:
        """A pandas.DataFrame; pandas comes with the extra `wgflow[pandas]`."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ConfigError("to_pandas needs pandas: python -m pip install 'wgflow[pandas]'.") from error
        return pd.DataFrame({name: self[name] for name in self.columns})

    def __repr__(self) -> str:
        if not self._rows:
            return "Ledger(empty)"
        names = [
            n for n in ("t", "free_energy", "energy", "entropy", "dissipation", "closure", "force_ratio") if n in self
        ]
        shown = self._rows if self.rows <= 8 else [*self._rows[:4], {}, *self._rows[-4:]]
        lines = ["".join(f"{name:>15}" for name in names)]
        lines += ["".join(f"{row[n]:15.6g}" if n in row else f"{'...':>15}" for n in names) for row in shown]
        return "\n".join([*lines, f"[{self.rows} records, columns: {', '.join(self.columns)}]"])
