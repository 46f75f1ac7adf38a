"""The kernel Stein discrepancy: the distance from the particles to a law of which only the score ∇log p is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, shown
from ..extension import Reading
from ..functional import Evaluation, Functional, Work
from ..kernels import Kernel
from ..kernels.composition import written
from ..kernels.derivatives import twice_differentiable
from ..kernels.stein import discrepancy
from ..measure import Ensemble, first_bad_row, returned
from .discrepancy import require_plain


class KSD(Functional):
    """The squared kernel Stein discrepancy: how far μ is from a density p that is known up to a factor.

        𝓕[μ] = ∬ u dμ dμ,    u(x, y) = k s·s′ + s·∇ᵧk + s′·∇ₓk + tr ∇ₓ∇ᵧk,    s = ∇log p(x), s′ = ∇log p(y)
        δ𝓕/δμ(x) = 2 ∫ u(x, ·) dμ,    ∇_W 𝓕(x) = 2 ∫ ∇ₓu(x, ·) dμ

    𝓕 ≥ 0, and 𝓕 = 0 at μ = p.

    Parameters
    ----------
    score : callable (n, d) -> (n, d)
        s = ∇log p, row by row, in torch. It is given float64 copies. The gradient of 𝓕 needs its derivative, by
        autograd.
    kernel : Kernel
        A positive definite function of |x − y| with two derivatives at 0: Gaussian, InverseMultiquadric, Matern from
        3/2, a softened Riesz, sums of these with factors ≥ 0, or a RadialKernel that the user knows to be positive
        definite.

    Raises
    ------
    ConfigError
        If the kernel is another one, the score writes to x, or cannot be differentiated where a gradient is needed.
    ShapeError
        If the score returns another shape.
    DivergenceError
        If the score is not finite. The message names the particle.

    See Also
    --------
    wgf.MMD, wgf.SlicedWasserstein, wgf.Wasserstein, wgf.diagnostics.wasserstein

    Notes
    -----
    Time O(n²·d); memory O(n·d) and a block of rows. The score runs in one thread.
    Self pairs belong to the sum, so n samples of p itself have the value E u(x, x)/n on average.
    With a kernel that decays fast, such as the Gaussian, 𝓕 may be small although mass escapes; InverseMultiquadric
    prevents that (Gorham & Mackey 2017). 𝓕 hardly sees the relative weights of modes that are far apart, and particles
    may stay on a line of symmetry between two modes (Korba et al. 2021).

    References
    ----------
    Liu, Lee & Jordan (2016), A kernelized Stein discrepancy for goodness-of-fit tests, ICML.
    Gorham & Mackey (2017), Measuring sample quality with kernels, ICML.
    Korba, Aubin-Frankowski, Majewski & Ablin (2021), Kernel Stein discrepancy descent, ICML.

    Examples
    --------
    >>> import wgf
    >>> term = wgf.KSD(lambda x: -x, wgf.kernels.Gaussian(1.0))
    >>> term.value(wgf.Ensemble([[3.0, 0.0]])).item()  # |s|² + d/h²
    11.0
    """

    def __init__(self, score: Callable[[Tensor], Any], kernel: Kernel) -> None:
        if not callable(score):
            raise ConfigError(f"KSD(score={shown(score)}): wanted a callable, points (n, d) to ∇log p (n, d).")
        if not isinstance(kernel, Kernel) or not twice_differentiable(kernel):
            raise ConfigError(
                f"KSD(kernel={written(kernel)}): wanted a function of |x − y| that is twice differentiable at 0, such "
                "as InverseMultiquadric(1.0), Gaussian(1.0) or Matern(2.5, 1.0); give a singular one a softening."
            )
        if not kernel.positive_definite:
            raise ConfigError(
                f"KSD(kernel={written(kernel)}): wanted one that is known to be positive definite, such as "
                "InverseMultiquadric(1.0) or Gaussian(1.0), or sums of them with factors ≥ 0; if you know that "
                "yours is, write it as a RadialKernel."
            )
        self.score, self.kernel = score, kernel
        self._score = Reading("KSD: score", score)

    def _scores(self, x: Tensor) -> Tensor:
        """The score at the rows of x, checked; x may require a gradient or not."""
        scores = returned("KSD: score", self._score(x.clone()), "a tensor (n, d)", x.device)
        if scores.shape != x.shape:
            raise ShapeError(f"KSD: score returned shape {tuple(scores.shape)}; wanted {tuple(x.shape)}.")
        bad = first_bad_row(scores.detach())
        if bad is not None:
            raise DivergenceError(f"KSD: score returned {scores.detach()[bad].tolist()} at particle {bad}.")
        return scores

    def _plain_scores(self, x: Tensor) -> Tensor:
        with ops.one_torch_thread(), torch.no_grad():
            return self._scores(x.detach().double())

    def _rows(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        """∫ u(x, ·) dμ (m,), float64."""
        own = self._plain_scores(mu.x)
        there = own if at is None else self._plain_scores(at)
        return mu.reduce(discrepancy(self.kernel, mu.points(at), mu.x, there, own, mu.weights, False)[0])

    def _both(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        """∫ u(x, ·) dμ (m,) and its gradient (m, d), float64."""
        require_plain(self, mu)
        points, own = mu.points(at), self._plain_scores(mu.x)
        with ops.one_torch_thread(), ops.recorded():
            x = points.detach().double().clone().requires_grad_()
            scores = self._scores(x)
            if not scores.requires_grad:
                raise ConfigError(
                    "KSD: the score is not a differentiable torch function of x, so that there is a value but no "
                    "gradient; write it in torch (a constant one as c + 0 * x)."
                )
            parts = discrepancy(self.kernel, points, mu.x, scores.detach(), own, mu.weights, True)
            value, along, slope = (mu.reduce(part) for part in parts)
            (turned,) = torch.autograd.grad(scores, x, along.to(scores.dtype))
        return value, slope + turned

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        return Work.over_pairs(mu, mu.n)

    @property
    def infimum(self) -> float:
        return 0.0

    def _value(self, mu: Ensemble) -> Tensor:
        return mu.expect(self._rows(mu, None))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (2.0 * self._rows(mu, at)).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (2.0 * self._both(mu, at)[1]).to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient = self._both(mu, None)
        return Evaluation(mu.expect(value), (2.0 * gradient).to(mu.dtype))
