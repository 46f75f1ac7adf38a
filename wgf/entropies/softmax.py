"""Softmax-normalised entropies, in both readings of the name."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, closest, require_number
from ..extension import renamed
from ..functional import Evaluation
from ..measure import Ensemble
from .base import Entropy, Variant

_AXES = ("features", "particles")


@renamed(temperature="tau")
class Softmax(Entropy):
    """Entropy of softmax-normalised coordinates at softmax temperature τ.

    axis="features":  S = ∫ H(softmax(x/τ)) dμ, ∇_W S = −(1/τ) pⱼ (log pⱼ + H). A potential in disguise: no
    dependence on μ, so nothing spreads particles, and it vanishes both at uniform and at one-hot p.

    axis="particles": S = (1/d) Σⱼ H(p_{·j}), p_{ij} ∝ wᵢ exp(xᵢⱼ/τ), H = −Σᵢ p log(p/w); with the density q = p/w,
    δS/δμ = (1/d) Σⱼ qⱼ(1 − log qⱼ − Hⱼ) and ∇_W S = −(1/(dτ)) qⱼ (log qⱼ + Hⱼ).
    """

    def __init__(self, tau: float = 1.0, axis: str = "features") -> None:
        self.tau = require_number("softmax tau", tau, positive=True)
        if axis not in _AXES:
            raise ConfigError(f"Softmax(axis={axis!r}){closest(axis, _AXES)}")
        self.axis = axis

    @property
    def fewest_particles(self) -> int:
        return 1 if self.axis == "features" else 2

    @classmethod
    def variants(cls) -> tuple[Variant, ...]:
        """Both axes, at τ = 1."""
        return (
            Variant("SoftmaxFeatures", "softmax over features", lambda mu: cls()),
            Variant("SoftmaxParticles", "softmax over particles", lambda mu: cls(axis="particles")),
        )

    def _features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """H (m,) and the gradient (m, d) of x ↦ H(softmax(x/τ))."""
        with ops.one_torch_thread():
            log_p = torch.log_softmax(x / self.tau, dim=1)
            p = log_p.exp()
            h = -(p * log_p).sum(1)
        return h, -p * (log_p + h[:, None]) / self.tau

    def _density(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """q and log q at the points (m, d) and H (d,); sums are shifted by the largest exponent."""
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
