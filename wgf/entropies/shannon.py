"""The Shannon entropy −∫ρ log ρ. Stochastic solvers realise it by noise; it has no force on particles."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor

from ..errors import ConfigError
from ..measure import Ensemble
from .base import Entropy


class Shannon(Entropy):
    """The Shannon entropy of the density ρ; with it the flow of E − T·S is the Fokker–Planck equation.

        S[μ] = −∫ ρ log ρ,    δS/δμ = −log ρ − 1,    ∇_W S = −∇log ρ

    It spreads particles as heat does. A stochastic solver such as `Langevin` realises −T·S by the noise √(2T) dB.

    Raises
    ------
    ConfigError
        If a value, first variation or force on particles is wanted. Deterministic solvers refuse the term for that
        reason, and the message names surrogates with a force.

    See Also
    --------
    wgf.Blob, wgf.LogDet, wgf.solvers.Langevin, wgf.solvers.Grid

    Notes
    -----
    A sum of point masses has no density, so ρ is not known. Up to dimension 8 the ledger reports estimates, with the
    name of the estimator.

    References
    ----------
    Jordan, Kinderlehrer & Otto (1998), The variational formulation of the Fokker–Planck equation, SIAM J. Math. Anal.
    29.

    Examples
    --------
    >>> import wgf
    >>> F = wgf.Quadratic() - 0.5 * wgf.Shannon()  # stationary: a Gaussian of variance T/k = 0.5
    >>> solver = wgf.solvers.Langevin()
    >>> wgf.solve(F, wgf.Ensemble.gaussian(8, 1), solver, dt=0.1, t_end=0.2).ensemble.n
    8
    """

    integrates = True
    realised_by_noise = True

    def _refuse(self) -> NoReturn:
        raise ConfigError(
            "Shannon entropy has no value or force on particles: use a stochastic solver (wgf.solvers.Langevin), which "
            "realises it by noise, or a surrogate with a force, such as LogDet, Variance or Blob. "
            "For an estimate of the value see wgf.diagnostics.knn_entropy."
        )

    def _value(self, mu: Ensemble) -> Tensor:
        self._refuse()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._refuse()

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._refuse()
