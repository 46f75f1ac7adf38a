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
    """
    return side_by_side(View.of(clouds, weights), times)


def side_by_side(view: View, times: Sequence[float]) -> Figure:
    """A panel for each cloud of a view, with its flow time as title."""
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
