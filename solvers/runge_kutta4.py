"""The classical Runge–Kutta method: four slopes per step, order 4."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class RungeKutta4(ExplicitRungeKutta):
    """The classical Runge–Kutta method for ẋ = v = −∇_W F. Take it for many digits on a smooth flow.

        k₁ = v(x, t),   k₂ = v(x + ½h k₁, t + ½h),   k₃ = v(x + ½h k₂, t + ½h),   k₄ = v(x + h k₃, t + h)
        x' = x + h (k₁ + 2k₂ + 2k₃ + k₄)/6

    Raises
    ------
    ConfigError
        From `solve`, if F has a Shannon term: it has no force on particles. Take `Langevin` or a surrogate.

    See Also
    --------
    wgf.solvers.Euler, wgf.solvers.Heun, wgf.solvers.BogackiShampine

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order is 4. On a quadratic of stiffness k the scheme is
    stable for h < 2.785/k. A step costs four evaluations of ∇_W F; memory is O(n·d). The dissipation of a step is the
    mean of ∫|kᵢ|² dμ with the weights 1/6, 1/3, 1/3, 1/6, in the Wasserstein metric.

    References
    ----------
    Kutta (1901), Beitrag zur näherungsweisen Integration totaler Differentialgleichungen, Z. Math. Phys. 46, 435–453.

    Examples
    --------
    >>> import math, wgf
    >>> sol = wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), RungeKutta4(), dt=0.1, t_end=1.0)
    >>> abs(sol.ensemble.x.item() - math.exp(-1)) < 1e-6
    True
    """

    a: ClassVar[tuple[Row, ...]] = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    b: ClassVar[Row] = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    c: ClassVar[Row] = (0.0, 0.5, 0.5, 1.0)
    order: ClassVar[int] = 4
