"""A batch of representations as an ensemble: its rows, its dtype, and the rows of other processes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor
from torch import distributed as dist

from ..errors import BackendError, ConfigError, DivergenceError, ShapeError
from ..measure import Ensemble

if TYPE_CHECKING:
    Group: TypeAlias = dist.ProcessGroup | None
else:
    Group: TypeAlias = Any

COMPUTED = {torch.float64: torch.float64, torch.float32: torch.float32}
"""Dtypes in which S is computed as they are. Half precision is computed in float32."""
HALVES = (torch.float16, torch.bfloat16)
"""The dtypes of half precision."""


def rows(z: Tensor) -> Tensor:
    """The rows of a batch, as an array of particles.

    Parameters
    ----------
    z : Tensor (batch, ..., features)
        Every leading axis counts as rows.

    Returns
    -------
    Tensor (n, features)
        Detached; float64 for float64, else float32.

    Raises
    ------
    ShapeError
        If z is no tensor, has another dtype, has fewer than two axes, or is empty.

    Examples
    --------
    >>> rows(torch.zeros(2, 3, 4, dtype=torch.float16)).shape
    torch.Size([6, 4])
    """
    if not isinstance(z, Tensor):
        raise ShapeError(f"z is {type(z).__name__}: wanted a torch tensor (batch, ..., features).")
    if z.dtype not in COMPUTED and z.dtype not in HALVES:
        dtype = str(z.dtype).removeprefix("torch.")
        raise ShapeError(f"z: dtype {dtype}; wanted float64, float32, float16 or bfloat16.")
    if z.ndim < 2 or z.numel() == 0:
        raise ShapeError(f"z: shape {tuple(z.shape)}; wanted (batch, ..., features) with one row and feature at least.")
    return z.detach().reshape(-1, z.shape[-1]).to(COMPUTED.get(z.dtype, torch.float32))


def without_autocast(z: Tensor) -> AbstractContextManager[Any]:
    """A context in which autocast is off on the device of z. Where it is off already, nothing is done."""
    kind = z.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def ensemble(x: Tensor) -> Ensemble:
    """The measure (1/n) Σ δ(xᵢ) of the rows x (n, d).

    Raises
    ------
    DivergenceError
        If a representation is not finite. The message names row and feature.
    """
    try:
        return Ensemble(x, copy=False)  # it looks for NaN and infinity itself: one pass over the batch
    except ConfigError as error:
        bad = torch.nonzero(~torch.isfinite(x))
        if not len(bad):
            raise
        row, column = bad[0].tolist()
        raise DivergenceError(
            f"z: {x[row, column].item()} at row {row}, feature {column} of a batch of {len(x)}; wanted finite "
            "representations: a smaller learning rate or temperature, or clipped gradients, may keep them so."
        ) from error


def world(sync: bool, group: Group) -> int:
    """The number of processes that share the batch.

    Parameters
    ----------
    sync : bool
        Whether they do.
    group : ProcessGroup or None
        Which processes; None for all.

    Returns
    -------
    int
        1 where torch.distributed is not set up, so that a script also runs alone.

    Raises
    ------
    BackendError
        If a group is given and torch.distributed is not set up.
    """
    if not sync:
        return 1
    if not (dist.is_available() and dist.is_initialized()):
        if group is not None:
            raise BackendError("a process group was given, but torch.distributed is not initialised.")
        return 1
    return dist.get_world_size(group)


def gather(x: Tensor, group: Group) -> tuple[Tensor, int]:
    """The rows of all processes, in the order of their ranks.

    Parameters
    ----------
    x : Tensor (n, d)
        The rows of this process. n may differ between processes.
    group : ProcessGroup or None
        Which processes; None for all.

    Returns
    -------
    rows : Tensor (N, d)
        All rows, the same in every process. So if the rows are refused, all processes raise.
    first : int
        The index of the first row of this process.

    Raises
    ------
    ShapeError
        If features or dtypes differ between processes.
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
