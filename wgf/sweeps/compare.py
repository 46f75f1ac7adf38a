"""`wgf compare`: runs side by side, as a table and a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import CheckpointError
from ..runs import store
from .page import write_page
from .record import Record, read_records
from .table import Table


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side.

    Attributes
    ----------
    records : list of Record
        The runs. Their settings are the keys in which their configurations differ.
    report : Path or None
        The page, if one was written.

    See Also
    --------
    wgf.sweeps.compare, wgf.sweeps.Table

    Examples
    --------
    >>> import tempfile, wgf
    >>> settings = ["network.neurons=100", "solver.t_end=0.2"]
    >>> folder = tempfile.mkdtemp()
    >>> for dt in (0.1, 0.2):
    ...     config = wgf.runs.load_config(None, [*settings, f"solver.dt={dt}"])
    ...     _ = wgf.runs.run(config, f"{folder}/{dt}", progress=False, report=False)
    >>> found = wgf.sweeps.compare([f"{folder}/0.1", f"{folder}/0.2"])
    >>> found.table["solver.dt"], found.table["status"]
    ([0.1, 0.2], ['COMPLETED', 'COMPLETED'])
    """

    records: list[Record]
    report: Path | None = None

    @property
    def table(self) -> Table:
        """What differs, and the end values, one row for each run."""
        return Table(record.row() for record in self.records)


def compare(
    folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None = None, best: str | None = None
) -> Comparison:
    """Compare runs: what differs in their configurations, their end values, and the curves of F, closure and accuracy.

    Parameters
    ----------
    folders : sequence of str or Path
        Directories of runs, and of sweeps, which stand for all of their runs.
    out : str or Path, optional
        A directory for table.csv, table.parquet (where pyarrow is installed) and report.html. Older ones are replaced.
    best : str, optional
        The column of the ledger by which the page judges runs.

    Returns
    -------
    Comparison
        The runs.

    Raises
    ------
    ConfigError
        If a directory holds no run.
    CheckpointError
        If a file is damaged, or the page cannot be written.

    See Also
    --------
    wgf.sweeps.Comparison, wgf.sweeps.run_sweep, wgf.runs.run

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> _ = wgf.runs.run(config, f"{folder}/one", progress=False, report=False)
    >>> wgf.sweeps.compare([f"{folder}/one"]).table["steps"]
    [2]
    """
    records = read_records(folders)
    if out is None:
        return Comparison(records)
    place = Path(out)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"cannot write to {place}: {error.strerror or error}.") from error
    write_table(records, place)
    keys = list(records[0].settings)
    intro = f"They differ in {', '.join(keys)}." if keys else "Their configurations are the same."
    write_page(place / store.REPORT, f"{len(records)} runs compared", records, best, intro)
    return Comparison(records, place / store.REPORT)


def write_table(records: Sequence[Record], folder: Path) -> None:
    """Write the runs as table.csv, and as table.parquet where pyarrow is installed."""
    table = Table(record.row() for record in records)
    table.write(folder / "table.csv")
    with suppress(ImportError):
        import pyarrow  # noqa: F401

        table.write(folder / "table.parquet")
