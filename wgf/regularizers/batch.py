"""Representations of a batch as an ensemble: rows, precision, and the rows of every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch import distributed as dist

from ..errors import BackendError, DivergenceError, ShapeError
from ..measure import Ensemble, checks

if TYPE_CHECKING:
    Group: TypeAlias = dist.ProcessGroup | None
else:
    Group: TypeAlias = Any

COMPUTED = {torch.float64: torch.float64, torch.float32: torch.float32}
"""Dtypes that are computed as they are; half precision is computed in float32."""
HALVES = (torch.float16, torch.bfloat16)


def rows(z: Tensor) -> Tensor:
    """z (batch, ..., features) as rows (n, features), every leading axis counted, detached, in float32 or float64."""
    if not isinstance(z, Tensor):
        raise ShapeError(f"z is {type(z).__name__}: wanted a torch tensor (batch, ..., features).")
    if z.dtype not in COMPUTED and z.dtype not in HALVES:
        dtype = str(z.dtype).removeprefix("torch.")
        raise ShapeError(f"z: dtype {dtype}; wanted float64, float32, float16 or bfloat16.")
    if z.ndim < 2 or z.numel() == 0:
        raise ShapeError(f"z: shape {tuple(z.shape)}; wanted (batch, ..., features) with one row and feature at least.")
    return z.detach().reshape(-1, z.shape[-1]).to(COMPUTED.get(z.dtype, torch.float32))


def ensemble(x: Tensor) -> Ensemble:
    """The measure (1/n) Σ δ(xᵢ) of the rows; DivergenceError where a representation is not finite."""
    if not checks.finite(x):
        row, column = torch.nonzero(~torch.isfinite(x))[0].tolist()
        raise DivergenceError(
            f"z: {x[row, column].item()} at row {row}, feature {column} of a batch of {len(x)}; wanted finite "
            "representations: a smaller learning rate or temperature, or clipped gradients, may keep them so."
        )
    return Ensemble(x, copy=False)


def world(sync: bool, group: Group) -> int:
    """How many processes share the batch; one where none have been set up, so that a script also runs alone."""
    if not sync:
        return 1
    if not (dist.is_available() and dist.is_initialized()):
        if group is not None:
            raise BackendError("a process group was given, but torch.distributed is not initialised.")
        return 1
    return dist.get_world_size(group)


def gather(x: Tensor, group: Group) -> tuple[Tensor, int]:
    """The rows of all processes (N, d), in the order of their ranks, and where the own ones begin.

    Batches may be of unequal sizes: shorter ones are padded on the way. Every process sees the same rows, so that all
    of them raise where one of them would. ShapeError where features or dtypes differ between processes.
    """
    ranks, own = dist.get_world_size(group), dist.get_rank(group)
    shape = torch.tensor([*x.shape, x.element_size()], device=x.device)
    shapes = [torch.empty_like(shape) for _ in range(ranks)]
    dist.all_gather(shapes, shape, group=group)
    sizes = [(int(n), int(d), int(bytes_each)) for n, d, bytes_each in (s.tolist() for s in shapes)]
    if len({size[1:] for size in sizes}) > 1:
        found = ", ".join(f"{d} features of {8 * each} bits" for _, d, each in sizes)
        raise ShapeError(f"z differs between processes: {found}; wanted the same features and dtype on each.")
    counts = [n for n, _, _ in sizes]
    padded = x.new_zeros(max(counts), x.shape[1])
    padded[: len(x)] = x
    parts = [torch.empty_like(padded) for _ in range(ranks)]
    dist.all_gather(parts, padded, group=group)
    whole = torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
    return whole, sum(counts[:own])
