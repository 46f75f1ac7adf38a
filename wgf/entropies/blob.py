"""Entropies of the density φ_h * μ, a Gaussian blob on each particle: the Shannon form and the powers (Tsallis)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, closest, require_exponent, require_length, shown
from ..functional import Evaluation, Functional, Work
from ..kernels import Gaussian
from ..kernels.radial import pair_bodies
from ..measure import Ensemble, unwrapped
from ..ops import bodies
from .base import Entropy, Variant

RULES = ("silverman", "scott")


def bandwidth_by_rule(rule: str, mu: Ensemble) -> float:
    """The bandwidth h of Silverman's or Scott's rule of thumb for these particles.

        silverman: h = σ (4/((d + 2) n))^{1/(d+4)},    scott: h = σ n^{−1/(d+4)},    σ² = tr C/d

    Parameters
    ----------
    rule : {"silverman", "scott"}
        The rule.
    mu : Ensemble
        The particles (n, d). For unequal weights n is the effective number 1/Σw².

    Returns
    -------
    float
        h, a length in the units of x.

    Raises
    ------
    ConfigError
        If all particles coincide, up to rounding.

    References
    ----------
    Silverman (1986), Density Estimation for Statistics and Data Analysis, section 4.3.
    Scott (1992), Multivariate Density Estimation, section 6.3.

    Examples
    --------
    >>> import wgf
    >>> round(bandwidth_by_rule("scott", wgf.Ensemble([[-1.0], [1.0]])), 4)  # 2^{−1/5}
    0.8706
    """
    mu = unwrapped(mu)  # on a torus the spread is that around the circular mean
    mean, covariance = mu.moments()
    variances, n, d = covariance.diagonal(), mu.effective_size, mu.dim
    if bool((variances <= ops.least_variance(mean, mu.dtype)).all()):
        raise ConfigError(f"bandwidth={rule!r}: all particles coincide, so the rule gives 0; give a number.")
    factor = 4.0 / (d + 2.0) if rule == "silverman" else 1.0
    return math.sqrt(float(variances.mean())) * float(factor / n) ** (1.0 / (d + 4.0))


class _Smoothed(Entropy):
    """What the entropies of ρ = φ_h * μ share; φ_h is the Gaussian density of standard deviation h."""

    integrates = True

    def __init__(self, bandwidth: float | str) -> None:
        if isinstance(bandwidth, str):
            if bandwidth not in RULES:
                raise ConfigError(
                    f"bandwidth={shown(bandwidth)}: wanted a positive number or a rule{closest(bandwidth, RULES)}"
                )
            self.bandwidth: float | str = bandwidth
        else:
            self.bandwidth = require_length("bandwidth", bandwidth)

    @abstractmethod
    def _with(self, bandwidth: float) -> Functional:
        """The same entropy with this bandwidth."""

    def prepare(self, mu: Ensemble) -> Functional:
        if not isinstance(self.bandwidth, str):
            return self
        return self._with(bandwidth_by_rule(self.bandwidth, mu))

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work.over_pairs(mu, mu.n) + Work.over_pairs(mu, mu.n)  # a density, then its force

    def _blob(self, mu: Ensemble) -> tuple[Gaussian, float]:
        """The Gaussian without its normalisation, and the logarithm of that: the number itself overflows in large d."""
        h = bandwidth_by_rule(self.bandwidth, mu) if isinstance(self.bandwidth, str) else self.bandwidth
        return Gaussian(h), -0.5 * mu.dim * math.log(2 * math.pi * h * h)

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Gaussian, float, Tensor, Tensor, Tensor]:
        """The kernel, its log-normalisation, K*μ at the particles, and K*μ with its gradient at the points."""
        kernel, log_norm = self._blob(mu)
        own, own_gradient = mu.kernel_sums(kernel)
        there, gradient = (own, own_gradient) if at is None else mu.kernel_sums(kernel, at)
        if at is not None and bool((there <= 0).any()):
            point = int(torch.nonzero(there <= 0)[0])
            raise DivergenceError(
                f"{self.name}: the smoothed density underflows to 0 at point {point} of `at`; use a larger bandwidth."
            )
        return kernel, log_norm, own, there, gradient


class Blob(_Smoothed):
    """The Shannon entropy of the smoothed density ρ = φ_h * μ, in the form of Carrillo, Craig & Patacchini.

        S[μ] = −∫ log ρ dμ
        δS/δμ = −log ρ − φ_h * (μ/ρ),    ∇_W S = −∇ρ/ρ − ∇φ_h * (μ/ρ)

    The force pushes particles apart, from high to low ρ. Each feels neighbours within about h.

    Parameters
    ----------
    bandwidth : float or {"silverman", "scott"}
        h, the standard deviation of the Gaussian φ_h, a length in the units of x. `solve` resolves a rule once, from
        the initial ensemble, and then keeps h constant.

    Raises
    ------
    ConfigError
        If the bandwidth is not from 1e-50 to 1e50, the rule is not known, or a rule meets particles that all coincide.
    DivergenceError
        If ρ underflows to 0 at a point where it is wanted.

    See Also
    --------
    wgf.Shannon, wgf.LogDet, wgf.solvers.Langevin, wgf.solvers.Grid

    Notes
    -----
    The force fades where h is far below the distance to the nearest neighbour: every particle then sees itself only.
    Where h is far above the size of the cloud, it is about 2(x − m)/h² and weak. Rules give a small h in many
    dimensions. S tends to −∫ρ log ρ as n grows and h falls slowly enough. Time O(n² d), for two sums over all pairs.

    References
    ----------
    Carrillo, Craig & Patacchini (2019), A blob method for diffusion, Calc. Var. 58.

    Examples
    --------
    >>> import wgf
    >>> force = wgf.Blob(1.0).gradient(wgf.Ensemble([[-1.0], [1.0]]))
    >>> force[0].item() < 0 < force[1].item()  # apart
    True
    """

    is_log_density = True

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """One form, with the median distance of the first particles as bandwidth.

        Silverman's rule gives too small a bandwidth in many dimensions.
        """
        return (Variant("Blob", "blob", lambda mu: cls(float(torch.pdist(mu.x.double()).median()))),)

    def _with(self, bandwidth: float) -> Functional:
        return Blob(bandwidth)

    def body(self, mu: Ensemble) -> Any:
        if isinstance(self.bandwidth, str) or mu.n > bodies.BLOCK or mu.dim > ops.DIRECT_UP_TO or not mu.whole:
            return None
        made = pair_bodies(Gaussian(self.bandwidth), mu.weights, mu.dtype, mu.dim, changing=True)
        return made and bodies.Blob(made[0][0], made[0][1], (0,) * mu.dim)

    def _value(self, mu: Ensemble) -> Tensor:
        _, log_norm, own, _, _ = self._sums(mu, None)
        return self._from_density(mu, own, log_norm)

    @staticmethod
    def _from_density(mu: Ensemble, density: Tensor, log_norm: float) -> Tensor:
        with ops.one_torch_thread():
            return -mu.expect(torch.log(density)) - log_norm

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        kernel, log_norm, own, there, _ = self._sums(mu, at)
        with ops.one_torch_thread():
            log_density = torch.log(there) + log_norm
        return (-log_density - mu.kernel_sums(kernel, at, factor=1 / own)[0]).to(mu.dtype)

    def _force(
        self, mu: Ensemble, at: Tensor | None, kernel: Gaussian, own: Tensor, there: Tensor, g: Tensor
    ) -> Tensor:
        return (-g / there[:, None] - mu.kernel_sums(kernel, at, factor=1 / own)[1]).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        kernel, _, own, there, gradient = self._sums(mu, at)
        return self._force(mu, at, kernel, own, there, gradient)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        kernel, log_norm, own, there, gradient = self._sums(mu, None)
        return Evaluation(self._from_density(mu, own, log_norm), self._force(mu, None, kernel, own, there, gradient))


class Power(_Smoothed):
    """The power (Tsallis) entropy of the smoothed density ρ = φ_h * μ; it gives nonlinear diffusion.

        S[μ] = −(1/(m − 1)) ∫ ρ^{m−1} dμ,    m ≠ 1
        δS/δμ = −ρ^{m−1}/(m − 1) − φ_h * (ρ^{m−2} μ),    ∇_W S = −ρ^{m−2} ∇ρ − ∇φ_h * (ρ^{m−2} μ)

    The force pushes particles apart, from high to low ρ. −S tends to ∫ρᵐ/(m − 1) as h falls. m = 2 with T = 1 is the
    porous-medium flow ∂ρ/∂t = Δρ², with F = ∫ρ².

    Parameters
    ----------
    m : float
        The power, m > 0 and m ≠ 1.
    bandwidth : float or {"silverman", "scott"}
        h, as in `Blob`.

    Raises
    ------
    ConfigError
        If m is not a positive number or is 1 (use `Blob`), or the bandwidth does not fit.
    DivergenceError
        If the normalisation of φ_h is out of range (many dimensions), or ρ underflows to 0 at a point where it is
        wanted.

    See Also
    --------
    wgf.Blob, wgf.Shannon

    Notes
    -----
    For m > 1 the force is weak where ρ is small: the spread has a front. For m < 1 it is strong there, and small ρ
    makes the flow stiff. As with `Blob`, it fades where h is far below the distance of neighbours. Time O(n² d), for
    two sums.

    References
    ----------
    Otto (2001), The geometry of dissipative evolution equations: the porous medium equation, Comm. PDE 26.
    Carrillo, Craig & Patacchini (2019), A blob method for diffusion, Calc. Var. 58.

    Examples
    --------
    >>> import wgf
    >>> force = wgf.Power(m=2, bandwidth=1.0).gradient(wgf.Ensemble([[-1.0], [1.0]]))
    >>> force[0].item() < 0 < force[1].item()  # apart
    True
    """

    def __init__(self, m: float, bandwidth: float | str) -> None:
        super().__init__(bandwidth)
        self.m = require_exponent("m", m)
        if self.m == 1.0:
            raise ConfigError("Power(m=1) is the Shannon limit: use Blob(bandwidth).")

    @property
    def density_power(self) -> float:
        return self.m

    def _with(self, bandwidth: float) -> Functional:
        return Power(self.m, bandwidth)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _powers(self, own: Tensor, log_norm: float) -> tuple[Tensor, Tensor, float]:
        """ρ^{m−1} and ρ^{m−2} at the particles, and the normalisation of φ_h."""
        if abs(log_norm) > 700:
            raise DivergenceError(
                f"Power: the Gaussian of the blob is out of floating-point range ({log_norm:.0f} in log)."
            )
        norm = math.exp(log_norm)
        density = own * norm
        with ops.one_torch_thread():
            return density ** (self.m - 1), density ** (self.m - 2), norm

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        kernel, log_norm, own, there, _ = self._sums(mu, at)
        _, factor, norm = self._powers(own, log_norm)
        first, _, _ = self._powers(there, log_norm)
        return (-first / (self.m - 1) - norm * mu.kernel_sums(kernel, at, factor)[0]).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        kernel, log_norm, own, there, gradient = self._sums(mu, at)
        _, factor, norm = self._powers(own, log_norm)
        _, outer, _ = self._powers(there, log_norm)
        return (-norm * (outer[:, None] * gradient + mu.kernel_sums(kernel, at, factor)[1])).to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        kernel, log_norm, own, _, gradient = self._sums(mu, None)
        first, factor, norm = self._powers(own, log_norm)
        force = -norm * (factor[:, None] * gradient + mu.kernel_sums(kernel, None, factor)[1])
        return Evaluation(-mu.expect(first) / (self.m - 1), force.to(mu.dtype))
