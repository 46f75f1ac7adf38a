"""What a step does to few particles beside the evaluation of F: on the CPU, in one call each.

With some dozens of particles a step costs its calls, not its arithmetic. Larger or other tensors get None: the caller
then takes the operations one by one, which give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .registry import later, plain_mode
from .threads import small_steps

cpu = later("few")

MOST = 2048
"""Particles in one sum."""
_REAL = (torch.float64, torch.float32)


def _arrays(*tensors: Tensor) -> list[np.ndarray] | None:
    """The memory of plain CPU tensors with nothing between two rows, outside every mode of torch; else None."""
    if not plain_mode():
        return None
    for tensor in tensors:
        if type(tensor) is not Tensor or not tensor.is_cpu or tensor.requires_grad or not tensor.is_contiguous():
            return None
    return [tensor.numpy() for tensor in tensors]


def mean_of_finite(weights: Tensor, values: Tensor, others: Tensor) -> Tensor | None:
    """The weighted sum Σᵢ wᵢ vᵢ of a few plain CPU values, if they and all `others` are finite.

    Parameters
    ----------
    weights : Tensor
        Weights (n,), float64.
    values : Tensor
        Values (n,).
    others : Tensor
        Further numbers (n, k).

    Returns
    -------
    Tensor or None
        0-d, float64, with the bits of `weighted_sum`. None also where a number is NaN or infinite.

    Examples
    --------
    >>> mean_of_finite(torch.ones(2).double(), torch.tensor([1.0, 2.0]), torch.zeros(2, 1)).item()
    3.0
    >>> mean_of_finite(torch.ones(1).double(), torch.tensor([1.0]), torch.tensor([[torch.nan]])) is None
    True
    """
    if not (0 < values.shape[0] <= MOST and values.dtype in _REAL and others.dtype in _REAL):
        return None
    arrays = _arrays(weights, values, others)
    mean = None if arrays is None else cpu.mean_of_finite(*arrays)
    return None if mean is None else torch.from_numpy(np.asarray(mean))


def descend(
    x: Tensor, slope: Tensor, weights: Tensor, h: float, values: Tensor | None = None
) -> tuple[Tensor, Tensor, bool] | None:
    """A step x − h·slope of a few particles, with its mean square slope.

    Parameters
    ----------
    x, slope : Tensor
        Particles and slopes (n, d), of one dtype.
    weights : Tensor
        Weights (n,), float64.
    h : float
        The length of the step.
    values : Tensor, optional
        Further numbers (n,), which are checked too.

    Returns
    -------
    moved : Tensor
        x − h·slope (n, d), in the dtype of x. A product and a sum, each rounded by itself.
    square : Tensor
        Σ w |slope|², 0-d, float64, with the bits of `inner`.
    finite : bool
        Whether all numbers of `moved`, and all values, are finite.

    Examples
    --------
    >>> moved, square, finite = descend(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1).double(), 0.5)
    >>> moved.tolist(), square.item(), finite
    ([[0.5, 0.5]], 2.0, True)
    """
    n, d = x.shape
    values = weights if values is None else values
    if not (0 < n <= MOST and d > 0 and x.dtype in _REAL and slope.dtype == x.dtype and values.dtype in _REAL):
        return None
    arrays = _arrays(x, slope, weights, values)
    if arrays is None:
        return None
    moved, square, finite = cpu.descend(*arrays, h)
    return torch.from_numpy(moved), torch.from_numpy(np.asarray(square)), finite


def spring(x: Tensor, stiffness: Tensor, centre: Tensor, weights: Tensor) -> tuple[Tensor, Tensor] | None:
    """The forces k (x − c) of a few particles on springs, and Σ w k |x − c|².

    Parameters
    ----------
    x : Tensor
        Particles (n, d).
    stiffness, centre : Tensor
        k and c, 0-d, in the dtype of x.
    weights : Tensor
        Weights (n,), float64.

    Returns
    -------
    force : Tensor
        k (x − c) (n, d).
    square : Tensor
        Σ w k |x − c|², 0-d, float64, with the bits of `inner`.

    Examples
    --------
    >>> k, c = torch.tensor(2.0), torch.tensor(1.0)
    >>> force, square = spring(torch.tensor([[2.0, 1.0]]), k, c, torch.ones(1).double())
    >>> force.tolist(), square.item()
    ([[2.0, 0.0]], 2.0)
    """
    n, d = x.shape
    if stiffness.ndim or centre.ndim or not (0 < n <= MOST and d > 0 and x.dtype in _REAL):
        return None
    arrays = _arrays(x, weights)
    if arrays is None:
        return None
    force, square = cpu.spring(arrays[0], stiffness.item(), centre.item(), arrays[1])
    return torch.from_numpy(force), torch.from_numpy(np.asarray(square))


def combination(numbers: Sequence[float], parts: Sequence[Tensor]) -> tuple[Tensor, bool]:
    """The sum Σ cₖ gₖ of gradients, one after the other, by compiled code where there is some.

    Parameters
    ----------
    numbers : sequence of float
        The coefficients, at least one.
    parts : sequence of Tensor
        What is added (n, d), of one dtype.

    Returns
    -------
    total : Tensor
        A product and a sum, each rounded by itself. A single part with the number 1 is not copied.
    finite : bool
        Whether the total is known to be finite.

    Examples
    --------
    >>> combination([1.0, 2.0], [torch.ones(1, 2), torch.ones(1, 2)])
    (tensor([[3., 3.]]), True)
    """
    first, small = parts[0], 0 < parts[0].numel() < small_steps.SMALL
    alike = all(part.dtype == first.dtype and part.shape == first.shape for part in parts)
    if len(parts) > 1 and small and alike and first.dtype in _REAL:
        arrays = _arrays(*parts)
        if arrays is not None:
            total, finite = cpu.combination(numbers, arrays)
            return torch.from_numpy(total), finite
    total = first if numbers[0] == 1.0 else numbers[0] * first
    for number, part in zip(numbers[1:], parts[1:], strict=True):
        total = total + (part if number == 1.0 else number * part)
    return total, False
