"""Uniformity: the Rényi-2 entropy of a kernel density, by which contrastive learning spreads representations."""

from __future__ import annotations

import math
from types import MappingProxyType

import torch
from torch import Tensor

from ..errors import ConfigError, closest, require_length, require_number, shown
from ..functional import Evaluation, Work
from ..kernels import Gaussian
from ..measure import Ensemble
from ..summation import METHODS, Check, Summation, require_method
from .base import Entropy, Variant


class Uniformity(Entropy):
    """Minus the logarithm of the mean Gaussian similarity of two particles: it is large where they are far apart.

        S[μ] = −log Z,    Z = ∬ e^{−t|x−y|²} dμ(x) dμ(y)
        δS/δμ = −(2/Z) ∫ e^{−t|x−y|²} dμ(y),    ∇_W S = (4t/Z) ∫ (x − y) e^{−t|x−y|²} dμ(y)

    The pair of a particle with itself is included. The force pushes particles apart. Each feels neighbours within about
    1/√t. Up to a constant S is the Rényi entropy of order 2 of the density φ_h * μ, with h² = 1/(4t).

    Parameters
    ----------
    t : float
        t > 0, an inverse squared length (1/length²): not the flow time.
    method : {"auto", "dense", "fourier"}
        How to sum over pairs, as in `Interaction`.
    rtol : float
        The error allowed to "fourier", as in `Interaction`.

    Raises
    ------
    ConfigError
        If t is not positive, 1/√(2t) is not from 1e-50 to 1e50, or the method cannot sum a Gaussian to `rtol`.

    See Also
    --------
    wgf.KoLeo, wgf.Blob

    Notes
    -----
    S is from 0 (all particles at one place) to 1/Σw² in logarithm (all far apart). The force fades where all distances
    are far above 1/√t, and where the whole cloud is far smaller, as 4t(x − m): it does not prevent collapse.
    Time O(n² d) over all pairs. In d ≤ 3 near-linear by Fourier transforms where that is faster.

    References
    ----------
    Wang & Isola (2020), Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere, ICML.

    Examples
    --------
    >>> import wgf
    >>> force = wgf.Uniformity(2.0).gradient(wgf.Ensemble([[-0.5], [0.5]]))
    >>> force[0].item() < 0 < force[1].item()  # apart
    True
    """

    words = "uniformity"
    integrates = True
    regimes = MappingProxyType({"weak": "fades where all distances are far above 1/√t, or far below"})

    def __init__(self, t: float, method: str = "auto", rtol: float = 1e-6) -> None:
        self.t = require_number("uniformity t", t, positive=True)
        require_length("uniformity 1/√(2t)", 1.0 / math.sqrt(2.0 * self.t))
        if method not in METHODS:
            raise ConfigError(f"Uniformity(method={shown(method)}){closest(method, METHODS)}")
        self.method, self.rtol = method, require_number("rtol", rtol, positive=True)
        require_method(self._kernel, method, self.rtol)

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """One form, with t = 4/E|x − y|² of the first particles, as t = 2 is for points all over a unit sphere."""
        return (Variant(cls.__name__, cls.words, lambda mu: cls(2.0 / float(mu.covariance().trace()))),)

    @property
    def _kernel(self) -> Gaussian:
        return Gaussian(1.0 / math.sqrt(2.0 * self.t))

    @property
    def fewest_particles(self) -> int:
        return 1

    def undivided(self, mu: Ensemble) -> str | None:
        return "method='sorting' sorts all particles" if self.method == "sorting" else super().undivided(mu)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work.over_pairs(mu, mu.n, dense=self.method == "dense")

    def audit(self, mu: Ensemble) -> Check:
        """Say how the sums over μ are made, and measure their error where they are approximate.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d).

        Returns
        -------
        Check
            The method in use, and the error against sums over all pairs at 256 particles.
        """
        return mu.audit(self._kernel, Summation(self.method, self.rtol))

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        return mu.kernel_sums(self._kernel, at, None, self.method, self.rtol)

    def _value(self, mu: Ensemble) -> Tensor:
        return -torch.log(mu.expect(self._sums(mu, None)[0]))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        own, _ = self._sums(mu, None)
        there = own if at is None else self._sums(mu, at)[0]
        return (-2.0 / mu.expect(own) * there).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        own, gradient = self._sums(mu, None)
        there = gradient if at is None else self._sums(mu, at)[1]
        return (-2.0 / mu.expect(own) * there).to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        own, gradient = self._sums(mu, None)
        mass = mu.expect(own)
        return Evaluation(-torch.log(mass), (-2.0 / mass * gradient).to(mu.dtype))
