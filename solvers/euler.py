"""Explicit Euler, the simplest scheme: one step along the force."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class Euler(ExplicitRungeKutta):
    """Explicit Euler for ẋ = −∇_W F. Take it where only the end of the flow matters: a step is as cheap as can be.

        x' = x − h ∇_W F[μ](x)

    Raises
    ------
    ConfigError
        From `solve`, if F has a Shannon term: it has no force on particles. Take `Langevin` or a surrogate.

    See Also
    --------
    wgf.solvers.Heun, wgf.solvers.RungeKutta4, wgf.solvers.BogackiShampine, wgf.solvers.Accelerated

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order is 1: the error at a fixed time is O(h). On a
    quadratic of stiffness k the scheme is stable for h < 2/k. A step costs one evaluation of ∇_W F; memory is O(n·d).
    The dissipation is ∫|∇_W F|² dμ at the start of the step, in the Wasserstein metric.

    References
    ----------
    Euler (1768), Institutionum calculi integralis I, section 650. In modern words: Hairer, Nørsett & Wanner (1993),
    Solving Ordinary Differential Equations I, section I.7.

    Examples
    --------
    >>> import wgf
    >>> wgf.solve(wgf.Quadratic(), wgf.Ensemble([[1.0]]), Euler(), dt=0.125, t_end=0.125).ensemble.x.item()
    0.875
    """

    a: ClassVar[tuple[Row, ...]] = ((),)
    b: ClassVar[Row] = (1.0,)
    c: ClassVar[Row] = (0.0,)
    order: ClassVar[int] = 1
