"""External potentials: ∫ V dμ for the user's V, and for a quadratic one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, require_number
from ..extension import Numbers
from ..functional import Evaluation, Functional
from ..measure import ArrayLike, Ensemble, checks, first_bad_row, to_tensor
from ..ops import linalg


class Potential(Functional):
    """∫ V dμ with δ/δμ = V and ∇_W = ∇V.

    `fn` maps particles (n, d) to values (n,), row by row, in torch; `grad` maps them to (n, d), by autograd
    unless given. Both run in one torch thread, so that bits do not depend on the number of threads.

    Raises ShapeError when a result has the wrong shape, DivergenceError naming the particle when it is NaN or infinite,
    ConfigError when no gradient can be had.

    >>> V = Potential(lambda x: (x**4).sum(1) / 4)
    >>> V.gradient(Ensemble([[2.0]])).item()
    8.0
    """

    linear = True

    def __init__(self, fn: Callable[[Tensor], Any], grad: Callable[[Tensor], Any] | None = None) -> None:
        if not callable(fn) or not (grad is None or callable(grad)):
            raise ConfigError(f"Potential(fn={fn!r}, grad={grad!r}): wanted callables.")
        self._fn, self._grad = fn, grad

    def _values(self, x: Tensor) -> Tensor:
        return self._result("fn", self._fn(x), x, (len(x),))

    def _result(self, which: str, result: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        if not isinstance(result, Tensor | np.ndarray):
            raise ShapeError(f"Potential: {which} returned {type(result).__name__}; wanted a tensor of shape {shape}.")
        tensor = torch.as_tensor(result, device=x.device)
        if tensor.shape != shape:
            raise ShapeError(
                f"Potential: {which} returned shape {tuple(tensor.shape)} for {len(x)} particles; wanted {shape}."
            )
        bad = first_bad_row(tensor.detach())
        if bad is not None:
            raise DivergenceError(f"Potential: {which} returned {tensor.detach()[bad].tolist()} at particle {bad}.")
        return tensor

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            if self._grad is not None:
                with torch.no_grad():  # the user's functions get copies: what they do in place is theirs
                    gradient = self._result("grad", self._grad(x.clone()), x, tuple(x.shape))
                    return self._values(x.clone()), gradient.to(x.dtype)
            with torch.enable_grad():
                y = x.detach().clone().requires_grad_()
                try:
                    values = self._values(y)
                except RuntimeError as error:
                    if "requires grad" not in str(error):
                        raise
                    raise ConfigError(
                        f"Potential: fn is not written in torch ({error}); pass grad= as well."
                    ) from error
                if not values.requires_grad:
                    raise ConfigError("Potential: fn is not a differentiable torch function of x; pass grad= as well.")
                (gradient,) = torch.autograd.grad(values.sum(), y)
        return values.detach(), self._result("the derivative of fn", gradient, x, tuple(x.shape))

    def _value(self, mu: Ensemble) -> Tensor:
        return mu.expect(self._first_variation(mu, None))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        with ops.one_torch_thread(), torch.no_grad():
            return self._values(mu.points(at).detach().clone())

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._both(mu.points(at))[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        values, gradient = self._both(mu.x)
        return Evaluation(mu.expect(values), gradient)


class Quadratic(Functional):
    """V(x) = ½ (x − c)·K (x − c), ∇V = K (x − c).

    `stiffness` K is a number, d numbers (a diagonal) or a symmetric (d, d) matrix; `center` c a number or (d,).
    Either may be a callable of t: a moving centre drives the flow and its work appears in the ledger.

    >>> Quadratic(3.0).value(Ensemble([[2.0]])).item()
    6.0
    """

    linear = True

    def __init__(self, stiffness: Numbers = 1.0, center: Numbers = 0.0) -> None:
        self._stiffness = stiffness if callable(stiffness) else _coefficients("stiffness", stiffness, 2)
        self._center = center if callable(center) else _coefficients("center", center, 1)

    def __repr__(self) -> str:
        parts = (p if callable(p) else p.tolist() for p in (self._stiffness, self._center))
        return "Quadratic({!r}, {!r})".format(*parts)

    @property
    def stiffness(self) -> Tensor | Callable[[float], Any]:
        """K: a number, (d,) or (d, d) in float64, or the callable of t that was given."""
        return self._stiffness

    @property
    def center(self) -> Tensor | Callable[[float], Any]:
        """c: a number or (d,) in float64, or the callable of t that was given."""
        return self._center

    @property
    def constant_hessian(self) -> Tensor | None:
        return self._stiffness if isinstance(self._stiffness, Tensor) else None

    @property
    def infimum(self) -> float | None:
        hessian = self.constant_hessian
        if hessian is None:
            return None
        least = linalg.symmetric_eigen(hessian)[0].min() if hessian.ndim == 2 else hessian.min()
        return 0.0 if float(least) >= 0 else None

    @property
    def varies(self) -> bool:
        return callable(self._stiffness) or callable(self._center)

    def at(self, t: float) -> Functional:
        if not self.varies:
            return self
        return Quadratic(*(part(t) if callable(part) else part for part in (self._stiffness, self._center)))

    def _offset_and_force(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.varies:
            raise ConfigError("Quadratic: stiffness or center depends on t; freeze it with .at(t) first.")
        x = mu.points(at)
        stiffness, center = (_fit(n, p, x) for n, p in (("stiffness", self._stiffness), ("center", self._center)))
        offset = x - center
        force = ops.affine(offset, torch.zeros_like(x[0]), stiffness) if stiffness.ndim == 2 else stiffness * offset
        return offset, force

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (0.5 * linalg.row_dot(*self._offset_and_force(mu, at))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._offset_and_force(mu, at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        offset, force = self._offset_and_force(mu, None)
        return Evaluation(0.5 * mu.inner(offset, force), force)


def _coefficients(name: str, value: ArrayLike, most: int) -> Tensor:
    """A finite float64 tensor with at most `most` axes."""
    if isinstance(value, (int, float, str, bool)):
        return torch.tensor(require_number(name, value), dtype=torch.float64)
    try:
        tensor = to_tensor(value).to(torch.float64, copy=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"Quadratic: {name} = {value!r}: wanted numbers.") from error
    if tensor.ndim > most or not checks.finite(tensor):
        raise ConfigError(
            f"Quadratic: {name} of shape {tuple(tensor.shape)}: wanted finite numbers, at most {most} axes."
        )
    if tensor.ndim == 2 and not (
        tensor.shape[0] == tensor.shape[1] and checks.holds(torch.isclose(tensor, tensor.T, rtol=1e-10).all())
    ):
        raise ConfigError(f"Quadratic: {name} of shape {tuple(tensor.shape)}: wanted a symmetric (d, d) matrix.")
    return tensor


def _fit(name: str, parameter: Tensor, x: Tensor) -> Tensor:
    if parameter.ndim and parameter.shape[-1] != x.shape[1]:
        raise ShapeError(
            f"Quadratic: {name} has shape {tuple(parameter.shape)}, the particles have dimension {x.shape[1]}."
        )
    return parameter.to(x, non_blocking=True)  # a few numbers, which a GPU need not stop for
