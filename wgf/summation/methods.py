"""The two fast ways of summing, sorting and Fourier transforms: what each can sum, its predicted time, and the sums.

The error of a Fourier sum is relative: the largest error over the targets divided by the largest sum. It is taken for
values and for gradients (Euclidean length) each, and is at most `rtol`. The largest sum is estimated from below on a
few targets (`PROBES`), where all pairs are summed. The series and transforms are made so that their error bounds keep
`rtol`, and every result is compared with the sums at these targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import BackendError, ConfigError
from ..kernels import Kernel, KernelSum
from ..ops import one_torch_thread
from ..ops.fast import fourier
from ..ops.fast.spectrum import Refused, Tolerance
from .costs import Costs, FourierWork
from .sums import Sums, relative_error

PROBES = 32
"""Targets at which all pairs are summed too, to set and to confirm the accuracy of a Fourier sum."""
SMALLEST = {"fourier": 1e-12, "sorting": 1e-13}
"""The smallest rtol that a method can keep."""
SMALLEST_FLOAT32 = 5e-7
"""The smallest rtol that a Fourier sum can keep with float32 particles."""


@dataclass(frozen=True)
class Candidate:
    """A method that can take given sums.

    Attributes
    ----------
    note : str
        What it does, and its size.
    nanoseconds : float
        Its predicted time.
    run : callable
        Takes the sums: () → (value (m,), gradient (m, d)). It may raise Refused.
    """

    note: str
    nanoseconds: float
    run: Callable[[], tuple[Tensor, Tensor]]


def impossible(kernel: Kernel, method: str, rtol: float) -> str | None:
    """Say why a method can never sum a kernel, whatever the particles.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    method : str
        A name of `METHODS`.
    rtol : float
        The relative error allowed.

    Returns
    -------
    str or None
        The reason. None where the method may work.

    Examples
    --------
    >>> from wgf.kernels import Laplace
    >>> impossible(Laplace(1.0), "fourier", 1e-6)
    'its force jumps at distance 0, and the Fourier series of a jump does not converge'
    """
    pairwise, _ = split(kernel)
    if rtol < SMALLEST.get(method, 0.0):
        return f"it offers rtol ≥ {SMALLEST[method]:g}"
    if method == "moments" and not kernel.by_moments:
        return "only QuadraticKernel, Cosine, Linear and their sums have closed moments"
    if method == "sorting" and pairwise is not None and pairwise.exponentials() is None:
        return "only Laplace, Matern, Morse, Newtonian(1) and sums of them (or of kernels by moments) can be sorted"
    if method == "fourier" and pairwise is not None and (not pairwise.radial or pairwise.singular):
        return "it is no finite function of |x − y|; a softening makes it one"
    if method == "fourier" and pairwise is not None and pairwise.kinked:
        return "its force jumps at distance 0, and the Fourier series of a jump does not converge"
    return None


def require_method(kernel: Kernel, method: str, rtol: float) -> None:
    """Refuse a method that can never sum a kernel.

    Parameters
    ----------
    kernel, method, rtol
        As in `impossible`.

    Raises
    ------
    ConfigError
        If the method can never sum this kernel to rtol.
    BackendError
        If method is "fourier" and finufft is not installed.
    """
    reason = impossible(kernel, method, rtol)
    if reason:
        raise ConfigError(
            f"method={method!r} cannot sum {kernel.formula} to rtol = {rtol:g}: {reason}. Use method='auto'."
        )
    if method == "fourier" and not fourier.available():
        raise BackendError("method='fourier' needs finufft, which comes with `pip install wgflow[fast]`.")


def split(kernel: Kernel) -> tuple[Kernel | None, tuple[tuple[float, Kernel], ...]]:
    """Split a kernel into the part that needs a method and the parts that are summed by moments.

    Parameters
    ----------
    kernel : Kernel
        Any kernel.

    Returns
    -------
    pairwise : Kernel or None
        The part that needs a method; None if there is none.
    moments : tuple of (float, Kernel)
        The factors and kernels of the other parts.
    """
    if not isinstance(kernel, KernelSum):
        return (None, ((1.0, kernel),)) if kernel.by_moments else (kernel, ())
    rest = tuple((factor, part) for factor, part in kernel.parts if not part.by_moments)
    return (KernelSum(rest) if rest else None), tuple(pair for pair in kernel.parts if pair[1].by_moments)


def _with_moments(
    sums: Sums, value: np.ndarray, gradient: np.ndarray, moments: tuple[tuple[float, Kernel], ...]
) -> tuple[Tensor, Tensor]:
    """Value and gradient as tensors, with the parts that are summed by moments added."""
    v, g = torch.from_numpy(value), torch.from_numpy(gradient)
    for factor, part in moments:
        more, slope = part.sums(sums.x, sums.y, sums.weights, sums.same)
        v, g = v + factor * more, g + factor * slope
    return v, g.to(sums.x.dtype)


def _columns(tensor: Tensor) -> np.ndarray:
    """Coordinates as a float64 array (d, n), each coordinate contiguous."""
    return np.ascontiguousarray(tensor.detach().numpy().T, dtype=np.float64)


# ------------------------------------------------------------------------------------------------- sorting


def by_sorting(sums: Sums, rtol: float, costs: Costs, limit: float = math.inf) -> Candidate:
    """The exact sum on a line by sorting.

    Parameters
    ----------
    sums : Sums
        The sums to take.
    rtol : float
        The relative error allowed.
    costs : Costs
        The table of costs.
    limit : float, default infinity
        Nanoseconds of the best other method.

    Returns
    -------
    Candidate
        The sum, not yet taken.

    Raises
    ------
    Refused
        If the particles are not on a line, the kernel is no sum of exponentials, or the time exceeds limit.
    """
    reason = impossible(sums.kernel, "sorting", rtol)
    if reason or sums.x.shape[1] != 1:
        raise Refused(reason or f"particles are sorted on a line, not in {sums.x.shape[1]} dimensions")
    kernel, moments = split(sums.kernel)
    terms = (kernel.exponentials() if kernel else None) or ()
    points = len(sums.x) if sums.same else len(sums.x) + len(sums.y)
    nanoseconds = costs.sort(points, len(terms))
    if nanoseconds > limit:
        raise Refused("it takes longer")

    def run() -> tuple[Tensor, Tensor]:
        x, weights = _columns(sums.x)[0], sums.weights.detach().numpy()
        from ..ops.fast import sorting  # which imports numba

        value, slope = sorting.sorted_sums(terms, x, None if sums.same else _columns(sums.y)[0], weights)
        return _with_moments(sums, value, slope[:, None], moments)

    return Candidate("exact, by sorting", nanoseconds, run)


# ------------------------------------------------------------------------------------------------- fourier


def by_fourier(sums: Sums, rtol: float, costs: Costs, limit: float = math.inf) -> Candidate:
    """The approximate sum by non-uniform Fourier transforms, in one to three dimensions.

    Parameters
    ----------
    sums : Sums
        The sums to take.
    rtol : float
        The relative error allowed.
    costs : Costs
        The table of costs.
    limit : float, default infinity
        Nanoseconds of the best other method.

    Returns
    -------
    Candidate
        The sum; its series is planned already.

    Raises
    ------
    Refused
        If the kernel, the dimension or rtol rule it out, finufft is missing, or the predicted time exceeds limit.

    Notes
    -----
    The predicted time includes the 32 targets at which all pairs are summed.
    """
    (m, dim), n = sums.x.shape, len(sums.y)
    reason = impossible(sums.kernel, "fourier", rtol)
    kernel, moments = split(sums.kernel)
    if reason or dim > 3:
        raise Refused(reason or f"transforms are for 1 to 3 dimensions, not {dim}")
    if not fourier.available() or kernel is None:
        raise Refused("finufft is not installed" if kernel else "there is nothing to transform")
    if sums.dtype == "float32" and rtol < SMALLEST_FLOAT32:
        raise Refused(f"float32 particles allow rtol ≥ {SMALLEST_FLOAT32:g}")
    transforms, closeness = 1 + (dim + 2) // 2, 0.1 * rtol
    points, width = n + (transforms - 1) * m, math.ceil(-math.log10(closeness)) + 1
    probes = costs.pairs(sums.kernel, "float64", dim, PROBES, n)
    least = probes + costs.transform(dim, FourierWork(points, width, 1, transforms, costs.threads, 1))
    if least > limit:  # too slow even with the smallest grid: do not plan one
        raise Refused("it takes longer")
    made = _FourierSum.make(kernel, moments, sums, rtol)
    modes, grid = made.plan.modes, made.plan.grid(closeness)
    work = FourierWork(points, width, grid, transforms, made.plan.chunks(n), math.prod(modes))
    note = f"non-uniform Fourier transforms with {' × '.join(map(str, modes))} modes"
    return Candidate(note, probes + costs.transform(dim, work), made.run)


@dataclass(frozen=True)
class ProfileOf:
    """The profile of a kernel as a function of numpy arrays.

    Two are equal if their kernels are, so that the cache of plans serves both.
    """

    kernel: Kernel

    def __call__(self, q: np.ndarray) -> np.ndarray:
        with one_torch_thread():
            values: np.ndarray = self.kernel.profile(torch.from_numpy(q)).numpy()
        return values

    def __hash__(self) -> int:
        try:
            return hash(self.kernel)
        except TypeError:  # a user's kernel that cannot be hashed
            return id(self.kernel)


@dataclass(frozen=True)
class _FourierSum:
    """A Fourier sum whose series is planned, with the targets at which all pairs were summed."""

    sums: Sums
    moments: tuple[tuple[float, Kernel], ...]
    profile: ProfileOf
    plan: fourier.Plan
    columns: tuple[np.ndarray, np.ndarray]
    probes: tuple[Tensor, Tensor, Tensor]
    rtol: float

    @staticmethod
    def make(kernel: Kernel, moments: tuple[tuple[float, Kernel], ...], sums: Sums, rtol: float) -> _FourierSum:
        """Sum all pairs at a few targets, and plan a series accurate enough for the sums found there."""
        probes = sums.some(PROBES)
        mass = float(sums.weights.detach().abs().sum())
        value, gradient = float(probes[1].abs().max()), float(probes[2].norm(dim=1).max())
        if not min(mass, value, gradient) > 0.0:
            raise Refused("the sums vanish where they were looked at")
        per_mass = Tolerance(rtol * value / mass, rtol * gradient / mass / math.sqrt(sums.x.shape[1]))
        profile, x = ProfileOf(kernel), _columns(sums.x)
        columns = (x, x if sums.same else _columns(sums.y))
        return _FourierSum(sums, moments, profile, fourier.plan(profile, *columns, per_mass), columns, probes, rtol)

    def run(self) -> tuple[Tensor, Tensor]:
        """Take the sums, and raise Refused if they are wrong at the targets."""
        weights = self.sums.weights.detach().numpy()
        arrays = fourier.fourier_sums(self.profile, self.plan, *self.columns, weights)
        value, gradient = _with_moments(self.sums, *arrays, self.moments)
        rows, want, slope = self.probes
        error = relative_error(value[rows], want, gradient[rows].double(), slope)
        if not error <= self.rtol:
            raise Refused(f"the sums are off by {error:.1e} where they were confirmed")
        return value, gradient
