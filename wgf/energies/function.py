"""A functional from any differentiable torch function of particles and weights; autograd gives its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, shown
from ..extension import Reading
from ..functional import Evaluation, Functional
from ..measure import Ensemble


class FunctionOf(Functional):
    """The functional 𝓕[μ] = fn(x, w) of a torch function; `from_function` makes it.

        δ𝓕/δμ(xᵢ) = ∂fn/∂wᵢ,    ∇_W 𝓕(xᵢ) = (1/wᵢ) ∂fn/∂xᵢ

    Parameters
    ----------
    fn : callable (x (n, d), weights (n,)) -> scalar Tensor
        The function, written in torch. Both arguments have the dtype of the particles.
    name : str, optional
        The name of the term in the ledger; by default the name of `fn`.
    entropy : bool, default False
        Whether 𝓕 is an entropy. It then enters a free energy as −T·𝓕, with a temperature T ≥ 0, and ledger, force
        report and collapse index count its force as the information force.

    Raises
    ------
    ConfigError
        If `fn` cannot be called or differentiated, writes to x or w, or does not depend on the weights where δ𝓕/δμ is
        needed.
    ShapeError
        If `fn` does not return a torch scalar.

    See Also
    --------
    wgf.from_function, wgf.Potential, wgf.Functional

    Notes
    -----
    At other points, and at particles of weight zero, 𝓕 is differentiated by the weight of an added particle of weight
    zero. So fn must depend on (x, w) as a measure does: write averages as `w @ f(x)`, not as `f(x).mean()`. Value and
    gradient take one forward and one backward pass of fn. First variations at m points call it with n + m rows.

    Examples
    --------
    >>> import wgf
    >>> mass_right = FunctionOf(lambda x, w: w @ x[:, 0].sigmoid(), name="mass_right")
    >>> mass_right.first_variation(wgf.Ensemble([[0.0]])).item()
    0.5
    """

    def __init__(
        self, fn: Callable[[Tensor, Tensor], Tensor], name: str | None = None, *, entropy: bool = False
    ) -> None:
        if not callable(fn):
            raise ConfigError(f"from_function({shown(fn)}): wanted a callable of (x, weights).")
        if not isinstance(entropy, bool):
            raise ConfigError(f"from_function: entropy = {shown(entropy)}; wanted True or False.")
        self.is_entropy = entropy
        given = name or getattr(fn, "__name__", "")
        self._name = given if given and given != "<lambda>" else "from_function"
        self._fn = Reading(f"{self._name}: the function", fn)

    def __repr__(self) -> str:
        return f"from_function({self._name}{', entropy=True' if self.is_entropy else ''})"

    @property
    def name(self) -> str:
        return self._name

    def _call(self, x: Tensor, weights: Tensor) -> Tensor:
        result: Any = self._fn(x, weights)
        if not isinstance(result, Tensor) or result.ndim != 0:
            shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise ShapeError(f"{self.name}: the function returned {shape}; wanted a torch scalar (shape ()).")
        if result.is_complex():
            raise ConfigError(f"{self.name}: the function returned a complex number; wanted a real one.")
        return result

    def _value(self, mu: Ensemble) -> Tensor:
        with ops.one_torch_thread(), torch.no_grad():
            return self._call(mu.x.clone(), mu.weights.to(mu.dtype, copy=True)).double()

    def _derivatives(self, mu: Ensemble, at: Tensor | None, second: bool) -> tuple[Tensor, Tensor | None]:
        """∂𝓕/∂w (m,) for a particle of weight 0 added at each point, and its gradient (m, d) if `second`."""
        with ops.one_torch_thread(), ops.recorded():
            x, weights = mu.x.detach().clone(), mu.weights.detach().to(mu.dtype, copy=True)
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
        with ops.one_torch_thread(), ops.recorded():
            x, weights = mu.x.detach().clone().requires_grad_(), mu.weights.to(mu.dtype, copy=True)
            value = self._call(x, weights)
            (gradient,) = _derivative(value, x)
            gradient = gradient / weights[:, None]
        return Evaluation(value.detach().double(), gradient)


def _derivative(value: Tensor, of: Tensor, create_graph: bool = False) -> tuple[Tensor, ...]:
    if not value.requires_grad:
        return (torch.zeros_like(of),)
    return torch.autograd.grad(value, of, create_graph=create_graph, materialize_grads=True)


def from_function(
    fn: Callable[[Tensor, Tensor], Tensor], name: str | None = None, *, entropy: bool = False
) -> FunctionOf:
    """Make a functional 𝓕[μ] = fn(x, w) from any torch function that returns a scalar.

    Use it for a term that this package does not have. δ𝓕/δμ(xᵢ) = ∂fn/∂wᵢ and ∇_W 𝓕(xᵢ) = (1/wᵢ) ∂fn/∂xᵢ, by autograd.

    Parameters
    ----------
    fn : callable (x (n, d), weights (n,)) -> scalar Tensor
        The function, written in torch. Both arguments have the dtype of the particles.
    name : str, optional
        The name of the term in the ledger; by default the name of `fn`.
    entropy : bool, default False
        Whether 𝓕 is an entropy. It then enters a free energy as −T·𝓕, with a temperature T ≥ 0, and ledger, force
        report and collapse index count its force as the information force.

    Returns
    -------
    FunctionOf
        The functional. It can be added to other terms.

    Raises
    ------
    ConfigError
        If `fn` cannot be called, or `entropy` is no truth value.

    See Also
    --------
    wgf.Potential, wgf.Quadratic, wgf.energies.FunctionOf, wgf.Functional

    Notes
    -----
    `fn` runs in one torch thread, so that results do not depend on the number of threads. See `FunctionOf` for what is
    refused. A minus sign alone makes no entropy: `F - from_function(fn)` subtracts an energy.

    Examples
    --------
    >>> import wgf
    >>> spread = from_function(lambda x, w: (w[:, None] * x**2).sum())
    >>> spread.gradient(wgf.Ensemble([[1.0], [3.0]])).flatten().tolist()
    [2.0, 6.0]
    >>> S = from_function(lambda x, w: 0.5 * (w[:, None] * x**2).sum(), "spread", entropy=True)
    >>> (wgf.Quadratic() - 0.1 * S).at(0.0).temperature
    0.1
    """
    return FunctionOf(fn, name, entropy=entropy)
