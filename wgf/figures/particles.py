"""Pictures of particles at a few times, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .canvas import INK, canvas, finish, say
from .clouds import View

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def particles(clouds: Sequence[Any], times: Sequence[float], weights: Sequence[Any] | None = None) -> Figure:
    """Particles at a few times in one common plane; histograms with a smooth density in one dimension.

    Parameters
    ----------
    clouds : sequence of Ensembles or arrays (n, d)
        The particles. For d > 2 they are projected on the two principal directions of all clouds together.
    times : sequence of float
        The flow time of each cloud, for the titles.
    weights : sequence of arrays (n,), optional
        The weights of each cloud. By default those of the ensembles; arrays count all rows alike. Histograms are
        weighted, and the area of a dot is proportional to its weight.

    Returns
    -------
    matplotlib.figure.Figure
        A new figure with one panel for each cloud.

    See Also
    --------
    wgf.Solution.plot_particles, wgf.figures.View, wgf.figures.Movie

    Examples
    --------
    >>> import wgf
    >>> figure = wgf.figures.particles([wgf.Ensemble.gaussian(50, 2, seed=k) for k in (0, 1)], [0.0, 1.0])
    >>> [axis.get_title() for axis in figure.axes]
    ['t = 0', 't = 1']
    """
    return side_by_side(View.of(clouds, weights), times)


def side_by_side(view: View, times: Sequence[float]) -> Figure:
    """Draw a panel for each cloud of a view, with its flow time as title.

    Parameters
    ----------
    view : View
        The clouds in common coordinates.
    times : sequence of float
        The flow time of each.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    See Also
    --------
    wgf.figures.particles, wgf.figures.View

    Examples
    --------
    >>> import wgf
    >>> view = wgf.figures.View.of([wgf.Ensemble.gaussian(50, 1, seed=0)])
    >>> wgf.figures.side_by_side(view, [2.5]).axes[0].get_title()
    't = 2.5'
    """
    across = min(len(view.clouds), 3)
    rows = -(-len(view.clouds) // across)
    figure, axes = canvas(rows, across, height=3.5 * rows, share=True)
    for axis in axes[len(view.clouds) :]:
        axis.set_visible(False)
    for k, (axis, t) in enumerate(zip(axes, times, strict=False)):
        view.draw(axis, k)
        finish(axis, view.labels[1] if k % across == 0 else "", view.labels[0], legend=False)
        axis.tick_params(labelleft=True)  # a phone shows each panel by itself
        axis.set_title(f"t = {t:.4g}", fontsize=10, color=INK)
        if not len(view.clouds[k]):
            say(axis, "the particles are too far away to be drawn")
    return figure
