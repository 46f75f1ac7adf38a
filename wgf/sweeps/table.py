"""Tables of many runs: named columns of settings and numbers, as CSV and Parquet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BackendError, ConfigError, closest
from ..storage import write_whole


class Table:
    """Rows under named columns. A cell that a row lacks is None.

    Parameters
    ----------
    rows : iterable of mappings
        Each row by column. The columns are those of all rows, in the order in which they first come.

    See Also
    --------
    wgf.sweeps.Swept, wgf.sweeps.Comparison

    Examples
    --------
    >>> table = Table([{"dt": 0.1, "loss": 2.0}, {"dt": 0.2, "loss": 1.0}])
    >>> table.columns, table["loss"], len(table)
    (['dt', 'loss'], [2.0, 1.0], 2)
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.rows = [dict(row) for row in rows]
        self.columns = list(dict.fromkeys(name for row in self.rows for name in row))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> list[Any]:
        """The cells of one column.

        Parameters
        ----------
        name : str
            The column.

        Returns
        -------
        list
            One entry for each row.

        Raises
        ------
        ConfigError
            For an unknown column, with the nearest known one.
        """
        if name not in self.columns:
            raise ConfigError(f"column {name!r}{closest(name, self.columns)}")
        return [row.get(name) for row in self.rows]

    def write(self, path: str | Path) -> None:
        """Write the table, by the ending of its name: .csv or .parquet.

        Parameters
        ----------
        path : str or Path
            The file. An older one is replaced.

        Raises
        ------
        ConfigError
            For another ending.
        BackendError
            For .parquet without the package pyarrow.
        CheckpointError
            If it cannot be written.
        """
        kind = Path(path).suffix.lower()
        if kind not in (".csv", ".parquet"):
            raise ConfigError(f"{path}: a table is written as .csv or .parquet.")
        content = csv_text(self.columns, self._cells()).encode() if kind == ".csv" else self._parquet()
        write_whole(path, content, "the table")

    def _cells(self) -> list[list[Any]]:
        return [[row.get(name) for name in self.columns] for row in self.rows]

    def _parquet(self) -> bytes:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise BackendError(f"tables as .parquet need pyarrow: pip install 'wgflow[parquet]' ({error}).") from error
        columns = {name: self[name] for name in self.columns}
        whole = {
            name: cells if _of_one_kind(cells) else [None if cell is None else str(cell) for cell in cells]
            for name, cells in columns.items()
        }
        buffer = io.BytesIO()
        parquet.write_table(pyarrow.table(whole), buffer)
        return buffer.getvalue()


def _of_one_kind(cells: Sequence[Any]) -> bool:
    """Whether a column holds numbers alone, truths alone, or words alone."""
    kinds = {type(cell) for cell in cells if cell is not None}
    return kinds <= {int, float} or (len(kinds) == 1 and kinds <= {bool, str})


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV. Numbers read back to the same bits, and a missing one is an empty cell.

    Parameters
    ----------
    columns : sequence of str
        The first line.
    rows : iterable of sequences
        The other lines.

    Returns
    -------
    str
        The text.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_exact(entry) for entry in row] for row in rows])
    return text.getvalue()


def _exact(entry: Any) -> Any:
    if isinstance(entry, (float, np.floating)):
        return repr(float(entry)) if math.isfinite(entry) else ""
    return entry.item() if isinstance(entry, np.generic) else entry
