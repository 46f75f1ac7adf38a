"""A movie as a piece of HTML: one picture at a time, with a slider. It needs neither a server nor ffmpeg."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .canvas import BLUE, ORANGE, canvas, finish
from .clouds import BINS, View
from .vector import data_uri

TEMPLATE = Path(__file__).with_name("player.html")
WHOLE = 65535
"""Coordinates are written as 16-bit fractions of the panel."""
PIXELS = 520
"""The largest width of the player on the screen."""
SIDE = 4.4
"""Its width in inches, for the sizes of text."""


def player(view: View, times: Sequence[float], *, fps: float = 10.0, themed: bool = False) -> str:
    """Write the HTML of a movie: a slider, a button that plays, and the arrow keys.

    Parameters
    ----------
    view : View
        The clouds, one for each picture.
    times : sequence of float
        The flow time of each.
    fps : float, default 10.0
        Pictures per second.
    themed : bool, default False
        Whether the colours follow the reader's dark mode. Otherwise the paper is white, as in a notebook, whose theme
        is not that of the system.

    Returns
    -------
    str
        HTML with an inline script. All pictures are in it.

    See Also
    --------
    wgf.figures.Movie, wgf.Solution.animate

    Examples
    --------
    >>> import wgf
    >>> view = wgf.figures.View.of([wgf.Ensemble.gaussian(50, 2, seed=k) for k in (0, 1)])
    >>> "<canvas" in wgf.figures.player(view, [0.0, 1.0])
    True
    """
    from jinja2 import Template

    figure, (axis,) = canvas(1, 1, width=SIDE, height=0.7 * SIDE if view.line else SIDE)
    axis.set_xlim(view.x)
    axis.set_ylim(view.y)
    if not view.line:
        axis.set_aspect("equal")
    finish(axis, view.labels[1], view.labels[0], legend=False)
    figure.draw_without_rendering()
    place = axis.get_position()
    box = (place.x0, 1 - place.y1, place.width, place.height)
    numbers = [_numbers(view, k) for k in range(len(view.clouds))]
    film: dict[str, Any] = {
        "times": [f"{t:.4g}".replace("-", "−") for t in times],
        "starts": np.cumsum([0, *map(len, numbers)]).tolist(),
        "bars": BINS if view.line else 0,
        "alpha": max(view.alpha(0), 0.25) if view.clouds else 1.0,
        "pause": 1000 / fps,
        "page": themed,
        "colours": {"--wgf-blue": BLUE, "--wgf-orange": ORANGE},
        "data": base64.b64encode(np.concatenate(numbers).astype("<u2").tobytes()).decode("ascii"),
    }
    text = json.dumps(film)
    return Template(TEMPLATE.read_text(encoding="utf-8")).render(
        name="film-" + hashlib.sha256(text.encode()).hexdigest()[:12],
        title="particles at the time of the slider",
        width=PIXELS,
        paper="" if themed else "background: white; color: #222222; padding: 6px; font-family: sans-serif",
        image=data_uri(figure, themed),
        box=[f"{100 * part:.3f}" for part in box],
        last=len(times) - 1,
        film=text,
    )


def _numbers(view: View, k: int) -> np.ndarray:
    """One picture as integers: bars and density; or place and radius of each dot, in thousandths of a point."""
    if view.line:
        heights = np.concatenate([view.bars(k), view.density(k)]) / view.y[1]
        return np.rint(WHOLE * np.clip(heights, 0, 1)).astype(np.uint16)
    x = view.clouds[k]
    if not len(x) or x.shape[1] != 2:
        return np.zeros(0, np.uint16)
    low, wide = np.array([view.x[0], view.y[0]]), np.array([view.x[1] - view.x[0], view.y[1] - view.y[0]])
    place = np.rint(WHOLE * np.clip((x - low) / wide, 0, 1))
    radius = np.minimum(np.rint(1000 * np.sqrt(view.sizes(k) / np.pi)), WHOLE)
    return np.column_stack([place, radius]).astype(np.uint16).ravel()
