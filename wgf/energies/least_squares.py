"""The misfit of an inverse problem: particles are parameters, and a forward map G predicts the data from them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, WgfWarning, require_number, shown
from ..extension import Reading
from ..functional import Evaluation, Functional
from ..measure import ArrayLike, Ensemble, as_numbers, first_bad_row, returned
from ..measure.spread import without_spread
from ..ops import linalg
from ..ops.range import all_within


class LeastSquares(Functional):
    """The expected misfit between predicted and measured data, weighted by the noise.

        𝓕[μ] = ∫ V dμ,    V(x) = ½ (G(x) − y)·Γ⁻¹(G(x) − y)
        δ𝓕/δμ = V,    ∇_W 𝓕 = ∇V = (∇G)ᵀ Γ⁻¹ (G − y)

    With `Shannon()` at T = 1 and a prior as a term of its own (`Quadratic`), F is minimised by the Bayesian posterior.

    Parameters
    ----------
    forward : callable (n, d) -> (n, K)
        The forward map G, row by row. It is given copies in the dtype of the particles and runs in one thread.
    data : array (K,)
        The measured data y; kept in float64.
    noise_cov : float, array (K,) or array (K, K)
        The covariance Γ of the noise: one variance, K variances, or a symmetric positive definite matrix.

    Raises
    ------
    ConfigError
        If `forward` cannot be called or writes to x, Γ is not positive definite, numbers are not finite, or a gradient
        is needed of a G that is not written in torch.
    ShapeError
        If predictions, data and Γ do not fit.
    DivergenceError
        If predictions are not finite. The message names the particle.

    See Also
    --------
    wgf.energies.LinearisedLeastSquares, wgf.solvers.AffineInvariant, wgf.solvers.Langevin

    Notes
    -----
    The derivative of G is by autograd. A G that is not written in torch has values only. Then use
    `AffineInvariant(gradient_free=True)`, which needs no derivative. The stiffness is about ‖∇G‖²/Γ: a small noise
    needs a small step.

    References
    ----------
    Stuart (2010), Inverse problems: a Bayesian perspective, Acta Numerica 19.

    Examples
    --------
    >>> import wgf
    >>> misfit = wgf.LeastSquares(lambda x: x**2, data=[3.0], noise_cov=0.5)
    >>> mu = wgf.Ensemble([[2.0]])
    >>> misfit.value(mu).item(), misfit.gradient(mu).item()
    (1.0, 8.0)
    """

    linear = True
    integrates = True
    by_values = True

    def __init__(self, forward: Callable[[Tensor], Any], data: ArrayLike, noise_cov: ArrayLike = 1.0) -> None:
        if not callable(forward):
            raise ConfigError(f"LeastSquares(forward={shown(forward)}): wanted a callable, particles (n, d) to (n, K).")
        self._forward = Reading("LeastSquares: forward", forward)
        self.data = _finite("data", data)
        if self.data.ndim != 1 or not len(self.data):
            raise ShapeError(f"LeastSquares: data of shape {tuple(self.data.shape)}; wanted (K,), K ≥ 1.")
        self._precision = _precision(noise_cov, len(self.data))
        self._narrow = all(bool(all_within(part, 1e20)) for part in (self.data, self._precision))

    def __repr__(self) -> str:
        return f"LeastSquares({len(self.data)} data)"

    def forward(self, x: Tensor) -> Tensor:
        """Predict the data from the particles.

        Parameters
        ----------
        x : Tensor (n, d)
            Particles.

        Returns
        -------
        Tensor (n, K)
            G(x), in the dtype of x.

        Raises
        ------
        ShapeError
            If the forward map returns something else than (n, K).
        DivergenceError
            If a prediction is not finite. The message names the particle.
        """
        found = returned("LeastSquares: forward", self._forward(x.clone()), "a tensor (n, K)", x.device)
        predictions = found.to(x.dtype)
        if predictions.shape != (len(x), len(self.data)):
            raise ShapeError(
                f"LeastSquares: forward returned shape {tuple(predictions.shape)} for {len(x)} particles and "
                f"{len(self.data)} data; wanted {(len(x), len(self.data))}."
            )
        bad = first_bad_row(predictions.detach())
        if bad is not None:
            raise DivergenceError(f"LeastSquares: forward is not finite at particle {bad}.")
        return predictions

    def linearised(self) -> LinearisedLeastSquares:
        return LinearisedLeastSquares(self)

    def residuals(self, predictions: Tensor) -> tuple[Tensor, Tensor]:
        """The residuals r = G − y, and the same weighted by the inverse noise covariance.

        Parameters
        ----------
        predictions : Tensor (n, K)
            G(x).

        Returns
        -------
        tuple of Tensor (n, K)
            r and Γ⁻¹ r, in the dtype of the predictions; float64 where data or Γ are out of the range of float32.
        """
        if predictions.dtype == torch.float32 and not self._narrow:
            return self.residuals(predictions.double())
        r = predictions - self.data.to(predictions, non_blocking=True)
        precision = self._precision.to(predictions, non_blocking=True)
        weighted = ops.affine(r, torch.zeros_like(r[0]), precision) if precision.ndim == 2 else precision * r
        return r, weighted

    def _plain(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """G, G − y and Γ⁻¹(G − y), each (m, K), without derivatives."""

        def parts(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            with ops.one_torch_thread(), torch.no_grad():
                predictions = self.forward(points.detach())
            return predictions, *self.residuals(predictions)

        found: tuple[Tensor, Tensor, Tensor] = parts(mu.points(at)) if at is not None else mu.rowwise(parts, mu.x)
        return found

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * mu.inner(*self._plain(mu, None)[1:])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (0.5 * linalg.row_dot(*self._plain(mu, at)[1:])).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._both(at)[1] if at is not None else mu.rowwise(self._both, mu.x)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        values, gradient = mu.rowwise(self._both, mu.x)
        return Evaluation(mu.expect(values), gradient)

    def _both(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """V (n,) and ∇V (n, d)."""
        with ops.one_torch_thread(), ops.recorded():
            x = points.detach().clone().requires_grad_()
            try:
                predictions = self.forward(x)
            except RuntimeError as error:
                if "requires grad" not in str(error):
                    raise
                raise _no_gradient() from error
            if not predictions.requires_grad:
                raise _no_gradient()
            r, weighted = self.residuals(predictions.detach())
            if weighted.dtype == predictions.dtype:
                (gradient,) = torch.autograd.grad(predictions, x, weighted)
            else:  # Γ⁻¹r may be out of the range of float32, and the gradient in it
                unit = torch.exp2(torch.frexp(weighted.abs().max()).exponent.double())
                (part,) = torch.autograd.grad(predictions, x, (weighted / unit).to(predictions.dtype))
                gradient = (unit * part.double()).to(x.dtype)
        return 0.5 * linalg.row_dot(r, weighted), gradient


class LinearisedLeastSquares(Functional):
    """The same misfit with a gradient that needs values of G only: the derivative-free form of `LeastSquares`.

    (∇G)ᵀ is replaced by its statistical linearisation C⁻¹C^{xG}, with C^{xG} = ∫ (x − m)(G − ∫G dμ)ᵀ dμ:

        ∇_W 𝓕(x) ≈ C⁻¹ C^{xG} Γ⁻¹ (G(x) − y)

    `LeastSquares.linearised()` makes it. Value and first variation are those of the misfit.

    Parameters
    ----------
    misfit : LeastSquares
        The misfit. Its name is kept in the ledger.

    See Also
    --------
    wgf.LeastSquares, wgf.solvers.AffineInvariant

    Notes
    -----
    C⁻¹ is the inverse on the span of the particles: this term moves them only within the affine space that they span.
    For an affine G the result is the gradient itself, as far as it lies in that space. Cost: one call of G, and O(n d
    (d + K) + d³).

    References
    ----------
    Garbuno-Iñigo, Hoffmann, Li & Stuart (2020), SIAM J. Appl. Dyn. Syst. 19.

    Examples
    --------
    >>> import wgf
    >>> misfit = LeastSquares(lambda x: 2 * x, data=[0.0])
    >>> mu = wgf.Ensemble([[1.0], [2.0]])
    >>> misfit.linearised().gradient(mu).flatten().round(decimals=9).tolist()  # that of V = 2x²
    [4.0, 8.0]
    """

    integrates = True
    by_values = True

    def __init__(self, misfit: LeastSquares) -> None:
        self.misfit = misfit

    @property
    def name(self) -> str:
        return self.misfit.name

    def prepare(self, mu: Ensemble) -> Functional:
        named = without_spread(mu)
        if named:
            warnings.warn(
                f"{self.name}: the particles have no spread in {named}, so that a gradient from values of the forward "
                "map alone is zero there. Start from particles that differ in every direction.",
                WgfWarning,
                stacklevel=2,
            )
        return self

    def _value(self, mu: Ensemble) -> Tensor:
        return self.misfit._value(mu)

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self.misfit._first_variation(mu, at)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if at is None:
            return self._evaluate(mu).gradient
        return self._linearised(mu, self.misfit._plain(mu, None)[0], self.misfit._plain(mu, at)[2], at)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        predictions, r, weighted = self.misfit._plain(mu, None)
        return Evaluation(0.5 * mu.inner(r, weighted), self._linearised(mu, predictions, weighted, None))

    def _linearised(self, mu: Ensemble, predictions: Tensor, weighted: Tensor, at: Tensor | None) -> Tensor:
        """C⁻¹C^{xG} applied to the weighted residuals Γ⁻¹(G − y) (m, K): a gradient (m, d)."""
        mean, covariance = mu.moments()
        values, vectors = linalg.symmetric_eigen(covariance)
        least = len(values) * torch.finfo(mu.dtype).eps * values.max()
        least = torch.maximum(least, (vectors.square() * ops.least_variance(mean, mu.dtype)[:, None]).sum(0))
        inverse = torch.where(values > least, 1.0 / values, torch.zeros_like(values))
        # `away` sums to zero, so that any centre of G gives the same sum; a prediction as centre rounds less
        centre = mu.first(predictions).double()
        cross = mu.crossed(mu.x.double() - mean, predictions.double() - centre)
        turned = linalg.product(vectors.T.contiguous(), cross) * inverse[:, None]
        slope = linalg.product(vectors, turned)
        origin, turned = torch.zeros_like(weighted[0]), slope.T.contiguous()
        if at is None:
            moved: Tensor = mu.rowwise(lambda rows: ops.affine(rows, origin, turned), weighted)
            return moved.to(mu.dtype)
        return ops.affine(weighted, origin, turned).to(mu.dtype)


def _no_gradient() -> ConfigError:
    return ConfigError(
        "LeastSquares: forward is not a differentiable torch function of x; write it in torch, or use "
        "wgf.solvers.AffineInvariant(gradient_free=True), which needs values only."
    )


def _finite(name: str, value: ArrayLike) -> Tensor:
    """Finite numbers in float64."""
    tensor = as_numbers(f"LeastSquares: {name}", value)
    if not bool(torch.isfinite(tensor).all()):
        raise ConfigError(f"LeastSquares: {name} of shape {tuple(tensor.shape)} is not finite everywhere.")
    return tensor


def _precision(noise_cov: ArrayLike, count: int) -> Tensor:
    """Γ⁻¹: a number, (K,) or (K, K)."""
    if isinstance(noise_cov, (int, float, str, bool)):
        variance = require_number("LeastSquares noise_cov", noise_cov, positive=True)
        return torch.tensor(1.0 / variance, dtype=torch.float64)
    cov = _finite("noise_cov", noise_cov)
    if cov.shape not in ((), (count,), (count, count)):
        raise ShapeError(
            f"LeastSquares: noise_cov of shape {tuple(cov.shape)}; wanted a number, ({count},) or ({count}, {count})."
        )
    if cov.ndim < 2:
        if not bool((cov > 0).all()):
            raise ConfigError("LeastSquares: noise_cov has a variance that is not positive.")
        return 1.0 / cov
    inverse, _, condition = linalg.inverse_and_log_det(cov)
    if not torch.allclose(cov, cov.T, rtol=1e-10, atol=0.0) or not bool(condition < 1e15):
        raise ConfigError("LeastSquares: noise_cov is not a symmetric positive definite matrix.")
    return inverse
