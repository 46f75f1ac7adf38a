"""A radial kernel from a function that the user writes in torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError
from ..ops import reference
from .base import Kernel


@dataclass(frozen=True, repr=False)
class RadialKernel(Kernel):
    """The user's function fn(|u|²), u = x − y; it repels where fn decreases and attracts where fn increases.

    The force is found by automatic differentiation.

    Parameters
    ----------
    fn : callable
        A function in torch. It maps squared distances r² = |u|² (float64, any shape, in the squared units of x) to
        values of the same shape.
    infinite_at_zero : bool, default False
        Whether fn is infinite at r² = 0. Sums then leave out the self pair i = j.

    Raises
    ------
    ShapeError
        If fn returns another shape, or no tensor; when the sums are taken.
    ConfigError
        If fn returns complex numbers.

    See Also
    --------
    wgf.Interaction, wgf.kernels.Kernel, wgf.solvers.RandomBatch

    Notes
    -----
    fn runs in one torch thread on one block of pairs at a time, so that the result has the same bits for every number
    of threads. The cost is O(n²·d), several times that of a kernel of `wgf.kernels`.
    `Stein` and `KSD` need a positive definite kernel. That of fn is not checked: it is assumed. A function that is
    completely monotone in r², such as e^(−r²) or 1/(1 + r²), is positive definite in every dimension (Schoenberg 1938).

    References
    ----------
    Schoenberg (1938), Metric spaces and completely monotone functions, Annals of Mathematics 39.

    Examples
    --------
    >>> import torch, wgf
    >>> kernel = RadialKernel(lambda q: 1 / (1 + q))
    >>> kernel(torch.ones(1, 2))
    tensor([0.3333])
    >>> force = -wgf.energies.Interaction(kernel).gradient(wgf.Ensemble([[0.0], [1.0]]))
    >>> force[1].item() > 0  # the particle on the right moves to the right: repulsion
    True
    """

    fn: Callable[[Tensor], Tensor]
    infinite_at_zero: bool = field(default=False, kw_only=True)
    radial = True
    positive_definite = True

    @property
    def singular(self) -> bool:
        return self.infinite_at_zero

    def _form(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """(k, g) at q = |u|², where K = k and ∇K = g·u."""
        with ops.recorded():
            q = q.detach().clone().requires_grad_()
            k: Any = self.fn(q)
            if isinstance(k, Tensor) and k.is_complex():
                raise ConfigError(f"RadialKernel: fn returned complex numbers ({k.dtype}); wanted real ones.")
            if not isinstance(k, Tensor) or k.shape != q.shape:
                raise ShapeError(
                    f"RadialKernel: fn returned {_describe(k)} for r² of shape {tuple(q.shape)}; wanted the same shape."
                )
            slope = torch.zeros_like(q) if not k.requires_grad else torch.autograd.grad(k.sum(), q)[0]
        # at u = 0 the force is zero by symmetry, even where the derivative of fn is infinite or NaN
        return k.detach(), 2.0 * torch.where(q == 0, torch.zeros_like(slope), slope)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            value, gradient = reference.radial_sums(
                self._form, x.double(), y.double(), weights.double(), same and self.singular
            )
        return value, gradient.to(x.dtype)

    def periodic_sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool, period: Tensor) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            leave_out, lengths = same and self.singular, period.tolist()
            value, gradient = reference.radial_sums(
                self._form, x.double(), y.double(), weights.double(), leave_out, lengths
            )
        return value, gradient.to(x.dtype)

    def profile(self, q: Tensor) -> Tensor:
        return self._form(q)[0]

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = (x - y).double()
        return self.fn(_Squares.apply((u * u).sum(-1))).to(x.dtype)


class _Squares(torch.autograd.Function):
    """Squared distances as they are. At 0, where the slope of fn may be infinite, autograd gets the slope 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(q: Tensor) -> Tensor:
        return q.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *bars: Tensor) -> Tensor:
        (q,), (bar,) = ctx.saved_tensors, bars
        return torch.where((q == 0) & ~torch.isfinite(bar), torch.zeros_like(bar), bar)


def _describe(value: object) -> str:
    """What fn returned, for an error message."""
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
