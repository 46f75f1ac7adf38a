"""External potentials, ∫ V dμ: any function V of the user's, and the quadratic one in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, require_number, shown
from ..extension import Numbers, Reading
from ..functional import Evaluation, Functional
from ..measure import ArrayLike, Ensemble, as_numbers, checks, first_bad_row, returned
from ..ops import linalg
from ..ops.range import all_within


class Potential(Functional):
    """The energy of particles in an external potential V that the user writes.

        𝓕[μ] = ∫ V dμ,    δ𝓕/δμ = V,    ∇_W 𝓕 = ∇V

    Parameters
    ----------
    fn : callable (n, d) -> (n,)
        V, row by row. Written in torch, unless `grad` is given. To sample a density p give V = −log p, with the minus.
    grad : callable (n, d) -> (n, d), optional
        ∇V, row by row. By default autograd of `fn`.

    Raises
    ------
    ConfigError
        If an argument cannot be called, writes to x, or no gradient can be had.
    ShapeError
        If a result has another shape.
    DivergenceError
        If a result is not finite. The message names the particle.

    Notes
    -----
    Both functions are given copies, to which they may not write, and run in one torch thread, so that results do not
    depend on the number of threads. Particles do not act on each other through this term. An explicit Euler step is
    stable for h < 2/(largest curvature).

    References
    ----------
    Ambrosio, Gigli & Savaré (2008), Gradient Flows in Metric Spaces, chapter 10.

    Examples
    --------
    >>> V = Potential(lambda x: (x**4).sum(1) / 4)
    >>> V.gradient(Ensemble([[2.0]])).item()
    8.0
    """

    linear = True
    elementwise = True

    def __init__(self, fn: Callable[[Tensor], Any], grad: Callable[[Tensor], Any] | None = None) -> None:
        if not callable(fn) or not (grad is None or callable(grad)):
            raise ConfigError(f"Potential(fn={shown(fn)}, grad={shown(grad)}): wanted callables.")
        self._fn = Reading("Potential: fn", fn)
        self._grad = grad if grad is None else Reading("Potential: grad", grad)

    def _values(self, x: Tensor) -> Tensor:
        return self._result("fn", self._fn(x), x, (len(x),))

    def _result(self, which: str, result: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        tensor = returned(f"Potential: {which}", result, f"a tensor of shape {shape}", x.device)
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
                with torch.no_grad():
                    gradient = self._result("grad", self._grad(x.clone()), x, tuple(x.shape))
                    return self._values(x.clone()), gradient.to(x.dtype)
            with ops.recorded():
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
    """The energy of particles on springs: a quadratic potential with its minimum at c.

        𝓕[μ] = ∫ V dμ,    V(x) = ½ (x − c)·K (x − c),    δ𝓕/δμ = V,    ∇_W 𝓕 = K (x − c)

    Use it as confinement, as weight decay (`1e-3 * Quadratic()`), or as the prior of an inverse problem.

    Parameters
    ----------
    stiffness : float, array (d,) or (d, d), or callable of t
        K: a number, a diagonal, or a symmetric matrix; in units of energy per length².
    center : float, array (d,), or callable of t
        c, in the units of x.

    Raises
    ------
    ConfigError
        If numbers are not finite, a matrix is not symmetric, or a term that depends on t is evaluated without `.at(t)`.
    ShapeError
        If K or c does not fit the dimension of the particles.

    Notes
    -----
    t is the time of the run. A moving centre drives the flow, and its work appears in the ledger. A K that is not
    positive semi-definite gives an energy without a lower bound, and particles escape. An explicit Euler step of length
    h is stable for h < 2/(largest eigenvalue of K).

    Examples
    --------
    >>> Quadratic(3.0).value(Ensemble([[2.0]])).item()
    6.0
    """

    linear = True
    elementwise = True

    def __init__(self, stiffness: Numbers = 1.0, center: Numbers = 0.0) -> None:
        self._stiffness = stiffness if callable(stiffness) else _coefficients("stiffness", stiffness, 2)
        self._center = center if callable(center) else _coefficients("center", center, 1)
        parts = [part for part in (self._stiffness, self._center) if isinstance(part, Tensor)]
        self._narrow = all(checks.holds(all_within(part, 1e30)) for part in parts)  # whether float32 holds them

    def __repr__(self) -> str:
        parts = (p if callable(p) else p.tolist() for p in (self._stiffness, self._center))
        return "Quadratic({!r}, {!r})".format(*parts)

    @property
    def stiffness(self) -> Tensor | Callable[[float], Any]:
        """K: a number, (d,) or (d, d) in float64, or the callable of t as the user gave it."""
        return self._stiffness

    @property
    def center(self) -> Tensor | Callable[[float], Any]:
        """c: a number or (d,) in float64, or the callable of t as the user gave it."""
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
        x = x if self._narrow or x.dtype == torch.float64 else x.double()
        stiffness, center = (_fit(n, p, x) for n, p in (("stiffness", self._stiffness), ("center", self._center)))
        offset = x - center
        force = ops.affine(offset, torch.zeros_like(x[0]), stiffness) if stiffness.ndim == 2 else stiffness * offset
        return offset, force

    def _value(self, mu: Ensemble) -> Tensor:
        return self._evaluate(mu).value

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return (0.5 * linalg.row_dot(*self._offset_and_force(mu, at))).to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._offset_and_force(mu, at)[1].to(mu.dtype)

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        offset, force = self._offset_and_force(mu, None)
        return Evaluation(0.5 * mu.inner(offset, force), force.to(mu.dtype))


def _coefficients(name: str, value: ArrayLike, most: int) -> Tensor:
    """A finite float64 tensor with at most `most` axes; a matrix must be symmetric."""
    if isinstance(value, (int, float, str, bool)):
        return torch.tensor(require_number(name, value), dtype=torch.float64)
    tensor = as_numbers(f"Quadratic: {name}", value)
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
    return parameter.to(x, non_blocking=True)  # a few numbers: copying them need not make the GPU wait
