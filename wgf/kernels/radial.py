"""Kernels with a closed form in the distance |x − y|, summed over all pairs by `wgf.ops.pair_sums`.

u = x − y throughout. h and other ranges are lengths in the units of x. A softening δ > 0, a length too, replaces |u|²
by |u|² + δ²: the kernel is then finite and smooth at u = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import ops
from ..ops import bodies, forms
from ..ops.range import extents, factor_fits
from ..ops.registry import later
from .base import Kernel, KernelSum


class Radial(Kernel):
    """A closed form of q = |u|² + δ², given by its number in `wgf.ops.forms`."""

    form: int
    softening: float = 0.0
    diverges = False  # whether the form is infinite at q = 0
    scale = 1.0
    radial = True

    @property
    def acts(self) -> str:
        return "repels"

    def parameters(self) -> tuple[float, ...]:
        """The numbers of the form, in the order of `wgf.ops.forms`."""
        return ()

    def require_dim(self, dim: int) -> None:
        """Refuse particles of a dimension that the kernel is not made for; most kernels accept all."""

    @property
    def singular(self) -> bool:
        return self.diverges and self.softening == 0.0

    @property
    def kinked(self) -> bool:
        return self.softening == 0.0 and self.form in (forms.MATERN12, forms.MORSE, forms.DISTANCE)

    @property
    def family(self) -> str:
        return type(later("radial").compiled_form(self.form, self.parameters(), np.dtype(np.float64))[0]).__name__

    def _fits(self, size: float | None) -> bool:
        return extents(self.form, self.parameters(), self.softening).hold(size)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        self.require_dim(x.shape[1])
        leave_out, scale = same and self.singular, self.scale
        value, gradient = ops.pair_sums(x, y, weights, self.form, self.parameters(), self.softening, leave_out)
        return (value, gradient) if scale == 1.0 else (scale * value, scale * gradient)

    def periodic_sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool, period: Tensor) -> tuple[Tensor, Tensor]:
        if self.long_ranged:
            return super().periodic_sums(x, y, weights, same, period)
        lengths = period.tolist()
        value, gradient = ops.pair_sums(x, y, weights, self.form, self.parameters(), self.softening, False, lengths)
        return (value, gradient) if self.scale == 1.0 else (self.scale * value, self.scale * gradient)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        u = (x - y).double()  # the square of a float32 number is in the range of float64
        self.require_dim(u.shape[-1])
        return self.profile((u * u).sum(-1)).to(x.dtype)

    def profile(self, q: Tensor) -> Tensor:
        return self.scale * forms.evaluate(self.form, self.parameters(), q + self.softening**2)[0]


def pair_bodies(
    kernel: Kernel, weights: Tensor, dtype: torch.dtype, dim: int, changing: bool = False
) -> list[tuple[bodies.Pair, Any]] | None:
    """Give the formulas of a radial kernel or a sum of them as plain numbers, for compiled stretches of steps.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    weights : Tensor
        The weights (n,) of the particles, float64.
    dtype : torch.dtype
        Their dtype.
    dim : int
        Their dimension d.
    changing : bool, default False
        Whether there are also sums with other weights.

    Returns
    -------
    list of (Pair, ndarray or None), or None
        Every formula with the relative weights, by `wgf.ops.pair_body`. None where a part has no closed form.
    """
    found = []
    for factor, part in kernel.parts if isinstance(kernel, KernelSum) else ((1.0, kernel),):
        if not isinstance(part, Radial) or type(part).sums is not Radial.sums:
            return None
        formula = part.form, part.parameters(), part.softening, part.singular
        made = ops.pair_body(*formula, part.scale, factor, weights, dtype, dim, changing)
        if made is None or (dtype == torch.float32 and not factor_fits(factor)):
            return None
        found.append(made)
    return found
