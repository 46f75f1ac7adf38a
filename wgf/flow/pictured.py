"""The pictures of a solution: curves of the ledger, particles at some times, and a movie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, require_integer, require_number

if TYPE_CHECKING:
    from ..figures import Movie
    from ..figures.picture import Picture


class Pictured:
    """The methods of a solution that draw it."""

    ledger: Any
    ensemble: Any
    state: Any
    trajectory: Any
    trajectory_times: Any

    def plot(self) -> Picture:
        """Plot free energy, dissipation and closure, and forces against time.

        Returns
        -------
        Picture
            A matplotlib Figure. A notebook shows it without magic. In a script, `show()` opens a window, and
            `savefig(path)` writes a file.
        """
        from ..figures import overview

        return overview(self.ledger)  # type: ignore[return-value]

    def plot_particles(self, t: float | Iterable[float] | None = None) -> Picture:
        """Plot the particles at some times, side by side in one common view.

        Parameters
        ----------
        t : float or sequence of float, optional
            Flow times. The nearest frames of the trajectory are shown. By default the start, the middle and the end;
            without a trajectory the end alone.

        Returns
        -------
        Picture
            A matplotlib Figure, one panel for each time. In one dimension there are histograms with a smooth density.
            For d > 2 the particles are projected on the two directions in which they vary most.

        Raises
        ------
        ConfigError
            If there is no trajectory, and a time other than the end is given.

        Examples
        --------
        >>> import wgf
        >>> mu = wgf.Ensemble.gaussian(50, 2)
        >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
        >>> [axis.get_title() for axis in sol.plot_particles([0.0, 0.52]).axes]
        ['t = 0', 't = 0.5']
        """
        from ..figures import particles

        clouds, times = self._frames_at(self._picked(t))
        return particles(clouds, times)  # type: ignore[return-value]

    def animate(self, *, pictures: int = 60, fps: float = 10.0) -> Movie:
        """Make a movie of the particles from the trajectory.

        Parameters
        ----------
        pictures : int, default 60
            At most so many frames, evenly spaced among those of the trajectory.
        fps : float, default 10.0
            Pictures per second.

        Returns
        -------
        Movie
            A notebook shows it as a player. `save(path)` writes `.gif`, `.mp4` (by ffmpeg) or `.html`.

        Raises
        ------
        ConfigError
            If the run has no trajectory.

        Examples
        --------
        >>> import wgf
        >>> mu = wgf.Ensemble.gaussian(50, 2)
        >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=1)
        >>> sol.animate(pictures=5)
        Movie(5 pictures from t = 0 to t = 1, 10 per second)
        """
        from ..figures import Movie

        most = require_integer("pictures", pictures, low=1)
        if self.trajectory is None:
            raise ConfigError("animate(): the run has no trajectory; wanted one from solve(trajectory_every=...).")
        picked = np.unique(np.linspace(0, len(self.trajectory) - 1, most).round().astype(int))
        clouds, times = self._frames_at(picked.tolist())
        return Movie(clouds, times, fps=fps)

    def _picked(self, t: float | Iterable[float] | None) -> list[int] | None:
        """The numbers of the frames that are nearest to some times; None for the end of a run without a trajectory."""
        if self.trajectory is None:
            if t is None or t == self.state.t:
                return None
            raise ConfigError(
                f"plot_particles(t={t!r}): the run has no trajectory, so only its end at t = {self.state.t:g} can be "
                "shown; wanted one from solve(trajectory_every=...)."
            )
        times = np.asarray(self.trajectory_times)
        if t is None:
            return sorted({0, int(np.abs(times - (times[0] + times[-1]) / 2).argmin()), len(times) - 1})
        given = list(t) if isinstance(t, Iterable) else [t]
        if not given:
            raise ConfigError("plot_particles(t=[]): wanted at least one time.")
        return [int(np.abs(times - require_number("t", one)).argmin()) for one in given]

    def _frames_at(self, picked: list[int] | None) -> tuple[list[Any], list[float]]:
        if picked is None:
            return [self.ensemble], [self.state.t]
        return [self.frame(k) for k in picked], [float(self.trajectory_times[k]) for k in picked]

    def frame(self, k: int) -> Any:
        """Give a frame of the trajectory as an ensemble."""
        raise NotImplementedError


def facts_of(solution: Any) -> dict[str, Any]:
    """What a notebook shows of a solution: how it ended, and its main numbers at the end."""
    ledger, trajectory = solution.ledger, solution.trajectory
    facts = {"status": str(solution.status), "time t": float(solution.state.t), "steps": solution.state.step}
    last = ledger.row(-1) if ledger.rows else {}
    names = {"free_energy": "free energy F", "energy": "energy E", "entropy": "entropy S", "closure_total": "closure"}
    facts |= {label: float(last[name]) for name, label in names.items() if np.isfinite(last.get(name, np.nan))}
    facts |= {"ledger": f"{ledger.rows} records, {len(ledger)} columns", "ensemble": repr(solution.ensemble)}
    facts["trajectory"] = "none" if trajectory is None else f"{len(trajectory)} frames"
    return facts | {"seconds": float(f"{solution.timing.total:.3g}")}
