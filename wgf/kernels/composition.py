"""How a kernel is put together: sums of exponentials with polynomials, and whether particles repel or attract."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import shown


class Exponential(NamedTuple):
    """One term of a kernel on a line: p(s) e^(−s), or p(s) where it does not decay.

    s = rate · |u|, with the rate in one over a length, and p(s) = p₀ + p₁s + p₂s².

    See Also
    --------
    wgf.kernels.Kernel

    Examples
    --------
    >>> import wgf
    >>> wgf.kernels.Laplace(2.0).exponentials()
    (Exponential(polynomial=(1.0, 0.0, 0.0), rate=0.5, decays=True),)
    """

    polynomial: tuple[float, float, float]
    rate: float
    decays: bool = True

    def times(self, factor: float) -> Exponential:
        """The term multiplied by a number."""
        p0, p1, p2 = self.polynomial
        return self._replace(polynomial=(factor * p0, factor * p1, factor * p2))


_OPPOSITE = {"repels": "attracts", "attracts": "repels"}


def acting(acts: str, factor: float) -> str:
    """How c·K acts, from how K does. What is neither plain repulsion nor plain attraction stays so for c > 0 only."""
    return acts if factor > 0 else _OPPOSITE.get(acts, "") if factor < 0 else ""


def written(value: object) -> str:
    """A kernel or a setting as it is written in code: a function by its name, anything else by `shown`."""
    formula = getattr(value, "formula", None)
    return formula if isinstance(formula, str) else getattr(value, "__name__", None) or shown(value)
