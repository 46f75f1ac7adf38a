"""The user's own radial kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ShapeError
from ..ops import reference
from .base import Kernel


@dataclass(frozen=True)
class RadialKernel(Kernel):
    """The user's function of r² = |u|² in torch; autograd gives the force.

    `fn` maps a float64 tensor of squared distances to a tensor of the same shape. It runs in one torch thread, block by
    block, so that its bits do not depend on the number of threads. Where positive definiteness is asked, as for Stein
    and KSD, it is taken on trust.

    >>> import torch
    >>> RadialKernel(lambda q: 1 / (1 + q))(torch.ones(1, 2))
    tensor([0.3333])
    """

    fn: Callable[[Tensor], Tensor]
    infinite_at_zero: bool = field(default=False, kw_only=True)
    radial = True
    positive_definite = True

    @property
    def singular(self) -> bool:
        return self.infinite_at_zero

    def _form(self, q: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            q = q.detach().requires_grad_()
            k: Any = self.fn(q)
            if not isinstance(k, Tensor) or k.shape != q.shape:
                raise ShapeError(
                    f"RadialKernel: fn returned {_describe(k)} for r² of shape {tuple(q.shape)}; wanted the same shape."
                )
            slope = torch.zeros_like(q) if not k.requires_grad else torch.autograd.grad(k.sum(), q)[0]
        # at u = 0 the force is zero by symmetry, whatever the derivative of fn is there
        return k.detach(), 2.0 * torch.where(q == 0, torch.zeros_like(slope), slope)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        with ops.one_torch_thread():
            value, gradient = reference.radial_sums(
                self._form, x.double(), y.double(), weights.double(), same and self.singular
            )
        return value, gradient.to(x.dtype)

    def profile(self, q: Tensor) -> Tensor:
        return self._form(q)[0]

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = x - y
        return self.fn((u * u).sum(-1))


def _describe(value: object) -> str:
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
