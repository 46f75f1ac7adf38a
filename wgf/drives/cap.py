"""A cap on the gradient evaluations of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, require_integer, require_truth


@dataclass(frozen=True)
class EvaluationCap:
    """A stop rule for `until=`: it is true once a run has made `limit` gradient evaluations.

    Checked at records: the run stops at the first record that has reached the cap, with status CONVERGED. For a cap to
    the step set record_every=1. A run continued by `state=` counts from 0.

    Parameters
    ----------
    limit : int
        The cap, compared with the column `evaluations` of the ledger.
    also : callable (row) -> bool, optional
        Another stop rule, which may end the run first.

    See Also
    --------
    wgf.drives.Budget, wgf.drives.Displacement

    Examples
    --------
    >>> import wgf
    >>> cap = wgf.drives.EvaluationCap(20)
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), wgf.solvers.Heun(), dt=0.1, t_end=9.0, until=cap)
    >>> sol.ledger["evaluations"][-1]
    np.float64(21.0)
    """

    limit: int
    also: Callable[[Mapping[str, float]], bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", require_integer("EvaluationCap limit", self.limit, low=1))
        if not (self.also is None or callable(self.also)):
            raise ConfigError(f"EvaluationCap(also={self.also!r}): wanted a function of a row of the ledger.")

    def __call__(self, row: Mapping[str, Any]) -> bool:
        return row["evaluations"] >= self.limit or (
            self.also is not None and require_truth("EvaluationCap: also", self.also(row))
        )
