"""Independent samples of a Gaussian or uniform law, keyed by particle: the first k of n samples are the k samples."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_number, require_seed, shown
from ..ops import linalg
from ..ops.memory import counted, require_memory
from .arrays import ArrayLike, as_numbers
from .noise import INITIAL, Noise


def gaussian(n: int, dim: int, mean: ArrayLike, cov: ArrayLike, seed: int) -> Tensor:
    """Draw independent samples of N(mean, cov).

    Parameters
    ----------
    n, dim : int
        The number of samples and their dimension.
    mean : float or array (dim,)
        The mean.
    cov : float, array (dim,) or (dim, dim)
        A variance, variances, or a positive semi-definite matrix.
    seed : int
        The seed.

    Returns
    -------
    Tensor (n, dim), float64

    Raises
    ------
    ResourceError
        If the samples need more memory than there is.
    ConfigError
        If numbers are not finite, a variance is negative, or the matrix is not symmetric and positive semi-definite.
    ShapeError
        If mean or cov has another shape.

    Examples
    --------
    >>> torch.equal(gaussian(5, 2, 0.0, 1.0, seed=3)[:2], gaussian(2, 2, 0.0, 1.0, seed=3))
    True
    """
    require_room(n, dim)
    center = _row("mean", mean, dim)
    z = _samples(n, dim, seed, normal=True)
    spread = _numbers("cov", cov)
    if spread.ndim == 2:
        if spread.shape != (dim, dim):
            raise ShapeError(f"cov: shape {tuple(spread.shape)}; wanted a number, ({dim},) or ({dim}, {dim}).")
        return ops.affine(z, torch.zeros(dim, dtype=torch.float64), _factor(spread).T) + center
    variances = _row("cov", cov, dim)
    if not bool((variances >= 0).all()):
        raise ConfigError(f"cov = {shown(cov)}: variances must be ≥ 0.")
    return center + variances.sqrt() * z


def uniform(n: int, dim: int, low: ArrayLike, high: ArrayLike, seed: int) -> Tensor:
    """Draw independent samples of the uniform law on the box [low, high].

    Parameters
    ----------
    n, dim : int
        The number of samples and their dimension.
    low, high : float or array (dim,)
        The bounds, low < high in every coordinate.
    seed : int
        The seed.

    Returns
    -------
    Tensor (n, dim), float64

    Raises
    ------
    ResourceError
        If the samples need more memory than there is.
    ConfigError
        If a bound is not finite, or low ≥ high.
    ShapeError
        If a bound has another shape.

    Examples
    --------
    >>> x = uniform(100, 1, 2.0, 3.0, seed=0)
    >>> 2.0 < x.min().item() < x.max().item() <= 3.0
    True
    """
    require_room(n, dim)
    lower, upper = _row("low", low, dim), _row("high", high, dim)
    if not bool((lower < upper).all()):
        raise ConfigError(f"low = {shown(low)}, high = {shown(high)}: wanted low < high in every coordinate.")
    return lower + (upper - lower) * _samples(n, dim, seed, normal=False)


def require_room(n: int, dim: int) -> None:
    """Check the number and the dimension of particles to be drawn, before anything is allocated.

    Parameters
    ----------
    n, dim : int
        The number of particles and their dimension, at least 1. Ids and noise are numbered up to 2⁴⁴.

    Raises
    ------
    ConfigError
        If one of them is no such integer.
    ResourceError
        If the particles need more memory than there is: two arrays (n, dim), weights and ids.
    """
    d = require_integer("dim", dim, low=1)
    n = require_integer("n", n, low=1)
    require_memory(f"{counted(n)} particles in {counted(d)} dimensions", 16 * n * (d + 1), "take fewer of them")


def _row(name: str, value: ArrayLike, dim: int) -> Tensor:
    """A number or (d,) as a float64 row."""
    row = _numbers(name, value)
    if row.shape not in ((dim,), ()):
        raise ShapeError(f"{name}: shape {tuple(row.shape)}; wanted a number or ({dim},).")
    return row.expand(dim)


def _numbers(name: str, value: ArrayLike) -> Tensor:
    """A number or an array of finite numbers as float64."""
    if value is None or isinstance(value, (int, float, str, bool)):
        return torch.tensor(require_number(name, value), dtype=torch.float64)
    numbers = as_numbers(name, value)
    if not bool(torch.isfinite(numbers).all()):
        raise ConfigError(f"{name} = {shown(value)}: wanted finite numbers.")
    return numbers


def _samples(n: int, dim: int, seed: int, normal: bool) -> Tensor:
    """Standard normals or uniforms (n, dim), one row per particle id."""
    ids = torch.arange(n)
    noise = Noise(require_seed(seed))
    return (noise.normal if normal else noise.uniform)(ids, 0, dim, INITIAL)


def _factor(cov: Tensor) -> Tensor:
    """A with A Aᵀ = cov, for any symmetric positive semi-definite matrix."""
    if not torch.allclose(cov, cov.T, rtol=1e-10, atol=0.0):
        raise ConfigError("cov: the matrix is not symmetric.")
    values, vectors = linalg.symmetric_eigen(cov)
    if float(values.min()) < -1e-10 * float(values.abs().max()):
        raise ConfigError(
            f"cov: the matrix has the eigenvalue {float(values.min()):g}; wanted a positive semi-definite one."
        )
    return vectors * values.clamp(min=0.0).sqrt()
