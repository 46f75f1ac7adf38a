"""A movie of the particles: a player in a notebook, GIF and MP4 in files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BackendError, CheckpointError, ConfigError, require_number
from ..storage import write_whole
from .canvas import INK, canvas, finish
from .clouds import View
from .player import player

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
"""Pixels per inch of a file."""


class Movie:
    """Particles over time. `wgf.Solution.animate` makes one.

    A notebook shows it as a player with a slider. `save` writes a file.

    Parameters
    ----------
    clouds : sequence of Ensembles or arrays (n, d)
        The particles of each picture. In one dimension a histogram and a smooth density show them. For d > 2 they are
        projected on the two principal directions of all clouds together.
    times : sequence of float
        The flow time of each.
    fps : float, default 10.0
        Pictures per second.

    Raises
    ------
    ConfigError
        If there is no picture, or `fps` is no positive number.

    See Also
    --------
    wgf.Solution.plot_particles : particles at a few times, side by side.

    Examples
    --------
    >>> import wgf
    >>> mu = wgf.Ensemble.gaussian(50, 2)
    >>> sol = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=1.0, trajectory_every=2)
    >>> sol.animate()
    Movie(6 pictures from t = 0 to t = 1, 10 per second)
    """

    def __init__(self, clouds: Sequence[Any], times: Sequence[float], *, fps: float = 10.0) -> None:
        if not len(clouds):
            raise ConfigError("a movie of no clouds: wanted at least one picture.")
        self.fps = require_number("fps", fps, positive=True)
        self.times = [float(t) for t in times]
        self._view = View.of(clouds)

    def to_html(self) -> str:
        """Write the player: HTML with all pictures in it, a slider, a button that plays, and the arrow keys.

        Returns
        -------
        str
            HTML that needs no other file.
        """
        return player(self._view, self.times, fps=self.fps)

    def _repr_html_(self) -> str:
        return self.to_html()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the movie into a file, completely or not at all.

        Parameters
        ----------
        path : str or Path
            The file. Its ending says what it is: `.gif`, `.mp4` or `.html`. One of this name is replaced.

        Raises
        ------
        ConfigError
            If the ending is another one.
        BackendError
            If ffmpeg is not there, which makes `.mp4`.
        CheckpointError
            If the file cannot be written.
        """
        target = Path(path)
        kind = target.suffix.lower()
        if kind not in (".gif", ".mp4", ".html"):
            raise ConfigError(f"save({str(path)!r}): wanted a name that ends in .gif, .mp4 or .html.")
        content = self.to_html().encode() if kind == ".html" else self._film(kind)
        write_whole(target, content, "the movie")

    def _film(self, kind: str) -> bytes:
        """The bytes of the file of this kind."""
        from matplotlib.animation import FFMpegWriter, PillowWriter

        if kind == ".mp4" and not FFMpegWriter.isAvailable():
            raise BackendError("an .mp4 needs ffmpeg, which is not installed here: write a .gif or .html.")
        maker: Any = PillowWriter if kind == ".gif" else FFMpegWriter
        writer = maker(fps=self.fps)
        figure, parts = self._figure()
        axis = figure.axes[0]
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder) / f"film{kind}"
            try:
                with writer.saving(figure, str(partial), DPI):
                    for k, t in enumerate(self.times):
                        self._view.redraw(parts, k)
                        axis.set_title(f"t = {t:.4g}", fontsize=10, color=INK)
                        writer.grab_frame()
            except OSError as error:
                raise CheckpointError(f"cannot make the movie: {error.strerror or error}.") from error
            return partial.read_bytes()

    def _figure(self) -> tuple[Figure, list[Any]]:
        """A figure of the first picture, whose layout stays as it is, and its changing parts."""
        figure, (axis,) = canvas(1, 1, width=5.0, height=3.6 if self._view.line else 5.0)
        parts = self._view.draw(axis, 0)
        finish(axis, self._view.labels[1], self._view.labels[0], legend=False)
        axis.set_title("t = 0.000", fontsize=10, color=INK)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laying out each picture anew would take most of the time
        return figure, parts

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.times)

    def __repr__(self) -> str:
        return (
            f"Movie({len(self)} pictures from t = {self.times[0]:.4g} to t = {self.times[-1]:.4g}, "
            f"{self.fps:g} per second)"
        )
