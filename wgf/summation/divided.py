"""Sums over particles that are divided among processes: which method, and the Fourier sum of parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..kernels import Kernel
from ..ops.fast import fourier
from ..ops.fast.spectrum import Refused, Tolerance
from .choice import QUICK, Summation
from .costs import Costs, FourierWork
from .methods import SMALLEST_FLOAT32, ProfileOf, impossible
from .sums import relative_error


@dataclass(frozen=True)
class Cloud:
    """What a process must know of all particles to take a Fourier sum.

    Attributes
    ----------
    low, high : Tensor
        The least and the largest coordinates (d,).
    mass : float
        Σ|w|.
    points : Tensor
        Some of the particles (k, d), float64.
    value, gradient : Tensor
        The sums over all pairs at these points (k,), and their gradients (k, d), float64.
    """

    low: Tensor
    high: Tensor
    mass: float
    points: Tensor
    value: Tensor
    gradient: Tensor


def transforms_pay(kernel: Kernel, n: int, dim: int, dtype: str, how: Summation) -> bool:
    """Whether "auto" tries Fourier transforms for n particles, wherever they are: by the table of costs."""
    if dim > 3 or impossible(kernel, "fourier", how.rtol) is not None or not fourier.available():
        return False
    return how.costs.pairs(kernel, dtype, dim, n, n) >= QUICK


def planned(kernel: Kernel, cloud: Cloud, n: int, dtype: str, rtol: float) -> fourier.Plan:
    """Plan the series for sums over all particles; Refused where there is none.

    Parameters
    ----------
    kernel : Kernel
        The kernel, without parts that are summed by moments.
    cloud : Cloud
        All particles.
    n : int
        Their number.
    dtype : {"float32", "float64"}
        Their dtype.
    rtol : float
        The relative error allowed.
    """
    dim = len(cloud.low)
    reason = impossible(kernel, "fourier", rtol)
    if reason or dim > 3:
        raise Refused(reason or f"transforms are for 1 to 3 dimensions, not {dim}")
    if dtype == "float32" and rtol < SMALLEST_FLOAT32:
        raise Refused(f"float32 particles allow rtol ≥ {SMALLEST_FLOAT32:g}")
    value, gradient = float(cloud.value.abs().max()), float(cloud.gradient.norm(dim=1).max())
    if not min(cloud.mass, value, gradient) > 0.0:
        raise Refused("the sums vanish where they were looked at")
    allowed = Tolerance(rtol * value / cloud.mass, rtol * gradient / cloud.mass / math.sqrt(dim))
    ends = torch.stack([cloud.low, cloud.high], dim=1).double().numpy()
    return fourier.plan(ProfileOf(kernel), ends, ends, allowed)


def nanoseconds(plan: fourier.Plan, n: int, rtol: float, costs: Costs) -> float:
    """The predicted time of the sum in one process."""
    dim, closeness = len(plan.axes), 0.1 * rtol
    transforms = 1 + (dim + 2) // 2
    work = FourierWork(
        n * transforms, math.ceil(-math.log10(closeness)) + 1, plan.grid(closeness), transforms, plan.chunks(n),
        math.prod(plan.modes),
    )  # fmt: skip
    return costs.transform(dim, work)


def fourier_sums(
    kernel: Kernel, plan: fourier.Plan, x: Tensor, weights: Tensor, cloud: Cloud, rtol: float, added: fourier.Added
) -> tuple[Tensor, Tensor]:
    """Take the sums at the particles x (m, d) of this process over those of all: (m,) and (m, d), float64.

    `added` adds up the modes of all processes. Refused if the sums are wrong at the points of `cloud`.
    """
    columns = x.detach().double().T.contiguous().numpy()
    both = torch.cat([x.detach().double(), cloud.points]).T.contiguous().numpy()
    value, gradient = map(
        torch.from_numpy,
        fourier.fourier_sums(ProfileOf(kernel), plan, both, columns, weights.numpy(), cloud.mass, added),
    )
    error = relative_error(value[len(x) :], cloud.value, gradient[len(x) :], cloud.gradient)
    if not error <= rtol:
        raise Refused(f"the sums are off by {error:.1e} where they were confirmed")
    return value[: len(x)], gradient[: len(x)]
