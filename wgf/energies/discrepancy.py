"""Distances to a target given by samples."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from ..arrays import ArrayLike
from ..ensemble import Ensemble
from ..errors import ConfigError, ShapeError
from ..functional import Evaluation, Functional
from ..kernels import Kernel


class MMD(Functional):
    """½ MMD² = ½ ∬ k d(μ − ν)², ∇_W = ∫ ∇k(x, ·) d(μ − ν) (Arbel et al. 2019).

    `samples` is the target ν: an Ensemble, or an (m, d) array with equal weights. Singular kernels are refused.
    """

    def __init__(self, samples: Ensemble | ArrayLike, kernel: Kernel) -> None:
        if not isinstance(kernel, Kernel) or kernel.singular:
            raise ConfigError(f"MMD(kernel={kernel!r}): wanted a kernel that is finite at 0 (give it a softening).")
        # in float64, so that float32 samples do not round the particles they are compared with
        self.target = (samples if isinstance(samples, Ensemble) else Ensemble(samples)).to(dtype="float64")
        self.kernel = kernel

    @cached_property
    def _target_energy(self) -> Tensor:
        return 0.5 * self.target.expect(self.target.convolve(self.kernel))

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        if mu.dim != self.target.dim:
            raise ShapeError(f"MMD: particles of dimension {mu.dim}, samples of dimension {self.target.dim}.")
        value, gradient = mu.kernel_sums(self.kernel, at)
        cross, cross_gradient = self.target.kernel_sums(self.kernel, mu.points(at))
        return value, gradient, cross, cross_gradient.to(gradient.dtype)

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        value, _, cross, _ = self._sums(mu, at)
        return (value - cross).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        _, gradient, _, cross = self._sums(mu, at)
        return gradient - cross

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient, cross, cross_gradient = self._sums(mu, None)
        return Evaluation(mu.expect(0.5 * value - cross) + self._target_energy, gradient - cross_gradient)
