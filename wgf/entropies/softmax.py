"""Entropies of softmax-normalised coordinates, over the features of a particle or over the particles."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, closest, require_length, shown
from ..extension import renamed
from ..functional import Evaluation
from ..measure import Ensemble
from ..ops import bodies
from .base import OfCoordinates, Variant

_AXES = ("features", "particles")


@renamed(temperature="tau")
class Softmax(OfCoordinates):
    """The entropy of coordinates that a softmax turns into probabilities; it does not spread particles.

    Over features, p = softmax(x/τ) for each particle, H = −Σⱼ pⱼ log pⱼ:

        S[μ] = ∫ H dμ,    δS/δμ = H,    (∇_W S)ⱼ = −(1/τ) pⱼ (log pⱼ + H)

    Over particles, p_{ij} ∝ wᵢ exp(xᵢⱼ/τ) for each coordinate j, qⱼ = p_{·j}/w, Hⱼ = −Σᵢ p log(p/w):

        S[μ] = (1/d) Σⱼ Hⱼ,    δS/δμ = (1/d) Σⱼ qⱼ(1 − log qⱼ − Hⱼ),    (∇_W S)ⱼ = −(1/(dτ)) qⱼ (log qⱼ + Hⱼ)

    Over features the force pulls the coordinates of one particle together. Over particles it pulls the particles
    together: it acts against spread.

    Parameters
    ----------
    tau : float
        τ > 0, the temperature of the softmax, in the units of x. It is not the T of F = E − T·S.
    axis : {"features", "particles"}
        What the softmax runs over.

    Raises
    ------
    ConfigError
        If τ is not from 1e-50 to 1e50, or the axis is not known.

    See Also
    --------
    wgf.LogDet, wgf.SpectralEntropy, wgf.diagnostics.force_report

    Notes
    -----
    Over features S is a potential: it does not depend on μ, so no particle feels another. Both forces go to 0 where p
    is uniform, and where it is one-hot (one coordinate, or one particle, ahead of the others by many τ). Adding a
    constant to all coordinates, or to all particles, changes nothing. Time O(n d).

    Examples
    --------
    >>> import wgf
    >>> wgf.Softmax().gradient(wgf.Ensemble([[1.0, 0.0]])).round(decimals=4).tolist()  # towards equal coordinates
    [[-0.1966, 0.1966]]
    >>> wgf.Softmax(axis="particles").gradient(wgf.Ensemble([[1.0], [0.0]])).round(decimals=4).tolist()  # together
    [[-0.3932], [0.3932]]
    """

    def __init__(self, tau: float = 1.0, axis: str = "features") -> None:
        self.tau = require_length("softmax tau", tau)
        if axis not in _AXES:
            raise ConfigError(f"Softmax(axis={shown(axis)}){closest(axis, _AXES)}")
        self.axis = axis

    @property
    def fewest_particles(self) -> int:
        return 1 if self.axis == "features" else 2

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """Two forms, one for each axis, at τ = 1."""
        return (
            Variant("SoftmaxFeatures", "softmax over features", lambda mu: cls()),
            Variant("SoftmaxParticles", "softmax over particles", lambda mu: cls(axis="particles")),
        )

    def body(self, mu: Ensemble) -> Any:
        return bodies.Softmax(self.tau) if self.axis == "features" else None

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """H (m,) and the gradient (m, d) of x ↦ H(softmax(x/τ))."""
        return ops.softmax_entropy(x, self.tau)

    def _density(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """q and log q (m, d) at the points, and H (d,). The largest exponent is taken out so that nothing overflows."""
        with ops.one_torch_thread():
            s = mu.x.double() / self.tau
            top = s.max(0).values
            shifted = torch.exp(s - top)
            z = mu.expect(shifted)
            entropy = torch.log(z) - mu.expect(shifted * (s - top)) / z
            log_q = mu.points(at).double() / self.tau - top - torch.log(z)
            return log_q.exp(), log_q, entropy

    def _value(self, mu: Ensemble) -> Tensor:
        if self.axis == "features":
            return mu.expect(self._features(mu.x)[0])
        return self._density(mu, None)[2].mean()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self.axis == "features":
            return self._features(mu.points(at))[0]
        q, log_q, h = self._density(mu, at)
        return (q * (1 - log_q - h)).mean(1).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if self.axis == "features":
            return self._features(mu.points(at))[1]
        q, log_q, h = self._density(mu, at)
        return (-q * (log_q + h) / (self.tau * mu.dim)).to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        if self.axis == "features":
            h, gradient = self._features(mu.x)
            return Evaluation(mu.expect(h), gradient)
        return super()._evaluate(mu)
