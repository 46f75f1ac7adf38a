"""Callbacks that write the records of a run: into a CSV file, and into TensorBoard."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Any

from ..errors import BackendError, CheckpointError, ConfigError
from ..flow import Callback
from ..flow.monitor import Row
from ..ledger import Ledger
from ..measure import Ensemble
from ..storage import write_whole


class CSV(Callback):
    """Writes every record of the ledger as a row of a CSV file, at once.

    Parameters
    ----------
    path : str or Path
        The file. A run from its start makes it anew. A run that goes on keeps the rows before the first step that is
        still to come, and drops those after it, so that every record is there once.

    Raises
    ------
    CheckpointError
        From a run, if the file cannot be written.
    ConfigError
        From a run that goes on, if the file holds something else.

    See Also
    --------
    wgf.callbacks.TensorBoard, wgf.callbacks.ForceLogger, wgf.callbacks.Callback

    Notes
    -----
    The columns are those of the first row. NaN is an empty cell. Numbers are written so that they come back with the
    same bits.

    Examples
    --------
    >>> import tempfile, wgf
    >>> mu = wgf.Ensemble.gaussian(10, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = CSV(folder + "/run.csv")
    ...     sol = wgf.solve(
    ...         wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=0.2, record_every=1, callbacks=rows
    ...     )
    ...     [line.split(",")[:2] for line in Path(folder + "/run.csv").read_text().splitlines()]
    [['t', 'step'], ['0.0', '0.0'], ['0.1', '1.0'], ['0.2', '2.0']]
    """

    alone = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._names: list[str] = []

    def on_start(self, since: int, ledger: Ledger) -> None:
        self._names, kept = [], []
        if since > 0 and self.path.exists():
            lines = _read(self.path)
            if lines and "step" not in lines[0]:
                raise ConfigError(f"{self.path} has no column `step`: it is no file of records; give another path.")
            if lines:
                place, self._names = lines[0].index("step"), lines[0]
                kept = [lines[0], *(line for line in lines[1:] if float(line[place]) < since)]
        text = "".join(_line(line) for line in kept)
        write_whole(self.path, text.encode(), "the file of records")

    def on_record(self, row: Row, mu: Ensemble) -> None:
        self.write(row)

    def write(self, row: Row) -> None:
        """Write one row."""
        try:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                if not self._names:
                    self._names = list(row)
                    file.write(_line(self._names))
                file.write(_line([_cell(row.get(name, math.nan)) for name in self._names]))
        except OSError as error:
            raise CheckpointError(f"cannot write {self.path}: {error.strerror or error}.") from error


def _read(path: Path) -> list[list[str]]:
    """The rows of a file; half of a last one, which a killed process left, is dropped."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}.") from error
    whole = text[: text.rfind("\n") + 1]
    return [line for line in csv.reader(whole.splitlines()) if line]


def _line(cells: list[str]) -> str:
    return ",".join(f'"{cell}"' if set(cell) & set(',"\n') else cell for cell in cells) + "\n"


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


class TensorBoard(Callback):
    """Writes every record of the ledger as scalars for TensorBoard.

    Parameters
    ----------
    folder : str or Path
        The folder of the events.
    prefix : str, default "run"
        The group of the tags, such as "run/free_energy".

    Raises
    ------
    BackendError
        If tensorboard is not installed: the extra `wgflow[tensorboard]`.

    See Also
    --------
    wgf.callbacks.CSV, wgf.callbacks.ForceLogger, wgf.callbacks.Callback

    Notes
    -----
    The step of TensorBoard is the number of the step. A run that goes on tells TensorBoard to drop what it has of the
    steps that come again. NaN is left out.

    Examples
    --------
    ::

        wgf.solve(F, mu, solver, dt=0.1, t_end=10.0, callbacks=[TensorBoard("events")])
    """

    alone = True

    def __init__(self, folder: str | os.PathLike[str], prefix: str = "run") -> None:
        self.folder, self.prefix = Path(folder), prefix
        self._writer: Any = None

    def on_start(self, since: int, ledger: Ledger) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BackendError("this needs TensorBoard: python -m pip install 'wgflow[tensorboard]'.") from error
        self._writer = SummaryWriter(str(self.folder), purge_step=since if since else None)

    def on_record(self, row: Row, mu: Ensemble) -> None:
        self.write(row)

    def write(self, row: Row) -> None:
        """Write one row."""
        if self._writer is None:
            self.on_start(0, Ledger())
        step = int(row.get("step", 0))
        for name, value in row.items():
            if name not in ("step", "t") and math.isfinite(value):
                self._writer.add_scalar(f"{self.prefix}/{name.replace(':', '/')}", value, step)
        self._writer.flush()

    def on_end(self, sol: Any) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
