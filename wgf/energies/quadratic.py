"""The quadratic potential in closed form: particles on springs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_number
from ..extension import Numbers
from ..functional import Evaluation, Functional
from ..measure import ArrayLike, Ensemble, as_numbers, checks
from ..ops import bodies, linalg
from ..ops.range import all_within


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

    See Also
    --------
    wgf.Potential, wgf.solvers.ExponentialEuler, wgf.from_function

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
        if self._narrow and mu.whole and not self.varies:
            stiffness, center = (
                _fit(n, p, mu.x) for n, p in (("stiffness", self._stiffness), ("center", self._center))
            )
            few = ops.spring(mu.x, stiffness, center, mu.weights)
            if few is not None:
                return Evaluation(0.5 * few[1], few[0])
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
