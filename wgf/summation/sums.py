"""One sum over pairs with all its arguments, and what is meant by its relative error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..kernels import Kernel


@dataclass(frozen=True)
class Sums:
    """Σⱼ wⱼ K(xᵢ, yⱼ) (m,) and its gradient in xᵢ (m, d), over y (n, d) at x (m, d); `same` as in `Kernel.sums`."""

    kernel: Kernel
    x: Tensor
    y: Tensor
    weights: Tensor
    same: bool

    def dense(self) -> tuple[Tensor, Tensor]:
        """As the kernel itself sums: over all pairs, or by its moments."""
        return self.kernel.sums(self.x, self.y, self.weights, self.same)

    def some(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """About `count` rows spread over x, and value and gradient there by all pairs in float64."""
        rows = torch.linspace(0, len(self.x) - 1, min(count, len(self.x)), dtype=torch.float64).long()
        x, y, weights = self.x.detach().double(), self.y.detach().double(), self.weights.detach()
        if not (self.same and self.kernel.singular):
            return rows, *self.kernel.sums(x[rows], y, weights, False)
        rest = torch.ones(len(y), dtype=torch.bool)
        rest[rows] = False  # the rows come first in y too, so that i = j is left out
        order = torch.cat([rows, torch.nonzero(rest).flatten()])
        return rows, *self.kernel.sums(x[rows], y[order], weights[order], True)

    @property
    def dtype(self) -> str:
        """float64 or float32."""
        return str(self.x.dtype).removeprefix("torch.")


def finite(*tensors: Tensor) -> bool:
    """Whether every number of these tensors is finite."""
    return all(bool(ops.all_finite(tensor.detach())) for tensor in tensors)


def relative_error(value: Tensor, want: Tensor, gradient: Tensor, slope: Tensor) -> float:
    """The larger of the relative errors of values (k,) and gradients (k, d), each as max |error| / max |sum|."""
    of_value = (value - want).abs().max() / want.abs().max()
    of_gradient = (gradient - slope).norm(dim=1).max() / slope.norm(dim=1).max()
    return float("nan") if bool(of_value.isnan() | of_gradient.isnan()) else max(float(of_value), float(of_gradient))
