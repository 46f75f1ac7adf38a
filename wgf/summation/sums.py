"""The data of one sum over pairs, and the definition of its relative error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..kernels import Kernel


@dataclass(frozen=True)
class Sums:
    """One sum over pairs with all its data: Σⱼ wⱼ K(xᵢ, yⱼ) for every i, and its gradient in xᵢ.

    Parameters
    ----------
    kernel : Kernel
        The kernel K.
    x : Tensor
        Points (m, d) at which the sums are taken.
    y : Tensor
        Particles (n, d) that are summed over.
    weights : Tensor
        Their weights (n,), float64.
    same : bool
        Whether x and y are the same particles, row by row. A singular kernel then leaves out i = j.
    """

    kernel: Kernel
    x: Tensor
    y: Tensor
    weights: Tensor
    same: bool

    def dense(self) -> tuple[Tensor, Tensor]:
        """Value (m,) and gradient (m, d) as the kernel itself sums: over all pairs, or by its moments."""
        return self.kernel.sums(self.x, self.y, self.weights, self.same)

    def some(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Sum all pairs in float64 at some points spread over x.

        Parameters
        ----------
        count : int
            About how many points.

        Returns
        -------
        rows : Tensor
            The rows of x that were taken (k,), k ≤ count.
        value, gradient : Tensor
            The sums (k,) and gradients (k, d), float64.
        """
        rows = torch.linspace(0, len(self.x) - 1, min(count, len(self.x)), dtype=torch.float64).long()
        x, y, weights = self.x.detach().double(), self.y.detach().double(), self.weights.detach()
        if not (self.same and self.kernel.singular):
            return rows, *self.kernel.sums(x[rows], y, weights, False)
        rest = torch.ones(len(y), dtype=torch.bool)
        rest[rows] = False  # put these rows first in y too, so that the kernel leaves out i = j
        order = torch.cat([rows, torch.nonzero(rest).flatten()])
        return rows, *self.kernel.sums(x[rows], y[order], weights[order], True)

    @property
    def dtype(self) -> str:
        """The dtype of the points x: "float64" or "float32"."""
        return str(self.x.dtype).removeprefix("torch.")


def finite(*tensors: Tensor) -> bool:
    """Whether every number of these tensors is finite."""
    return all(bool(ops.all_finite(tensor.detach())) for tensor in tensors)


def relative_error(value: Tensor, want: Tensor, gradient: Tensor, slope: Tensor) -> float:
    """The relative error of sums: the larger of max |error| / max |sum| for the values and for the gradients.

    Parameters
    ----------
    value, want : Tensor
        Values to judge and right values, (k,).
    gradient, slope : Tensor
        Gradients to judge and right gradients, (k, d); compared by their Euclidean length.

    Returns
    -------
    float
        The error. NaN if any number is NaN.

    Examples
    --------
    >>> import torch
    >>> from wgf.summation import relative_error
    >>> right = torch.tensor([1.0, 2.0])
    >>> relative_error(right + 0.5, right, torch.ones(2, 1), torch.ones(2, 1))
    0.25
    """
    of_value = (value - want).abs().max() / want.abs().max()
    of_gradient = (gradient - slope).norm(dim=1).max() / slope.norm(dim=1).max()
    return float("nan") if bool(of_value.isnan() | of_gradient.isnan()) else max(float(of_value), float(of_gradient))
