"""Choose the method for a kernel sum by its predicted time, and take the sum, with derivatives by autograd.

The prediction comes from a table of costs, never from a clock: the same input always gets the same method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError, ConfigError
from ..kernels import Kernel
from ..ops.fast.spectrum import Refused
from ..ops.registry import later
from .costs import Costs, default_costs
from .methods import Candidate, by_fourier, by_sorting, require_method
from .sums import Sums, finite

METHODS = ("auto", "dense", "fourier", "sorting", "moments")
"""The names that users may give as `method`."""
_MAKERS = {"sorting": by_sorting, "fourier": by_fourier}
QUICK = 5e5  # nanoseconds; a dense sum faster than this is taken at once


@dataclass(frozen=True)
class Summation:
    """How to sum: the method, the relative error allowed, and the table of costs.

    Parameters
    ----------
    method : {"auto", "dense", "fourier", "sorting", "moments"}, default "dense"
        "auto" takes the method of least predicted time.
    rtol : float, default 1e-6
        Relative error allowed to an approximate method, as `relative_error` defines it.
    costs : Costs
        The table from which "auto" predicts times. By default that of the package.
    """

    method: str = "dense"
    rtol: float = 1e-6
    costs: Costs = field(default_factory=default_costs)


@dataclass(frozen=True)
class Choice:
    """A method chosen for given sums.

    Attributes
    ----------
    method : str
        Its name.
    note : str
        Why it was chosen, with the predicted times.
    run : callable
        Takes the sums: () → (value (m,), gradient (m, d)).
    """

    method: str
    note: str
    run: Callable[[], tuple[Tensor, Tensor]]


def kernel_sums(
    kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, same: bool, how: Summation
) -> tuple[Tensor, Tensor]:
    """Sum a kernel over particles: Σⱼ wⱼ K(xᵢ, yⱼ) for every i, and its gradient in xᵢ, by a chosen method.

    Parameters
    ----------
    kernel : Kernel
        Any kernel.
    x : Tensor
        Points (m, d) at which the sums are taken, float32 or float64.
    y : Tensor
        Particles (n, d) that are summed over.
    weights : Tensor
        Their weights (n,), float64; any sign.
    same : bool
        Whether x and y are the same particles, row by row. A singular kernel then leaves out i = j.
    how : Summation
        The method and the relative error allowed.

    Returns
    -------
    value : Tensor
        The sums (m,), float64. Autograd can differentiate them, once.
    gradient : Tensor
        Their gradients (m, d) in xᵢ, in the dtype of x. Autograd cannot differentiate these.

    Raises
    ------
    ConfigError
        If a method named by the user cannot give these sums within rtol. "auto" then takes another.
    BackendError
        If "fourier" or "sorting" is named and the particles are not on the CPU, or "fourier" without finufft.

    Notes
    -----
    If a particle of y or a weight is not finite, every sum is NaN. If only some points of x are not finite, the sums at
    these are NaN.

    Examples
    --------
    >>> import torch
    >>> from wgf.kernels import QuadraticKernel
    >>> from wgf.summation import Summation, kernel_sums
    >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    >>> weights = torch.full((2,), 0.5, dtype=torch.float64)
    >>> value, gradient = kernel_sums(QuadraticKernel(1.0), x, x, weights, True, Summation("moments"))
    >>> value.tolist(), gradient.flatten().tolist()
    ([0.25, 0.25], [-0.5, 0.5])
    """
    if how.method == "dense" or (kernel.by_moments and how.method in ("auto", "moments")):
        return kernel.sums(x, y, weights, same)
    if torch.is_grad_enabled() and (x.requires_grad or y.requires_grad or weights.requires_grad):
        value, gradient = _Differentiable.apply(kernel, x, y, weights, same, how)
        return value, gradient
    if x.device.type != "cpu" or finite(weights, y, *(() if same else (x,))):
        return choose(Sums(kernel, x, y, weights, same), how).run()
    value, gradient = torch.full_like(x[:, 0], math.nan, dtype=torch.float64), torch.full_like(x, math.nan)
    rows = torch.isfinite(x).all(1)
    if finite(weights, y) and bool(rows.any()):
        value[rows], gradient[rows] = choose(Sums(kernel, x[rows], y, weights, False), how).run()
    return value, gradient


def takes_all_pairs(kernel: Kernel, n: int, dim: int, dtype: str, how: Summation) -> bool:
    """Whether n particles are summed with themselves over all pairs, wherever they are.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    n, dim : int
        Number and dimension of the particles.
    dtype : {"float32", "float64"}
        Their dtype.
    how : Summation
        The method named by the user, or "auto".

    Returns
    -------
    bool
        False where that depends on the positions, or another method sums.
    """
    if how.method != "auto" or kernel.by_moments:
        return how.method == "dense"
    return dim > 3 or how.costs.pairs(kernel, dtype, dim, n, n) < QUICK


def choose(sums: Sums, how: Summation) -> Choice:
    """Choose the method for sums of finite numbers.

    Parameters
    ----------
    sums : Sums
        The sums to take.
    how : Summation
        The method named by the user, or "auto".

    Returns
    -------
    Choice
        The method; its `run` takes the sums.

    Raises
    ------
    ConfigError, BackendError
        As `kernel_sums`.
    """
    if sums.kernel.by_moments and how.method in ("auto", "moments"):
        return Choice("moments", "exact, by moments", sums.dense)
    if how.method == "dense":
        return Choice("dense", "all pairs", sums.dense)
    return _cheapest(sums, how) if how.method == "auto" else _asked_for(sums, how)


def _once(sums: Sums) -> bool:
    """Whether all pairs are visited once, for particles on the CPU."""
    n, dim = sums.x.shape
    return sums.same and later("visits").visits_once(n, dim, dim + 1, sums.weights.detach().numpy(), False)


def _cheapest(sums: Sums, how: Summation) -> Choice:
    """The method of least predicted time; all pairs on a GPU and in more than three dimensions."""
    (m, dim), n = sums.x.shape, len(sums.y)
    dense = Choice("dense", "all pairs", sums.dense)
    if sums.x.device.type != "cpu" or dim > 3:
        return dense
    pairs = how.costs.pairs(sums.kernel, sums.dtype, dim, m, n, _once(sums))
    if pairs < QUICK:
        return dense
    candidates = {"dense": Candidate("all pairs", pairs, sums.dense)}
    for method, make in _MAKERS.items():
        best = min(c.nanoseconds for c in candidates.values())
        try:
            candidates[method] = make(sums, how.rtol, how.costs, best)
        except Refused:
            continue
    method = min(candidates, key=lambda name: candidates[name].nanoseconds)
    chosen = candidates[method]
    predicted = ", ".join(f"{name} {c.nanoseconds / 1e6:.3g} ms" for name, c in candidates.items())

    def run() -> tuple[Tensor, Tensor]:
        try:
            return chosen.run()
        except Refused:  # the sums cancel too far for the transforms: take all pairs
            return sums.dense()

    return Choice(method, f"{chosen.note}; chosen by {how.costs.source} ({predicted})", run)


def _asked_for(sums: Sums, how: Summation) -> Choice:
    """The method that the user named, or an error that says why it cannot be used here."""
    require_method(sums.kernel, how.method, how.rtol)
    if sums.x.device.type != "cpu":
        raise BackendError(f"method={how.method!r} sums on the CPU; the particles are on {sums.x.device}.")

    def cannot(why: Refused) -> ConfigError:
        return ConfigError(
            f"method={how.method!r} cannot sum {sums.kernel.formula} over {len(sums.y)} particles of dimension "
            f"{sums.x.shape[1]} to rtol = {how.rtol:g}: {why}. Use method='auto' or 'dense', or another rtol."
        )

    try:
        candidate = _MAKERS[how.method](sums, how.rtol, how.costs)
    except Refused as why:
        raise cannot(why) from None

    def run() -> tuple[Tensor, Tensor]:
        try:
            return candidate.run()
        except Refused as why:
            raise cannot(why) from None

    return Choice(how.method, f"{candidate.note}; as asked for", run)


class _Differentiable(torch.autograd.Function):
    """The sums as a function that autograd can differentiate in x, y and the weights.

    Kernels are symmetric in x and y. The derivatives in y and in the weights are therefore kernel sums too.
    """

    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, same: bool, how: Summation
    ) -> tuple[Tensor, Tensor]:
        value, gradient = kernel_sums(kernel, x, y, weights, same, how)
        ctx.save_for_backward(x, y, weights, gradient)
        ctx.kernel, ctx.same, ctx.how = kernel, same, how
        ctx.mark_non_differentiable(gradient)
        return value, gradient

    @staticmethod
    def backward(ctx: Any, bar: Tensor, _: Any) -> Any:
        x, y, weights, gradient = ctx.saved_tensors
        x_bar = y_bar = weights_bar = None
        if ctx.needs_input_grad[1]:
            x_bar = (bar[:, None] * gradient).to(x.dtype)
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            how = Summation("auto", ctx.how.rtol, ctx.how.costs)  # the sum of `bar` may cancel, and a named method fail
            value, slope = kernel_sums(ctx.kernel, y, x, bar.double(), ctx.same, how)
            y_bar, weights_bar = (weights[:, None] * slope).to(y.dtype), value.to(weights.dtype)
        return None, x_bar, y_bar, weights_bar, None, None
