"""External potentials, ∫ V dμ: any function V of the user's, and the quadratic one in closed form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, ShapeError, shown
from ..extension import Reading
from ..functional import Evaluation, Functional
from ..measure import Ensemble, first_bad_row, returned
from ..ops import bodies
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

    See Also
    --------
    wgf.DoubleWell, wgf.Banana, wgf.MullerBrown, wgf.GaussianMixture

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
        with ops.one_torch_thread(), ops.recorded():
            return self._alone(x)

    def _alone(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`_both`, with one torch thread and autograd that records."""
        shape = x.shape
        if self._grad is not None:
            with torch.no_grad():
                gradient = self._shaped("grad", self._grad(x.clone()), x, shape)
                return self._shaped("fn", self._fn(x.clone()), x, shape[:1]), gradient.to(x.dtype)
        y = x.detach().clone().requires_grad_()
        try:
            values = self._shaped("fn", self._fn(y), y, shape[:1])
        except RuntimeError as error:
            if "requires grad" not in str(error):
                raise
            raise ConfigError(f"Potential: fn is not written in torch ({error}); pass grad= as well.") from error
        if not values.requires_grad:
            self._finite("fn", values)
            raise ConfigError("Potential: fn is not a differentiable torch function of x; pass grad= as well.")
        return values.detach(), ops.slope_of_sum(values, y)

    def _sound(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values, gradient = self._both(x)
        self._require_finite(values, gradient)
        return values, gradient

    def _require_finite(self, values: Tensor, gradient: Tensor) -> None:
        self._finite("fn", values)
        self._finite("the derivative of fn" if self._grad is None else "grad", gradient)

    def _value(self, mu: Ensemble) -> Tensor:
        return mu.expect(mu.together(lambda: mu.rowwise(self._plain, mu.x)))

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._plain(mu.points(at)) if at is not None else mu.together(lambda: mu.rowwise(self._plain, mu.x))

    def _plain(self, x: Tensor) -> Tensor:
        """V (m,) at points (m, d), without derivatives."""
        with ops.one_torch_thread(), torch.no_grad():
            return self._values(x.detach().clone())

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        _, gradient = self._sound(at) if at is not None else mu.together(lambda: mu.rowwise(self._sound, mu.x))
        return gradient

    def body(self, mu: Ensemble) -> Any:
        return None if self._rows is None else bodies.Rows(*self._rows.addresses(mu.x.numpy().dtype))

    def pointwise(self, mu: Ensemble) -> Callable[[Tensor], tuple[Tensor, Tensor]] | None:
        return self._alone

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        call = self._both if mu.whole else self._sound  # divided particles are checked where processes meet anyway
        values, gradient = mu.together(lambda: mu.rowwise(call, mu.x))
        value = mu.expect_finite(values, gradient)
        if value is not None:
            return Evaluation(value, gradient, finite=True)
        if mu.whole:
            self._require_finite(values, gradient)
        return Evaluation(mu.expect(values), gradient)
