"""The choice of a method by predicted time, from a table and never from a clock; autograd through what was chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import BackendError, ConfigError
from ..kernels import Kernel
from ..ops.cpu.pairwise import visits_once
from ..ops.fast.spectrum import Refused
from .costs import Costs, default_costs
from .methods import Candidate, by_fourier, by_sorting, require_method
from .sums import Sums, finite

METHODS = ("auto", "dense", "fourier", "sorting", "moments")
_MAKERS = {"sorting": by_sorting, "fourier": by_fourier}
_QUICK = 5e5  # nanoseconds of a dense sum below which nothing else is looked at


@dataclass(frozen=True)
class Summation:
    """How to sum: a method or "auto", the relative error that is allowed, and the costs that "auto" goes by."""

    method: str = "dense"
    rtol: float = 1e-6
    costs: Costs = field(default_factory=default_costs)


@dataclass(frozen=True)
class Choice:
    """A method, why it was chosen, and the sums by it."""

    method: str
    note: str
    run: Callable[[], tuple[Tensor, Tensor]]


def kernel_sums(
    kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, same: bool, how: Summation
) -> tuple[Tensor, Tensor]:
    """Σⱼ wⱼ K(xᵢ, yⱼ) (m,) float64 and its gradient (m, d), as `how` says; see `Kernel.sums` for the arguments.

    ConfigError or BackendError where a method is asked for that cannot give these sums to within `rtol`; "auto" then
    takes another. Where a source is not finite every sum is NaN, as over all pairs.
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


def choose(sums: Sums, how: Summation) -> Choice:
    """The method for these sums (of finite numbers), ready to run."""
    if sums.kernel.by_moments and how.method in ("auto", "moments"):
        return Choice("moments", "exact, by moments", sums.dense)
    if how.method == "dense":
        return Choice("dense", "all pairs", sums.dense)
    return _cheapest(sums, how) if how.method == "auto" else _asked_for(sums, how)


def _cheapest(sums: Sums, how: Summation) -> Choice:
    (m, dim), n = sums.x.shape, len(sums.y)
    dense = Choice("dense", "all pairs", sums.dense)
    if sums.x.device.type != "cpu" or dim > 3:
        return dense
    once = sums.same and visits_once(n, dim, dim + 1, sums.weights)
    pairs = how.costs.pairs(sums.kernel, sums.dtype, dim, m, n, once)
    if pairs < _QUICK:
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
        except Refused:  # the sums cancel too far: all pairs do not mind
            return sums.dense()

    return Choice(method, f"{chosen.note}; chosen by {how.costs.source} ({predicted})", run)


def _asked_for(sums: Sums, how: Summation) -> Choice:
    """The method that the user named, or an error that says why it cannot be had."""
    require_method(sums.kernel, how.method, how.rtol)
    if sums.x.device.type != "cpu":
        raise BackendError(f"method={how.method!r} sums on the CPU; the particles are on {sums.x.device}.")

    def cannot(why: Refused) -> ConfigError:
        return ConfigError(
            f"method={how.method!r} cannot sum {sums.kernel!r} over {len(sums.y)} particles of dimension "
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
    """The value as a function of particles and weights; kernels are symmetric, so the transpose is such a sum again."""

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
            how = Summation("auto", ctx.how.rtol, ctx.how.costs)  # what `bar` sums to may cancel: no method is sure
            value, slope = kernel_sums(ctx.kernel, y, x, bar.double(), ctx.same, how)
            y_bar, weights_bar = (weights[:, None] * slope).to(y.dtype), value.to(weights.dtype)
        return None, x_bar, y_bar, weights_bar, None, None
