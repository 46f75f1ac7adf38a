"""Heun's method: an Euler step, corrected by the mean of the slopes at both ends."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class Heun(ExplicitRungeKutta):
    """Heun's method for ẋ = v = −∇_W F. Take it as the first choice for a smooth flow with fixed steps.

        k₁ = v(x, t),   k₂ = v(x + h k₁, t + h),   x' = x + ½h (k₁ + k₂)

    Raises
    ------
    ConfigError
        From `solve`, if F has a Shannon term: it has no force on particles. Take `Langevin` or a surrogate.

    See Also
    --------
    wgf.solvers.Euler, wgf.solvers.RungeKutta4, wgf.solvers.BogackiShampine

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order is 2. On a quadratic of stiffness k the scheme is
    stable for h < 2/k. A step costs two evaluations of ∇_W F; memory is O(n·d). The dissipation of a step is the mean
    of ∫|k₁|² dμ and ∫|k₂|² dμ, in the Wasserstein metric.

    References
    ----------
    Heun (1900), Neue Methoden zur approximativen Integration der Differentialgleichungen einer unabhängigen
    Veränderlichen, Z. Math. Phys. 45, 23–38.

    Examples
    --------
    >>> import wgf
    >>> wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), Heun(), dt=0.5, t_end=0.5).ensemble.x.item()
    0.625
    """

    a: ClassVar[tuple[Row, ...]] = ((), (1.0,))
    b: ClassVar[Row] = (0.5, 0.5)
    c: ClassVar[Row] = (0.0, 1.0)
    order: ClassVar[int] = 2
