"""`wgf.benchmark`: work and precision of schemes on a user's own problem."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import solvers as schemes
from ..domains import Domain
from ..errors import ConfigError, require_integer, require_number, require_seed, shown
from ..functional import FreeEnergy, Functional
from ..measure import Ensemble, require_whole
from ..protocol import Solver
from ..storage import write_whole
from . import figure
from .answer import Answer, answer, has_noise, require_metric
from .curves import measured
from .entry import TOLERANCES, Entry, LeftOut
from .page import section, unusable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HALVINGS = 6
"""A single dt is halved so often."""


@dataclass(frozen=True, eq=False)
class WorkPrecision:
    """The result of `benchmark`: for every scheme the error of a run against its work.

    Attributes
    ----------
    title, equation : str
        The name of the problem, and F with the particles and the times.
    answer, unit : str
        What the results were compared with, and what the error is.
    floors : dict of str to float
        Errors that remain at any step length, such as that by sampling.
    curves : tuple of dict
        For each scheme "solver" and "left_out" with the reason, or "settings", "warm_up" and "points". A point has
        "effort" (h, or rtol), and "error", "seconds", "steps", "evaluations", or "failed" or "skipped" with the reason.
    top : float or None
        A run with a larger error was unstable. None for an error function of the user's, whose units are not known.

    See Also
    --------
    wgf.benchmark

    Examples
    --------
    >>> import wgf
    >>> schemes = {"Euler": wgf.solvers.Euler(), "Heun": wgf.solvers.Heun()}
    >>> mu = wgf.Ensemble([[1.0], [2.0]])
    >>> found = wgf.benchmark(wgf.Quadratic(), mu, schemes, dt=[0.1, 0.2], t_end=1.0)
    >>> sorted({row["solver"] for row in found.rows()})
    ['Euler', 'Heun']
    """

    title: str
    equation: str
    answer: str
    unit: str
    floors: Mapping[str, float]
    curves: tuple[dict[str, Any], ...]
    top: float | None = figure.TOP

    def rows(self) -> list[dict[str, Any]]:
        """All points as plain rows, for a table of pandas: solver, effort, error, seconds, …"""
        return [
            {"solver": curve["solver"], "kind": curve["effort"], **point}
            for curve in self.curves
            for point in curve.get("points", ())
            if "left_out" not in curve
        ]

    def cheapest(self, error: float) -> str | None:
        """The scheme with the fastest run of at most this error; None where no run is so accurate: `page` says why."""
        fit = [row for row in self.rows() if row.get("error") is not None and row["error"] <= error]
        return str(min(fit, key=lambda row: row["seconds"])["solver"]) if fit else None

    def unusable(self) -> dict[str, list[str]]:
        """The settings that are not usable, with the reason, by scheme."""
        return unusable(self.curves, figure.limit(vars(self)))

    def page(self) -> str:
        """The result as Markdown: the table, what was left out, and the settings that are not usable and why."""
        text = section(vars(self))
        lines = [f"- {name}: {'; '.join(reasons)}" for name, reasons in self.unusable().items()]
        return text + ("\n\nSettings that are not usable:\n\n" + "\n".join(lines) if lines else "") + "\n"

    def __str__(self) -> str:
        return self.page()

    def plot(self, work: str = "seconds") -> Figure:
        """Draw the errors against "seconds" or "evaluations" of ∇F, as a matplotlib figure."""
        if work not in figure.WORKS:
            raise ConfigError(f"work = {shown(work)}: wanted {' or '.join(map(repr, figure.WORKS))}.")
        return figure.draw([vars(self)], work)

    def save(self, folder: str | Path, name: str = "mine") -> Path:
        """Write the page, its figures (PNG, SVG) and the numbers (JSON) into a folder; give the path of the page."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        pictures = figure.write([vars(self)], place, name)
        numbers = json.dumps({**vars(self), "floors": dict(self.floors)}, indent=1, allow_nan=False)
        write_whole(place / f"{name}.json", numbers.encode(), "the numbers")
        shown_above = "\n\n".join(f"![work and precision]({picture})" for picture in pictures)
        write_whole(place / f"{name}.md", f"{shown_above}\n\n{self.page()}".encode(), "the page")
        return place / f"{name}.md"


def benchmark(
    F: Functional,
    mu: Ensemble,
    solvers: Any = None,
    *,
    dt: float | Sequence[float],
    t_end: float,
    reference: Any = "fine",
    metric: Any = None,
    equilibrium: bool = False,
    domain: Domain | None = None,
    seed: int = 0,
    rounds: int = 1,
    budget: float = 2.0,
    patience: float = 10.0,
    progress: bool = False,
) -> WorkPrecision:
    """Measure the error of schemes on your own problem against their time.

    Each scheme follows F from `mu` to `t_end` with several step lengths, from coarse to fine. Its result is compared
    with the answer. Use it to choose a scheme and a step before long runs.

    Parameters
    ----------
    F : Functional
        The free energy.
    mu : Ensemble
        The initial particles (n, d).
    solvers : Solver, str, iterable of them, or mapping of str to Solver, optional
        The schemes: registered ones by name, or any of your own. By default every registered scheme with its default
        settings.
    dt : float or sequence of float
        The coarsest step length, in flow time; it is halved five times. Or the step lengths. A scheme that adapts its
        steps takes tolerances rtol from 0.1 to 10⁻⁶ in their place.
    t_end : float
        The last time, in flow time.
    reference : "fine", Ensemble, array (m, d), (mean, cov) or callable
        The answer. "fine" is the same problem with steps of an eighth of the finest: by `RungeKutta4`, or where noise
        realises an entropy four runs by `LeimkuhlerMatthews`. Or samples of the answer; its exact mean (d,) and
        covariance (d, d); or a function of the result that returns its error.
    metric : {"places", "moments", "wasserstein"} or callable, optional
        The error. "places" compares particles one by one, "moments" mean and covariance, "wasserstein" is W₂. A
        function takes the result and the reference as ensembles and returns a number. The default is "places" for a
        fine answer without noise, "moments" for exact moments, else "wasserstein".
    equilibrium : bool, default False
        Whether the answer is the law at rest. Schemes that follow another flow than the Wasserstein one, such as
        `Underdamped`, then take part too.
    domain : Domain, optional
        Where the particles may be.
    seed : int, default 0
        The seed of the fine answer. The seeds of the schemes are counted from 0 by rounds.
    rounds : int, default 1
        How often everything is repeated, each time with other noise and in another order.
    budget, patience : float
        Seconds for the curve of a scheme in a round, and for a single run. A finer step that is predicted to take
        longer is skipped.
    progress : bool, default False
        Whether to print a line for each scheme.

    Returns
    -------
    WorkPrecision
        The table; `.plot()`, `.page()`, `.save(folder)`, `.rows()`, `.cheapest(error)`.

    Raises
    ------
    ConfigError
        If an argument is not acceptable, or no scheme is left. A scheme that refuses F is no error: it is listed with
        its reason.
    ShapeError
        If the reference does not fit the particles.

    Notes
    -----
    Times are those of the steps, without the records at both ends and without the first step, which may compile. They
    are honest on an idle machine only. The fine answer costs eight times the finest run or more. It has the particles
    of the schemes, so it measures the error of the time step; the error by the number of particles is not in it.

    See Also
    --------
    wgf.solvers : the schemes.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(50, 2, seed=1)
    >>> result = benchmark(wgf.Quadratic([1.0, 4.0]), mu, ["Euler", "Heun"], dt=[0.2, 0.1], t_end=1.0)
    >>> [(row["solver"], row["effort"]) for row in result.rows() if row["error"] < 0.01]
    [('Heun', 0.1)]
    """
    free_energy = _free_energy(F)
    require_whole("mu", mu)
    steps, t_end = _steps(dt), require_number("t_end", t_end, positive=True)
    require_seed(seed)
    require_integer("rounds", rounds, low=1)
    for name, value in (("budget", budget), ("patience", patience)):
        require_number(name, value, positive=True)
    require_metric(metric)
    chosen = _chosen(solvers)
    found = answer(free_energy, mu, reference, metric, t_end=t_end, h=steps[-1], domain=domain, seed=seed)
    entries = [
        _entry(name, made, free_energy, mu, found, steps, t_end, domain, equilibrium) for name, made in chosen.items()
    ]
    say = print if progress else _silent
    curves = measured(entries, rounds=rounds, budget=budget, patience=patience, say=say)
    if all("left_out" in curve for curve in curves):
        reasons = "; ".join(f"{curve['solver']}: {curve['left_out']}" for curve in curves[:5])
        raise ConfigError(f"benchmark: no scheme is left. {reasons}")
    equation = f"F = {free_energy!r}, {mu.n} particles in {mu.dim} dimensions, to t = {t_end:g}"
    top = figure.TOP if found.relative else None
    return WorkPrecision("Work and precision", equation, found.told, found.unit, found.floors, tuple(curves), top)


def _silent(text: str) -> None:
    """Say nothing."""


def _free_energy(F: Any) -> FreeEnergy:
    if not isinstance(F, Functional):
        raise ConfigError(f"F = {shown(F)}: wanted a functional such as wgf.Quadratic().")
    return FreeEnergy(F._terms())


def _steps(dt: Any) -> tuple[float, ...]:
    """The step lengths from coarse to fine."""
    if isinstance(dt, (str, bytes)) or not isinstance(dt, Iterable):
        coarse = require_number("dt", dt, positive=True)
        return tuple(coarse / 2**k for k in range(HALVINGS))
    steps = sorted((require_number("dt", h, positive=True) for h in dt), reverse=True)
    if not steps:
        raise ConfigError("dt is empty; wanted a step length or several.")
    return tuple(steps)


def _chosen(solvers: Any) -> dict[str, Solver | str]:
    """The schemes by name; a reason in place of a registered scheme that cannot be made."""
    if solvers is None:
        return {name: _made(name) for name in schemes.REGISTRY}
    if isinstance(solvers, Mapping):
        return {str(name): _solver(one) for name, one in solvers.items()}
    several = [solvers] if isinstance(solvers, (Solver, str)) else solvers
    if not isinstance(several, Iterable):
        raise ConfigError(f"solvers = {shown(solvers)}: wanted schemes of wgf.solvers or their names.")
    made = [_solver(one) for one in several]
    if not made:
        raise ConfigError("solvers is empty; wanted schemes of wgf.solvers or their names.")
    found: dict[str, Solver | str] = {}
    for one in made:
        plain = one.name if [other.name for other in made].count(one.name) == 1 else repr(one)
        free = (name for k in itertools.count(1) if (name := plain if k == 1 else f"{plain} {k}") not in found)
        found[next(free)] = one
    return found


def _solver(one: Any) -> Solver:
    if isinstance(one, str):
        return schemes.by_name(one)
    if not isinstance(one, Solver):
        hint = ", with brackets" if isinstance(one, type) else ""
        raise ConfigError(f"solvers: {shown(one)} is no scheme; wanted one such as wgf.solvers.Heun(){hint}.")
    return one


def _made(name: str) -> Solver | str:
    try:
        return schemes.by_name(name)
    except (TypeError, ConfigError) as error:
        return f"its settings are refused: {error}"


def _entry(
    name: str, solver: Solver | str, F: FreeEnergy, mu: Ensemble, found: Answer, steps: tuple[float, ...],
    t_end: float, domain: Domain | None, equilibrium: bool,
) -> Entry | LeftOut:  # fmt: skip
    """How a scheme takes part, or why it does not. What only the engine knows is found at the warm-up."""
    if isinstance(solver, str):
        return LeftOut(name, solver)
    noisy = has_noise(F)
    if solver.metric != "Wasserstein" and not equilibrium:
        return LeftOut(
            name, f"it follows another flow ({solver.metric.split(';')[0]}); it takes part with equilibrium=True"
        )
    if solver.stochastic and not noisy and not isinstance(solver, schemes.ExponentialEuler):
        return LeftOut(name, "there is no Shannon entropy here for its noise to realise")
    entropy = "Shannon" if noisy else "force or none"
    efforts = TOLERANCES if solver.adaptive else steps
    return Entry(name, solver, F, lambda: mu, found.error, t_end, efforts, steps[-1], domain, entropy)
