"""The near-linear methods: what each can sum, what that takes, and the sums.

The error of a Fourier sum is relative: max over targets of |error| over max over targets of |sum|, for values and for
gradients (Euclidean length) each, and at most `rtol`. The maxima are taken, from below, over a few targets that are
summed directly (`PROBES`); the series and the transforms are then made so that their bounds keep it, and the same
targets confirm every sum afterwards.
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
from ..ops.fast import fourier, sorting
from ..ops.fast.spectrum import Refused, Tolerance
from .costs import Costs, FourierWork
from .sums import Sums, relative_error

PROBES = 32
SMALLEST = {"fourier": 1e-12, "sorting": 1e-13}
"""The smallest rtol that a method offers; with float32 particles Fourier sums stop at SMALLEST_FLOAT32."""
SMALLEST_FLOAT32 = 5e-7


@dataclass(frozen=True)
class Candidate:
    """A way to get the sums: what it is, the nanoseconds that it should take, and the sums themselves."""

    note: str
    nanoseconds: float
    run: Callable[[], tuple[Tensor, Tensor]]


def impossible(kernel: Kernel, method: str, rtol: float) -> str | None:
    """Why a method can never sum this kernel to `rtol`, whatever the particles; None where it may."""
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
    """ConfigError where the method can never do it, BackendError where finufft is missing."""
    reason = impossible(kernel, method, rtol)
    if reason:
        raise ConfigError(f"method={method!r} cannot sum {kernel!r} to rtol = {rtol:g}: {reason}. Use method='auto'.")
    if method == "fourier" and not fourier.available():
        raise BackendError("method='fourier' needs finufft, which comes with `pip install wgflow[fast]`.")


def split(kernel: Kernel) -> tuple[Kernel | None, tuple[tuple[float, Kernel], ...]]:
    """The part of a kernel that needs a method, and the parts that are summed by moments."""
    if not isinstance(kernel, KernelSum):
        return (None, ((1.0, kernel),)) if kernel.by_moments else (kernel, ())
    rest = tuple((factor, part) for factor, part in kernel.parts if not part.by_moments)
    return (KernelSum(rest) if rest else None), tuple(pair for pair in kernel.parts if pair[1].by_moments)


def _with_moments(
    sums: Sums, value: np.ndarray, gradient: np.ndarray, moments: tuple[tuple[float, Kernel], ...]
) -> tuple[Tensor, Tensor]:
    v, g = torch.from_numpy(value), torch.from_numpy(gradient)
    for factor, part in moments:
        more, slope = part.sums(sums.x, sums.y, sums.weights, sums.same)
        v, g = v + factor * more, g + factor * slope
    return v, g.to(sums.x.dtype)


def _columns(tensor: Tensor) -> np.ndarray:
    """(d, n) in float64, each coordinate in one piece of memory."""
    return np.ascontiguousarray(tensor.detach().numpy().T, dtype=np.float64)


# ------------------------------------------------------------------------------------------------- sorting


def by_sorting(sums: Sums, rtol: float, costs: Costs, limit: float = math.inf) -> Candidate:
    """Exact, on a line; Refused where it cannot be or takes more than `limit` nanoseconds."""
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
        value, slope = sorting.sorted_sums(terms, x, None if sums.same else _columns(sums.y)[0], weights)
        return _with_moments(sums, value, slope[:, None], moments)

    return Candidate("exact, by sorting", nanoseconds, run)


# ------------------------------------------------------------------------------------------------- fourier


def by_fourier(sums: Sums, rtol: float, costs: Costs, limit: float = math.inf) -> Candidate:
    """By non-uniform Fourier transforms in d ≤ 3; Refused where they cannot, or take more than `limit` nanoseconds."""
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
    if least > limit:  # even with a grid of nothing: no need to plan one
        raise Refused("it takes longer")
    made = _FourierSum.make(kernel, moments, sums, rtol)
    modes, grid = made.plan.modes, made.plan.grid(closeness)
    work = FourierWork(points, width, grid, transforms, made.plan.chunks(n), math.prod(modes))
    note = f"non-uniform Fourier transforms with {' × '.join(map(str, modes))} modes"
    return Candidate(note, probes + costs.transform(dim, work), made.run)


@dataclass(frozen=True)
class _Profile:
    """The profile of a kernel for arrays; equal for equal kernels, so that a plan made for one serves the other."""

    kernel: Kernel

    def __call__(self, q: np.ndarray) -> np.ndarray:
        with one_torch_thread():
            values: np.ndarray = self.kernel.profile(torch.from_numpy(q)).numpy()
        return values

    def __hash__(self) -> int:
        try:
            return hash(self.kernel)
        except TypeError:  # a kernel of the user's own
            return id(self.kernel)


@dataclass(frozen=True)
class _FourierSum:
    """A planned Fourier sum with the targets that were summed directly."""

    sums: Sums
    moments: tuple[tuple[float, Kernel], ...]
    profile: _Profile
    plan: fourier.Plan
    columns: tuple[np.ndarray, np.ndarray]
    probes: tuple[Tensor, Tensor, Tensor]
    rtol: float

    @staticmethod
    def make(kernel: Kernel, moments: tuple[tuple[float, Kernel], ...], sums: Sums, rtol: float) -> _FourierSum:
        probes = sums.some(PROBES)
        mass = float(sums.weights.detach().abs().sum())
        value, gradient = float(probes[1].abs().max()), float(probes[2].norm(dim=1).max())
        if not min(mass, value, gradient) > 0.0:
            raise Refused("the sums vanish where they were looked at")
        per_mass = Tolerance(rtol * value / mass, rtol * gradient / mass / math.sqrt(sums.x.shape[1]))
        profile, x = _Profile(kernel), _columns(sums.x)
        columns = (x, x if sums.same else _columns(sums.y))
        return _FourierSum(sums, moments, profile, fourier.plan(profile, *columns, per_mass), columns, probes, rtol)

    def run(self) -> tuple[Tensor, Tensor]:
        weights = self.sums.weights.detach().numpy()
        arrays = fourier.fourier_sums(self.profile, self.plan, *self.columns, weights)
        value, gradient = _with_moments(self.sums, *arrays, self.moments)
        rows, want, slope = self.probes
        error = relative_error(value[rows], want, gradient[rows].double(), slope)
        if not error <= self.rtol:
            raise Refused(f"the sums are off by {error:.1e} where they were confirmed")
        return value, gradient
