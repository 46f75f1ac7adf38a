"""The teacher: a random two-layer network that draws inputs and answers them."""

from __future__ import annotations

import numpy as np
import torch
from scipy import special

from ..errors import ConfigError, closest, require_integer, require_number, require_seed, shown
from ..ops.memory import counted, require_memory

TEACHER = {"samples": 1000, "dim": 10, "neurons": 5, "noise": 0.1}  # what load("teacher") draws
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda s: np.maximum(s, 0.0), "erf": special.erf, "sigmoid": special.expit}


def teacher_student(
    samples: int,
    dim: int,
    *,
    neurons: int = 5,
    noise: float = 0.0,
    activation: str = "tanh",
    seed: int = 0,
    sample_seed: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw inputs and the outputs of a random two-layer network, the teacher.

        y = neurons^{−1/2} Σⱼ aⱼ σ(wⱼ·x + bⱼ) + noise·ξ,    x ~ N(0, I),  w ~ N(0, I/dim),  a, b, ξ ~ N(0, 1)

    Parameters
    ----------
    samples, dim : int
        The number of samples and the dimension of x.
    neurons : int
        The number of neurons of the teacher.
    noise : float ≥ 0
        The standard deviation of the noise of y.
    activation : {"tanh", "relu", "erf", "sigmoid"}
        σ.
    seed : int
        Draws the teacher, and the samples too unless `sample_seed` is given.
    sample_seed : int, optional
        Draws the samples alone. For test data of the same teacher keep `seed` and change `sample_seed`; another `seed`
        is another teacher.

    Returns
    -------
    tuple of Tensor
        x (samples, dim) and y (samples,), float64.

    Raises
    ------
    ConfigError
        For sizes, seeds or names out of range.

    See Also
    --------
    wgf.data.load, wgf.data.Dataset

    References
    ----------
    Seung, Sompolinsky & Tishby (1992), Phys. Rev. A 45, 6056.

    Examples
    --------
    >>> x, y = teacher_student(100, 3, noise=0.1, seed=1)
    >>> x_test, y_test = teacher_student(50, 3, noise=0.1, seed=1, sample_seed=7)
    >>> x.shape, y.shape, y_test.shape
    (torch.Size([100, 3]), torch.Size([100]), torch.Size([50]))
    """
    m, d = require_integer("samples", samples, low=1), require_integer("dim", dim, low=1)
    k = require_integer("neurons", neurons, low=1)
    noise = require_number("noise", noise, nonnegative=True)
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ConfigError(f"Unknown activation {shown(activation)}{closest(activation, ACTIVATIONS)}")
    require_memory(
        f"{counted(m)} samples of {counted(d)} numbers and {counted(k)} neurons",
        8 * (m * d + 2 * m * k + k * d),
        "take fewer",
    )
    rng = np.random.Generator(np.random.Philox(require_seed(seed)).jumped())  # not the random numbers of the split
    a, b, w = rng.standard_normal(k), rng.standard_normal(k), rng.standard_normal((k, d)) / np.sqrt(d)
    if sample_seed is not None:  # two jumps: not the random numbers of any teacher
        rng = np.random.Generator(np.random.Philox(require_seed(sample_seed, "sample_seed")).jumped(2))
    x, xi = rng.standard_normal((m, d)), rng.standard_normal(m)
    hidden = ACTIVATIONS[activation](np.einsum("md,kd->mk", x, w) + b)  # einsum: rounding by BLAS depends on threads
    return torch.from_numpy(x), torch.from_numpy(np.einsum("mk,k->m", hidden, a) / np.sqrt(k) + noise * xi)
