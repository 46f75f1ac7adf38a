"""External potentials, ∫ V dμ: any function V of the user's, and the quadratic one in closed form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, require_number, shown
from ..extension import Numbers, Reading
from ..functional import Evaluation, Functional
from ..measure import ArrayLike, Ensemble, as_numbers, checks, first_bad_row, returned
from ..ops import bodies, linalg
from ..ops.range import all_within
from .compiled import called, row_functions


class Potential(Functional):
    """The energy of particles in an external potential V that the user writes.

        𝓕[μ] = ∫ V dμ,    δ𝓕/δμ = V,    ∇_W 𝓕 = ∇V

    Parameters
    ----------
    fn : callable (n, d) -> (n,)
        V, row by row. Written in torch, unless `grad` is given. To sample a density p give V = −log p, with the minus.
    grad : callable (n, d) -> (n, d), optional
        ∇V, row by row. By default autograd of `fn`. Both may instead be functions of one particle by `numba.njit`: see
        Notes.

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

    Compiled functions: with `@numba.njit`, fn(x) returns V(x) of one particle x (d,), and grad(x, out) writes ∇V(x) to
    out (d,). Both are needed: a numerical derivative would limit the accuracy of a run. Long runs then take many steps
    in one compiled call, with the same bits. Such functions may not raise errors. They are compiled without fast
    arithmetic, in about a second for each process.

    References
    ----------
    Ambrosio, Gigli & Savaré (2008), Gradient Flows in Metric Spaces, chapter 10.

    Examples
    --------
    >>> V = Potential(lambda x: (x**4).sum(1) / 4)
    >>> V.gradient(Ensemble([[2.0]])).item()
    8.0

    >>> import numba
    >>> value = numba.njit(lambda x: x[0] ** 4 / 4)
    >>> @numba.njit
    ... def slope(x, out):
    ...     out[0] = x[0] ** 3
    >>> Potential(value, slope).gradient(Ensemble([[2.0]])).item()
    8.0
    """

    linear = True
    integrates = True
    elementwise = True

    def __init__(self, fn: Callable[..., Any], grad: Callable[..., Any] | None = None) -> None:
        if not callable(fn) or not (grad is None or callable(grad)):
            raise ConfigError(f"Potential(fn={shown(fn)}, grad={shown(grad)}): wanted callables.")
        self._rows = None
        if hasattr(fn, "py_func") or hasattr(grad, "py_func"):
            self._rows = row_functions(fn, grad)
            fn, grad = (partial(called, call) for call in (self._rows.values, self._rows.slopes))
        self._fn = Reading("Potential: fn", fn)
        self._grad = grad if grad is None else Reading("Potential: grad", grad)

    def _values(self, x: Tensor) -> Tensor:
        return self._finite("fn", self._shaped("fn", self._fn(x), x, (len(x),)))

    def _shaped(self, which: str, result: Any, x: Tensor, shape: tuple[int, ...]) -> Tensor:
        if not (type(result) is Tensor and result.dtype == x.dtype and result.device == x.device):
            result = returned(f"Potential: {which}", result, f"a tensor of shape {shape}", x.device)
        if result.shape != shape:
            raise ShapeError(
                f"Potential: {which} returned shape {tuple(result.shape)} for {len(x)} particles; wanted {shape}."
            )
        return result

    def _finite(self, which: str, result: Tensor) -> Tensor:
        bad = first_bad_row(result.detach())
        if bad is not None:
            raise DivergenceError(f"Potential: {which} returned {result.detach()[bad].tolist()} at particle {bad}.")
        return result

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """V and ∇V, not yet checked for NaN: `_require_finite` does that."""
        shape = x.shape
        with ops.one_torch_thread():
            if self._grad is not None:
                with torch.no_grad():
                    gradient = self._shaped("grad", self._grad(x.clone()), x, shape)
                    return self._shaped("fn", self._fn(x.clone()), x, shape[:1]), gradient.to(x.dtype)
            with ops.recorded():
                y = x.detach().clone().requires_grad_()
                try:
                    values = self._shaped("fn", self._fn(y), y, shape[:1])
                except RuntimeError as error:
                    if "requires grad" not in str(error):
                        raise
                    raise ConfigError(
                        f"Potential: fn is not written in torch ({error}); pass grad= as well."
                    ) from error
                if not values.requires_grad:
                    self._finite("fn", values)
                    raise ConfigError("Potential: fn is not a differentiable torch function of x; pass grad= as well.")
                (gradient,) = torch.autograd.grad(values, y, torch.ones_like(values))  # a sum would take two more calls
            return values.detach(), gradient

    def _require_finite(self, values: Tensor, gradient: Tensor) -> None:
        self._finite("fn", values)
        self._finite("the derivative of fn" if self._grad is None else "grad", gradient)

    def _value(self, mu: Ensemble) -> Tensor:
        return mu.expect(mu.rowwise(self._plain, mu.x))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._plain(mu.points(at)) if at is not None else mu.rowwise(self._plain, mu.x)

    def _plain(self, x: Tensor) -> Tensor:
        """V (m,) at points (m, d), without derivatives."""
        with ops.one_torch_thread(), torch.no_grad():
            return self._values(x.detach().clone())

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        values, gradient = self._both(at) if at is not None else mu.rowwise(self._both, mu.x)
        self._require_finite(values, gradient)
        return gradient

    def body(self, mu: Ensemble) -> Any:
        return None if self._rows is None else bodies.Rows(self._rows.address(mu.x.numpy().dtype))

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        values, gradient = mu.rowwise(self._both, mu.x)
        value = mu.expect_finite(values, gradient)
        if value is not None:
            return Evaluation(value, gradient, finite=True)
        self._require_finite(values, gradient)
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
    integrates = True
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

    def body(self, mu: Ensemble) -> Any:
        if self.varies or not (self._narrow or mu.dtype == torch.float64):
            return None
        stiffness, center = (_fit(n, p, mu.x) for n, p in (("stiffness", self._stiffness), ("center", self._center)))
        if stiffness.ndim == center.ndim == 0:
            return bodies.Quadratic(stiffness.numpy()[()], center.numpy()[()])
        if stiffness.ndim == 2:
            if mu.dim > bodies.SUMMED:
                return None
            matrix = stiffness.double().reshape(1, -1).numpy()
            return bodies.Matrix(matrix, center.expand(mu.dim).contiguous().numpy(), (0.0,) * mu.dim)
        rows = (part.expand(mu.dim).contiguous().numpy() for part in (stiffness, center))
        return bodies.Diagonal(*rows)

    def _offset_and_force(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.varies:
            raise ConfigError("Quadratic: stiffness or center depends on t; freeze it with .at(t) first.")
        x = mu.points(at) if self._narrow or mu.dtype == torch.float64 else mu.points(at).double()
        stiffness, center = (_fit(n, p, x) for n, p in (("stiffness", self._stiffness), ("center", self._center)))
        offset = x - center
        if stiffness.ndim < 2:
            return offset, stiffness * offset
        turn = partial(ops.affine, center=torch.zeros_like(x[0]), matrix=stiffness)
        return offset, mu.rowwise(turn, offset) if at is None else turn(offset)

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
