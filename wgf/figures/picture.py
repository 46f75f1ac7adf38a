"""A figure that a notebook shows by itself, and that a script shows in a window."""

from __future__ import annotations

import io
import warnings
from typing import Any

from matplotlib.figure import Figure

DPI = 144
"""Pixels per inch of a picture in a notebook; it is shown at half of them, sharp on fine screens."""


class Picture(Figure):
    """A matplotlib Figure that needs no pyplot: a notebook shows it without magic, `show()` opens a window.

    Notes
    -----
    `savefig` and all else is that of matplotlib.

    See Also
    --------
    wgf.Solution.plot : makes one.

    Examples
    --------
    >>> import wgf
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble.gaussian(50, 2), wgf.solvers.Heun(), dt=0.1, t_end=1.0)
    >>> sol.plot()
    <Picture of 6 panels: savefig(path) writes it, show() opens a window>
    """

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture for a notebook, with its size on the screen in pixels."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        width, height = (round(inches * DPI / 2) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}

    def show(self, warn: bool = True) -> None:
        """Show the figure: in a notebook below the cell, in a script in a window until that is closed.

        Parameters
        ----------
        warn : bool, default True
            Whether to warn where no window can be opened.

        Warns
        -----
        UserWarning
            Where matplotlib has no window to open, such as on a machine without a screen. Then use `savefig`.
        """
        if _in_notebook():
            from IPython.display import display

            display(self)
            return
        from matplotlib import get_backend
        from matplotlib import pyplot as plt
        from matplotlib.backends import BackendFilter, backend_registry

        known = backend_registry.list_builtin(BackendFilter.INTERACTIVE)
        if get_backend().lower() not in known:
            if warn:
                told = f"no window can be opened here (matplotlib uses {get_backend()}): savefig(path) writes a file."
                warnings.warn(told, UserWarning, stacklevel=2)
            return
        frame = plt.figure(figsize=self.get_size_inches())  # pyplot has windows for figures that it made
        manager = frame.canvas.manager
        frame.canvas.figure = self
        self.set_canvas(frame.canvas)
        try:
            plt.show(block=True)
        finally:
            if manager is not None:
                plt.close(manager.num)

    def __repr__(self) -> str:
        count = len(self.axes)
        panels = f"{count} panel{'' if count == 1 else 's'}"
        return f"<Picture of {panels}: savefig(path) writes it, show() opens a window>"


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs this."""
    import sys

    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return False
    shell: Any = sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
