"""Any torch scalar of particles and weights as a functional; autograd does the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError
from ..functional import Evaluation, Functional
from ..measure import Ensemble


class FunctionOf(Functional):
    """𝓕(x, w) given as a torch function that returns a scalar.

    δ𝓕/δμ(xᵢ) = ∂𝓕/∂wᵢ and ∇_W 𝓕(xᵢ) = (1/wᵢ) ∂𝓕/∂xᵢ. At other points the function is differentiated with
    respect to the weight of a particle of weight zero put there, so it should depend on (x, w) as a measure does.
    """

    def __init__(self, fn: Callable[[Tensor, Tensor], Tensor], name: str | None = None) -> None:
        if not callable(fn):
            raise ConfigError(f"from_function({fn!r}): wanted a callable of (x, weights).")
        self._fn = fn
        given = name or getattr(fn, "__name__", "")
        self._name = given if given and given != "<lambda>" else "from_function"

    @property
    def name(self) -> str:
        return self._name

    def _call(self, x: Tensor, weights: Tensor) -> Tensor:
        result: Any = self._fn(x, weights)
        if not isinstance(result, Tensor) or result.ndim != 0:
            shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ShapeError(f"{self.name}: the function returned {shape}; wanted a torch scalar (shape ()).")
        return result

    def _value(self, mu: Ensemble) -> Tensor:
        with ops.one_torch_thread(), torch.no_grad():
            return self._call(mu.x.clone(), mu.weights.to(mu.dtype, copy=True)).double()

    def _derivatives(self, mu: Ensemble, at: Tensor | None, second: bool) -> tuple[Tensor, Tensor | None]:
        """∂𝓕/∂w at the points and, if asked, its gradient there."""
        with ops.one_torch_thread(), torch.enable_grad():
            x, weights = mu.x.detach(), mu.weights.detach().to(mu.dtype)
            points = (x if at is None else at).detach().clone().requires_grad_()
            extra = torch.zeros_like(points[:, 0]).requires_grad_()
            value = self._call(torch.cat([x, points]), torch.cat([weights, extra]))
            if not value.requires_grad:
                raise ConfigError(f"{self.name}: the function is not a differentiable torch function of (x, weights).")
            (variation,) = torch.autograd.grad(value, extra, create_graph=second, allow_unused=True)
            if variation is None:
                raise ConfigError(
                    f"{self.name}: the function does not depend on the weights, so its first variation cannot be had; "
                    "write averages as w @ f(x), not f(x).mean()."
                )
            gradient = _derivative(variation.sum(), points)[0] if second else None
        return variation.detach(), gradient

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._derivatives(mu, at, second=False)[0]

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        if at is None and mu.positive_weights:
            return self._evaluate(mu).gradient
        gradient = self._derivatives(mu, at, second=True)[1]
        assert gradient is not None
        return gradient

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        if not mu.positive_weights:
            return Evaluation(self._value(mu), self._gradient(mu, None))
        with ops.one_torch_thread(), torch.enable_grad():
            x, weights = mu.x.detach().clone().requires_grad_(), mu.weights.to(mu.dtype, copy=True)
            value = self._call(x, weights)
            (gradient,) = _derivative(value, x)
            gradient = gradient / weights[:, None]
        return Evaluation(value.detach().double(), gradient)


def _derivative(value: Tensor, of: Tensor, create_graph: bool = False) -> tuple[Tensor, ...]:
    if not value.requires_grad:
        return (torch.zeros_like(of),)
    return torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True)


def from_function(fn: Callable[[Tensor, Tensor], Tensor], name: str | None = None) -> FunctionOf:
    """A functional from any torch scalar of (x (n, d), weights (n,)), both in the dtype of the particles.

    `fn` runs in one torch thread, so that bits do not depend on the number of threads.

    >>> import wgf
    >>> spread = from_function(lambda x, w: (w[:, None] * x**2).sum())
    >>> spread.gradient(wgf.Ensemble([[1.0], [3.0]])).flatten().tolist()
    [2.0, 6.0]
    """
    return FunctionOf(fn, name)
