"""The ledger as users see it: a table with one row per record and one column per quantity."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from ..errors import CheckpointError, ConfigError, closest, html_table, no_attribute

COLUMNS = (
    "t", "step", "free_energy", "energy", "entropy", "temperature", "loss_force", "information_force", "force_ratio",
    "alignment", "entropy_production", "dissipation", "work", "released", "dissipated", "closure", "closure_total",
    "closure_error", "dissipation_error", "entropy_error", "evaluations", "kinetic", "reference_alignment",
)  # fmt: skip
"""The fixed columns of a ledger, explained in `Ledger`. Terms, drives and observers add columns of their own."""


class Ledger(Mapping[str, np.ndarray]):
    """The record of a run: a mapping from column names to float64 arrays (k,), one entry per record.

    Row 0 is the initial state. `sol.ledger["free_energy"]` is a column, `sol.ledger.row(-1)` the last record. The
    balance between two records is

        F_{k+1}[μ_{k+1}] − F_k[μ_k] = work − released,        closure = released / dissipated − 1

    Attributes
    ----------
    notes : dict of str to str
        By column: how its numbers were estimated, or why they are NaN.

    Notes
    -----
    Times are in flow time, which has the unit of |x|²/F. Norms and inner products are those of L²(μ). Definitions are
    in docs/theory.md §4 and §5. A column that does not apply to a run is absent or NaN.

    `t`, `step`
        The time, and the number of steps made since the very start, earlier runs included.
    `free_energy`, `energy`, `entropy`, `temperature`
        F = E − T S with its parts E, S and T, where T is summed over all entropies.
    `loss_force`, `information_force`, `force_ratio`
        G = ‖∇_W E‖, I = T ‖∇_W S‖ and I/G.
    `alignment`
        ⟨T ∇_W S, −∇_W E⟩/(I G), in [−1, 1].
    `entropy_production`
        Ṡ = ⟨∇_W S, v⟩, per flow time.
    `reference_alignment`
        The cosine of ∇_W S and the gradient of log-det. Below 0 the entropy pushes against spread.
    `entropy_error`
        The error bar of the Shannon entropy where it is estimated: two standard errors, and what is known of the bias.
    `dissipation`, `dissipation_error`
        D in the metric of the solver, ∫ |∇_W F|² dμ for Wasserstein; its error bar of the same kind where D is
        estimated.
    `work`, `released`, `dissipated`
        Sums since the row before: the change W of F from outside (schedules, drives, data), the free energy Q released,
        and Σ h D̄ over the steps.
    `closure`, `closure_total`, `closure_error`
        Q/Σ h D̄ − 1 since the row before and since the start: the error bar of the time step. Where F or D is estimated,
        or D is integrated between records, both are since the start, and `closure_error` is their uncertainty: the
        scatter of F, the smoothing error of D, and the change if every other record is left out.
    `kinetic`
        ½ ∫ |p|² dμ, for solvers with momenta p.
    `evaluations`
        The number of evaluations of ∇_W F in this run so far.
    `term:<name>`, `sums_error:<name>`, `drive:<name>`
        The contribution c·𝓕 of a term to F, the relative error of a term that is summed over pairs by an approximate
        method, and the value of a control that steers F.

    See Also
    --------
    wgf.Solution : the result of a run, which holds the ledger.
    wgf.diagnostics.force_report : what the forces in a ledger say about the entropy.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(100, 2)
    >>> F = wgf.Quadratic() - 0.5 * wgf.LogDet()
    >>> ledger = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.05, t_end=1.0, record_every=1).ledger
    >>> ledger.rows, bool(abs(ledger["closure_total"][-1]) < 1e-2)
    (21, True)
    >>> ledger["temperature"][0], ledger["work"].sum()
    (np.float64(0.5), np.float64(0.0))
    """

    def __init__(self) -> None:
        # All numbers stand in one array, row after row: a row of a long run takes 8 bytes for each. Rows with the same
        # columns share their names.
        self._numbers = array("d")
        self._names: dict[tuple[str, ...], int] = {}  # of the columns of a row, with a number for each such tuple
        self._kinds, self._starts = array("q"), array("q")  # by row: that number, and its first place in `_numbers`
        self.notes: dict[str, str] = {}

    def append(self, row: Mapping[str, float]) -> None:
        """Add a record.

        Parameters
        ----------
        row : mapping of str to float
            The columns of the record. Where a column is missing in some rows, these entries are NaN.
        """
        numbers = array("d", [float(value) for value in row.values()])
        self._kinds.append(self._names.setdefault(tuple(row), len(self._names)))
        self._starts.append(len(self._numbers))
        self._numbers.extend(numbers)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in the order in which they first appeared."""
        return tuple(dict.fromkeys(name for names in self._names for name in names))

    def __getitem__(self, name: str) -> np.ndarray:
        """One column (k,), float64. KeyError, with the nearest name, where there is no such column."""
        if isinstance(name, (int, slice)):
            raise KeyError(f"no column {name!r}: a record is ledger.row({name!r}), a column ledger['t'].")
        if name not in self.columns:
            raise KeyError(f"no column {name!r}{closest(name, self.columns)}")
        column = np.full(self.rows, math.nan)
        kinds, starts, numbers = (np.array(part) for part in (self._kinds, self._starts, self._numbers))
        for names, kind in self._names.items():
            if name in names:
                rows = kinds == kind
                column[rows] = numbers[starts[rows] + names.index(name)]
        return column

    def __getattr__(self, name: str) -> NoReturn:
        """AttributeError: columns are read as `ledger["t"]`, as their names may be those of methods, or no names."""
        columns = () if name.startswith("_") else self.columns  # copy looks up names of an object without rows
        raise no_attribute(self, name, {column: f'ledger["{column}"]' for column in columns})

    def __iter__(self) -> Iterator[str]:
        """The names of all columns."""
        return iter(self.columns)

    def __len__(self) -> int:
        """The number of columns, as for any mapping. `rows` is the number of records."""
        return len(self.columns)

    @property
    def rows(self) -> int:
        """The number of records k."""
        return len(self._kinds)

    def row(self, index: int) -> dict[str, float]:
        """Give one record as a dictionary; a negative index counts from the end."""
        names = tuple(self._names)[self._kinds[index]]
        start = self._starts[index]
        return dict(zip(names, self._numbers[start : start + len(names)], strict=True))

    def first(self, count: int) -> Ledger:
        """Give the first records as a ledger of their own, without notes.

        Parameters
        ----------
        count : int
            How many records, at most `rows`.

        Raises
        ------
        CheckpointError
            If there are fewer.
        """
        if count > self.rows:
            raise CheckpointError(f"the ledger has {self.rows} records; {count} were made. Records were lost.")
        ledger = Ledger()
        for index in range(count):
            ledger.append(self.row(index))
        return ledger

    def to_pandas(self) -> Any:
        """Convert to a pandas.DataFrame with one row per record.

        Returns
        -------
        pandas.DataFrame
            The columns under their names, float64.

        Raises
        ------
        ConfigError
            If pandas is not installed. It comes with the extra `wgflow[pandas]`.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ConfigError("to_pandas needs pandas: python -m pip install 'wgflow[pandas]'.") from error
        return pd.DataFrame({name: self[name] for name in self.columns})

    def _ends(self) -> tuple[list[str], list[dict[str, float]]]:
        """The columns and the first and last records that are shown; an empty one stands for those between."""
        names = [
            n for n in ("t", "free_energy", "energy", "entropy", "dissipation", "closure", "force_ratio") if n in self
        ]
        ends: list[int | None] = [*range(self.rows)] if self.rows <= 8 else [*range(4), None, *range(-4, 0)]
        return names, [{} if index is None else self.row(index) for index in ends]

    def _repr_html_(self) -> str:
        names, shown = self._ends()
        rows = [[row.get(name, "…" if not row else "") for name in names] for row in shown]
        told = f"Ledger: {self.rows} records; columns: {', '.join(self.columns)}"
        return html_table(names, rows, told)

    def __repr__(self) -> str:
        if not self.rows:
            return "Ledger(empty)"
        names, shown = self._ends()
        lines = ["".join(f"{name:>15}" for name in names)]
        lines += ["".join(f"{row[n]:15.6g}" if n in row else f"{'...':>15}" for n in names) for row in shown]
        return "\n".join([*lines, f"[{self.rows} records, columns: {', '.join(self.columns)}]"])
