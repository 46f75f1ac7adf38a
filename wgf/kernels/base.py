"""The base class of all kernels, and the sum of kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..errors import ConfigError, ShapeError, require_number, require_unmasked
from ..ops import all_finite
from ..ops.range import extent, factor_fits
from .composition import Exponential, acting, written


class Kernel(ABC):
    """A function K(x, y) of two points, most often of their difference u = x − y.

    Users take a kernel of `wgf.kernels`, or write `RadialKernel(fn)`. Kernels are added, subtracted and multiplied by a
    number, and the result is a kernel. `Interaction(kernel)` is the energy ½ ∬ K dμ dμ: K repels where it decreases
    with the distance and attracts where it increases.

    See Also
    --------
    wgf.Interaction, wgf.solvers.RandomBatch, wgf.kernels.RadialKernel, wgf.kernels.KernelSum

    Notes
    -----
    A subclass defines `sums` and `_value`, which `kernel(x, y)` calls with checked points. It sets the class attributes
    and properties below where they differ from the defaults; they decide which ways of summing apply and which solvers
    accept the kernel.

    Examples
    --------
    >>> import torch
    >>> from wgf.kernels import Gaussian
    >>> kernel = 2 * Gaussian(1.0) - Gaussian(0.5)
    >>> kernel
    2 * Gaussian(h=1.0) - 1 * Gaussian(h=0.5)
    >>> kernel(torch.zeros(1, 3))
    tensor([1.])
    """

    __array_ufunc__ = None  # so that np.float64(2) * kernel is computed by __rmul__ here
    by_moments: ClassVar[bool] = False
    """Whether `sums` needs only a few moments of the particles, and so takes O(n·d) time."""
    radial: ClassVar[bool] = False
    """Whether K(x, y) depends on |x − y| alone; `profile` then gives that function."""
    positive_definite: ClassVar[bool] = False
    """Whether ∬ K dν dν ≥ 0 for every signed measure ν; False where that is not known. Stein and KSD need it."""

    @property
    def acts(self) -> str:
        """How particles act on each other under +K: "repels", "attracts", both, or empty where that is not known."""
        return ""

    @property
    def formula(self) -> str:
        """The kernel as it is written in code, such as "Gaussian(h=1.0)"."""
        names: list[str] = [field.name for field in fields(self) if field.repr] if is_dataclass(self) else []
        return f"{type(self).__name__}({', '.join(f'{name}={written(getattr(self, name))}' for name in names)})"

    def __repr__(self) -> str:
        return f"{self.formula}  # {self.acts}" if self.acts else self.formula

    @property
    def singular(self) -> bool:
        """Whether K is infinite at u = 0; sums then leave out the self pair i = j."""
        return False

    @property
    def kinked(self) -> bool:
        """Whether ∇K jumps at u = 0; the Fourier series of its force then does not converge."""
        return False

    @property
    def family(self) -> str:
        """The name of the formula, the key of its row in the table of costs."""
        return type(self).__name__

    @abstractmethod
    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        """Sum the kernel over particles: Σⱼ wⱼ K(xᵢ, yⱼ) for every i, and the gradient in xᵢ.

        Parameters
        ----------
        x : Tensor
            Points (m, d) at which the sums are taken, float32 or float64.
        y : Tensor
            Particles (n, d) that are summed over.
        weights : Tensor
            Their weights (n,), float64; any sign.
        same : bool, default False
            Whether x and y are the same particles, row by row. A singular kernel then leaves out i = j.

        Returns
        -------
        value : Tensor
            The sums (m,), float64.
        gradient : Tensor
            Their gradients (m, d) in xᵢ, in the dtype of x. They are not divided by the weights.

        Notes
        -----
        Memory is O((m + n)·d). The result has the same bits for every number of threads.
        """

    long_ranged: ClassVar[bool] = False
    """Whether K does not fade with the distance, so that it has no sum over nearest images."""

    def periodic_sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool, period: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the kernel over the nearest images in a space that repeats after the lengths `period` (d,).

        The arguments and results are those of `sums`. Raises a ConfigError for a kernel without such a sum.
        """
        raise ConfigError(
            f"{self!r} has no sum in a periodic domain, since it does not fade with the distance; wanted a kernel of "
            "finite range (Gaussian, Matern, Laplace, Morse), or Cosine where the period is a multiple of 2π."
        )

    @abstractmethod
    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        """K(x, y) (...) for x and y of shape (..., d), which broadcast."""

    def _fits(self, size: float | None) -> bool:
        """Whether float32 holds what `sums` makes of points with this extent, as `wgf.ops.range` has it."""
        return True

    def __call__(self, x: Any, y: Any = 0.0) -> Tensor:
        """Evaluate K(x, y) row by row.

        Parameters
        ----------
        x : array-like
            Points (..., d).
        y : array-like, default 0.0
            Points that broadcast against x. By default K is taken at the difference u = x.

        Returns
        -------
        Tensor
            The values (...), without the last axis, in the dtype of x.

        Raises
        ------
        ShapeError
            If x has no axes.
        """
        require_unmasked("points", (x, y))
        points = torch.as_tensor(x)
        if not points.ndim:
            raise ShapeError(f"{type(self).__name__}: x has no axes; wanted points of shape (..., d).")
        if not points.is_floating_point():
            points = points.to(torch.get_default_dtype())
        return self._value(points, torch.as_tensor(y, dtype=points.dtype, device=points.device))

    def profile(self, q: Tensor) -> Tensor:
        """Evaluate a radial kernel as a function of the squared distance.

        Parameters
        ----------
        q : Tensor
            Squared distances |u|², float64, any shape, in the squared units of x.

        Returns
        -------
        Tensor
            K at these distances, the shape of q.

        Raises
        ------
        NotImplementedError
            If the kernel is not a function of the distance.
        """
        raise NotImplementedError(f"{self!r} is no function of the distance")

    def exponentials(self) -> tuple[Exponential, ...] | None:
        """Write a kernel on a line as a sum of polynomials times exponentials of |u|.

        Returns
        -------
        tuple of Exponential, or None
            The terms p(s) e^(−λs), s = a|u|. None where the kernel is no such sum; it then cannot be summed by sorting.
        """
        return None

    def __add__(self, other: Kernel) -> Kernel:
        return KernelSum((*_parts(self), *_parts(other))) if isinstance(other, Kernel) else NotImplemented

    def __sub__(self, other: Kernel) -> Kernel:
        return self + -1.0 * other if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, factor: float) -> Kernel:
        scale = require_number("kernel factor", factor)
        return KernelSum(tuple((scale * c, k) for c, k in _parts(self)))

    __rmul__ = __mul__

    def __neg__(self) -> Kernel:
        return -1.0 * self


def fits(kernel: Kernel, x: Tensor, y: Tensor) -> bool:
    """Whether sums over these points can be taken as they are. Only float32 can be too narrow."""
    return not (x.dtype == y.dtype == torch.float32) or kernel._fits(extent(x, y))


def in_double(kernel: Kernel, x: Tensor, y: Tensor, weights: Tensor, same: bool) -> tuple[Tensor, Tensor]:
    """The sums of a kernel, taken in float64; the gradient in the dtype of x."""
    wide = x.double()
    value, gradient = kernel.sums(wide, wide if y is x else y.double(), weights, same)
    return value, gradient.to(x.dtype)


def _parts(kernel: Kernel) -> tuple[tuple[float, Kernel], ...]:
    """The (factor, kernel) pairs of a sum, or the kernel itself with factor 1."""
    return kernel.parts if isinstance(kernel, KernelSum) else ((1.0, kernel),)


@dataclass(frozen=True, repr=False)
class KernelSum(Kernel):
    """The weighted sum Σₖ cₖ Kₖ of kernels, as `+`, `-` and `*` build it. A factor < 0 turns repulsion into attraction.

    Parameters
    ----------
    parts : tuple of (float, Kernel)
        The factors cₖ and kernels Kₖ.

    See Also
    --------
    wgf.kernels.Morse, wgf.kernels.Kernel, wgf.Interaction

    Notes
    -----
    It is singular or kinked if any part is, and radial if every part is. It counts as positive definite if every part
    is and no factor is negative.

    Examples
    --------
    >>> from wgf.kernels import Gaussian, Log
    >>> -0.5 * Log() + Gaussian(2.0)
    -0.5 * Log(softening=0.0) + 1 * Gaussian(h=2.0)
    """

    parts: tuple[tuple[float, Kernel], ...]

    @property
    def singular(self) -> bool:
        return any(kernel.singular for _, kernel in self.parts)

    def _fits(self, size: float | None) -> bool:
        return all(factor_fits(factor) and kernel._fits(size) for factor, kernel in self.parts)

    @property
    def _weakens(self) -> bool:
        """Whether a factor may bring an infinite force of close pairs into the range of float32."""
        return self.singular and any(abs(factor) < 1e-3 for factor, _ in self.parts)

    def sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool = False) -> tuple[Tensor, Tensor]:
        if not fits(self, x, y):
            return in_double(self, x, y, weights, same)
        value, gradient = self._total(x, lambda kernel: kernel.sums(x, y, weights, same))
        if x.dtype == torch.float32 and x.device.type == "cpu" and self._weakens and not all_finite(gradient):
            return in_double(self, x, y, weights, same)
        return value, gradient

    def periodic_sums(self, x: Tensor, y: Tensor, weights: Tensor, same: bool, period: Tensor) -> tuple[Tensor, Tensor]:
        return self._total(x, lambda kernel: kernel.periodic_sums(x, y, weights, same, period))

    def _total(self, x: Tensor, sums: Callable[[Kernel], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        value, gradient = torch.zeros(len(x), dtype=torch.float64, device=x.device), torch.zeros_like(x)
        for factor, kernel in self.parts:
            v, g = sums(kernel)
            value, gradient = value + factor * v, gradient + factor * g
        return value, gradient

    @property
    def kinked(self) -> bool:
        return any(kernel.kinked for _, kernel in self.parts)

    @property
    def by_moments(self) -> bool:  # type: ignore[override]
        return all(kernel.by_moments for _, kernel in self.parts)

    @property
    def radial(self) -> bool:  # type: ignore[override]
        return all(kernel.radial for _, kernel in self.parts)

    @property
    def positive_definite(self) -> bool:  # type: ignore[override]
        return all(factor >= 0 and kernel.positive_definite for factor, kernel in self.parts)

    def profile(self, q: Tensor) -> Tensor:
        return sum((factor * kernel.profile(q) for factor, kernel in self.parts), torch.zeros_like(q))

    def exponentials(self) -> tuple[Exponential, ...] | None:
        terms: list[Exponential] = []
        for factor, kernel in self.parts:
            own = kernel.exponentials()
            if own is None:
                return None
            terms += [term.times(factor) for term in own]
        return tuple(terms)

    def _value(self, x: Tensor, y: Tensor) -> Tensor:
        wide, other = x.double(), y.double()
        return torch.stack([factor * kernel._value(wide, other) for factor, kernel in self.parts]).sum(0).to(x.dtype)

    @property
    def acts(self) -> str:
        """That of the parts, where they agree; a factor < 0 turns repulsion into attraction."""
        found = {acting(kernel.acts, factor) for factor, kernel in self.parts if factor}
        return found.pop() if len(found) == 1 else ""

    @property
    def formula(self) -> str:
        return " + ".join(f"{factor:g} * {kernel.formula}" for factor, kernel in self.parts).replace("+ -", "- ")
