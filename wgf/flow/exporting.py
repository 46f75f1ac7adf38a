"""A solution in the data structures of other libraries: xarray and ArviZ."""

from __future__ import annotations

import math
from typing import Any


class Exported:
    """The methods of a solution that give it to other libraries."""

    def to_xarray(self) -> Any:
        """Give the run as a tree of xarray: particles by time, the ledger, and what made it.

        Returns
        -------
        xarray.DataTree
            `tree["particles"]` has x (time, particle, axis), weights and id (time, particle): the frames of the
            trajectory, or the final ensemble where there is none. `tree["ledger"]` has a variable for each column, by
            record. Attributes have units, notes, status, scheme, seed and versions. `tree.to_zarr(path)` stores it.

        Raises
        ------
        BackendError
            If xarray is not installed: the extra `wgflow[xarray]`.

        Notes
        -----
        A mean over particles is weighted: `(p.x * p.weights).sum("particle")` with p = tree["particles"]. A particle
        that is moved to another row keeps its id.

        Examples
        --------
        >>> import wgf
        >>> mu = wgf.Ensemble.gaussian(10, 2)
        >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=5)
        >>> tree = sol.to_xarray()
        >>> dict(tree["particles"].sizes), tree["ledger"]["free_energy"].attrs["units"]
        ({'time': 3, 'particle': 10, 'axis': 2}, 'units of F')
        """
        from ..interchange import to_xarray

        return to_xarray(self)

    def to_arviz(
        self, *, groups: int | None = None, start: float = -math.inf, weights: str = "refuse", seed: int = 0
    ) -> Any:
        """Give the trajectory as draws of ArviZ: particles, or groups of them, are chains.

        Parameters
        ----------
        groups : int, optional
            The number of chains, each of n/groups particles one after the other. By default every particle is a chain.
        start : float, optional
            The first time, in flow time, from which frames are taken; what comes before is burn-in.
        weights : {"refuse", "resample"}, default "refuse"
            ArviZ has no weights. Particles with unequal weights, or that are born and die, are refused; or each frame
            is resampled to equal weights. The effective number of draws is then too large.
        seed : int, default 0
            The seed of the resampling.

        Returns
        -------
        arviz.InferenceData
            Its group `posterior` has x (chain, draw, axis).

        Raises
        ------
        BackendError
            If ArviZ is not installed: the extra `wgflow[arviz]`.
        ConfigError
            If there is no trajectory, no frame from `start` on, or the weights are refused.

        See Also
        --------
        wgf.diagnostics.ess : effective number of draws and R-hat.

        Examples
        --------
        >>> import wgf
        >>> mu = wgf.Ensemble.gaussian(10, 2)
        >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
        >>> dict(sol.to_arviz(start=0.5).posterior.sizes)
        {'chain': 10, 'draw': 6, 'axis': 2}
        """
        from ..interchange import to_arviz

        return to_arviz(self, groups=groups, start=start, weights=weights, seed=seed)
