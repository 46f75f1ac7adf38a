"""Figures of one run, drawn from its ledger: free energy, dissipation, forces, learning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.integrate import cumulative_trapezoid

from ..diagnostics import ForceReport
from ..ledger import Ledger
from .canvas import (
    BLUE,
    MUTED,
    RED,
    WIDTH,
    canvas,
    finish,
    say,
)
from .panels import (
    alignment_panel,
    closure_panel,
    dissipation_panel,
    drawn,
    energies_panel,
    forces_panel,
    panels,
    ratio_panel,
    released_panel,
    terms_panel,
)
from .regimes import shade

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def overview(ledger: Ledger) -> Figure:
    """Draw up to six panels against time: free energy, dissipation, closure, forces, force ratio, alignment.

    Panels without values are left out; a line below says why. This is what `Solution.plot()` shows.

    Parameters
    ----------
    ledger : Ledger
        The records of a run, `sol.ledger`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.Solution.plot, wgf.figures.free_energy, wgf.figures.dissipation, wgf.figures.information_force

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, seed=0)
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> [axis.get_ylabel() for axis in wgf.figures.overview(sol.ledger).axes][:2]
    ['free energy F', 'dissipation D, per time']
    """
    title = f"Free energy, dissipation and forces to t = {ledger['t'][-1]:.4g}" if ledger.rows else "An empty ledger"
    return panels(
        ledger,
        (energies_panel, dissipation_panel, closure_panel),
        (forces_panel, ratio_panel, alignment_panel),
        title=title,
    )


def free_energy(ledger: Ledger) -> Figure:
    """Draw F = E − T·S with its two parts E and −T·S, and the contribution of every term.

    Parameters
    ----------
    ledger : Ledger
        The records of a run, `sol.ledger`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.Solution.plot, wgf.figures.overview

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, seed=0)
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> [axis.get_ylabel() for axis in wgf.figures.free_energy(sol.ledger).axes]
    ['free energy F', 'contribution to F']
    """
    return panels(ledger, (energies_panel, terms_panel))


def dissipation(ledger: Ledger) -> Figure:
    """Draw the dissipation D, the released free energy together with ∫D dt, and the closure, their relative difference.

    Parameters
    ----------
    ledger : Ledger
        The records of a run, `sol.ledger`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.Solution.plot, wgf.figures.overview

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, seed=0)
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> len(wgf.figures.dissipation(sol.ledger).axes)
    3
    """
    return panels(ledger, (dissipation_panel, released_panel, closure_panel))


def information_force(ledger: Ledger, report: ForceReport | None = None) -> Figure:
    """Draw the loss force G and the information force I, their ratio I/G and their alignment.

    Parameters
    ----------
    ledger : Ledger
        The records of a run, `sol.ledger`.
    report : ForceReport, optional
        Its degenerate regimes are shaded.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.diagnostics.force_report, wgf.figures.overview

    Examples
    --------
    >>> import wgf
    >>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, seed=0)
    >>> sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> figure = wgf.figures.information_force(sol.ledger, wgf.diagnostics.force_report(sol))
    >>> len(figure.axes)
    3
    """
    figure = panels(ledger, (forces_panel, ratio_panel, alignment_panel))
    shade(figure, ledger["t"] if report is not None else np.zeros(0), report.spans if report is not None else ())
    return figure


def learning(ledger: Ledger) -> Figure:
    """Draw accuracy, R² and loss on training and test data; those that the ledger has.

    Parameters
    ----------
    ledger : Ledger
        The records of a run, `sol.ledger`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.figures.overview, wgf.runs.write_report

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> result = wgf.runs.run(config, tempfile.mkdtemp(), progress=False, report=False)
    >>> [axis.get_ylabel() for axis in wgf.figures.learning(result.solution.ledger).axes]
    ['fraction classified rightly', 'mean loss per sample']
    """
    kinds = {"accuracy": "fraction classified rightly", "r2": "R², variance explained", "loss": "mean loss per sample"}
    shown = [kind for kind in kinds if f"train_{kind}" in ledger or f"test_{kind}" in ledger] or ["loss"]
    figure, axes = canvas(1, len(shown))
    for axis, kind in zip(axes, shown, strict=True):
        lines = [("train", f"train_{kind}", BLUE, "-"), ("test", f"test_{kind}", RED, "-")]
        drawn(axis, ledger, kinds[kind], lines)
        if kind != "loss":  # the first records are so low that they would flatten the rest
            values = np.concatenate([line.get_ydata() for line in axis.lines] or [np.zeros(1)])
            low, high = axis.get_ylim()
            axis.set_ylim(max(float(np.nanquantile(values, 0.1)) - 0.1, low), min(high, 1.01) if low < 1 else high)
    return figure


def transport(times: Sequence[float], distances: Sequence[float], ledger: Ledger | None = None) -> Figure:
    """Draw the distance W₂ from the start at some times and, if a ledger is given, the path length ∫√D dt.

    Parameters
    ----------
    times : sequence of float
        Flow times of the distances.
    distances : sequence of float
        W₂ from the start, in the units of x. NaN is left out.
    ledger : Ledger, optional
        For the path length, an upper bound of the distance.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.diagnostics.wasserstein, wgf.figures.overview

    Examples
    --------
    >>> import wgf
    >>> figure = wgf.figures.transport([0.0, 1.0], [0.0, 0.3])
    >>> figure.axes[0].get_ylabel()
    'distance, in units of x'
    """
    figure, axes = canvas(1, 1, width=0.5 * WIDTH)
    axis = axes[0]
    points = np.array([(t, w) for t, w in zip(times, distances, strict=True) if math.isfinite(w)]).reshape(-1, 2)
    if not len(points):
        say(axis, "no distance was computed")
    axis.plot(points[:, 0], points[:, 1], "o-", color=BLUE, ms=4, label="W₂ from the start")
    if ledger is not None and len(points) and np.isfinite(ledger["dissipation"]).all() and ledger.rows > 1:
        t, speed = ledger["t"], np.sqrt(ledger["dissipation"])
        length = cumulative_trapezoid(speed, t, initial=0)
        axis.plot(t, length, "--", color=MUTED, lw=1.2, label="length of the path, ∫√D dt")
    finish(axis, "distance, in units of x")
    return figure
