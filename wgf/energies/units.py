"""Units φ(z; θ) of a mean-field network: what a unit is, and the user's own by torch.func."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from .. import ops
from ..errors import ConfigError, ShapeError, require_integer, require_number, shown
from ..extension import Reading
from ..measure import INITIAL, Noise, require_room
from ..ops.reference import row_blocks


class NetworkUnit(ABC):
    """One unit φ(z; θ) of a network: how outputs are summed over neurons, and how gradients return to them.

    For M inputs z (M, D), n neurons θ (n, d) and K outputs. `NetworkRisk` calls it. Use `TwoLayer` or `Unit`, or derive
    a class with a faster way to sum.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """The dimension d of θ."""

    @property
    def outputs(self) -> int | None:
        """The width K of φ; None where it is not known before a call."""
        return None

    @abstractmethod
    def forward(self, theta: Tensor, weights: Tensor, z: Tensor) -> Tensor:
        """The output of the network, fₘ = Σᵢ wᵢ φ(zₘ; θᵢ).

        Parameters
        ----------
        theta : Tensor (n, d)
            Neurons.
        weights : Tensor (n,), float64
            Their weights wᵢ.
        z : Tensor (M, D)
            Inputs.

        Returns
        -------
        Tensor (M, K), float64
        """

    @abstractmethod
    def backward(self, theta: Tensor, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The marginal value of each neuron, vᵢ = Σₘ rₘ·φ(zₘ; θᵢ), and its gradient.

        Parameters
        ----------
        theta : Tensor (n, d)
            Neurons, or other points of their space.
        z : Tensor (M, D)
            Inputs.
        residual : Tensor (M, K), float64
            r, the derivative of the risk by the outputs.

        Returns
        -------
        tuple of Tensor
            v (n,) and ∇_θ v (n, d).
        """

    def forward_backward(
        self, theta: Tensor, weights: Tensor, z: Tensor, residual: Callable[[Tensor, slice], Tensor]
    ) -> Tensor:
        """The gradient of `backward` at the neurons themselves, in one pass where the unit has one.

        Parameters
        ----------
        theta, weights, z : Tensor
            As in `forward`.
        residual : callable (f (rows, K), rows) -> r (rows, K)
            The residual of a block of samples, from their outputs f.

        Returns
        -------
        Tensor (n, d)
            ∇_θ vᵢ.
        """
        r = residual(self.forward(theta, weights, z), slice(0, len(z)))
        return self.backward(theta, z, r)[1]

    @abstractmethod
    def initial(self, n: int, seed: int) -> Tensor:
        """Draw n initial neurons θ (n, d), float64, from a seed."""


def normal_rows(n: int, dim: int, seed: int) -> Tensor:
    """Draw n rows of `dim` standard normal numbers, float64, from a seed."""
    require_room(n, dim)
    return Noise(seed).normal(torch.arange(n), 0, dim, INITIAL)


@dataclass(frozen=True)
class Unit(NetworkUnit):
    """A unit φ(z, θ) that the user writes in torch, for one input and one neuron.

    Parameters
    ----------
    fn : callable (z (D,), θ (d,)) -> () or (K,)
        φ, without control flow that depends on the data. Write branches with `torch.where`.
    dim : int, optional
        d, the dimension of θ. Needed by `initial`.
    scale : float
        Neurons start as N(0, scale²) in every coordinate.

    Raises
    ------
    ConfigError
        If `fn` cannot be called or vectorised, or `dim` is needed and was not given.
    ShapeError
        If `fn` returns another shape, or particles have another dimension than `dim`.

    See Also
    --------
    wgf.NetworkRisk, wgf.energies.TwoLayer, wgf.estimators.MeanFieldClassifier
    wgf.estimators.MeanFieldRegressor

    Notes
    -----
    `torch.func.vmap` vectorises φ over neurons and samples, a block at a time, and `torch.func` differentiates it. It
    is computed in float64, in one torch thread. `TwoLayer` is faster for the unit that it knows.

    Examples
    --------
    >>> unit = Unit(lambda z, theta: theta[0] * torch.tanh(theta[1:] @ z), dim=3)
    >>> unit.forward(torch.ones(1, 3), torch.ones(1), torch.zeros(2, 2)).tolist()
    [[0.0], [0.0]]
    """

    fn: Callable[[Tensor, Tensor], Tensor]
    size: int | None
    scale: float = 1.0

    def __init__(self, fn: Callable[[Tensor, Tensor], Tensor], dim: int | None = None, scale: float = 1.0) -> None:
        if not callable(fn):
            raise ConfigError(f"Unit(fn={shown(fn)}): wanted a callable φ(z, θ).")
        object.__setattr__(self, "fn", fn)
        object.__setattr__(self, "size", dim if dim is None else require_integer("Unit dim", dim, low=1))
        object.__setattr__(self, "scale", require_number("Unit scale", scale, positive=True))

    @property
    def dim(self) -> int:
        if self.size is None:
            raise ConfigError("the dimension of θ is not known: give it as wgf.Unit(fn, dim=...).")
        return self.size

    @cached_property
    def _outer(self) -> Callable[[Tensor, Tensor], Tensor]:
        return vmap(vmap(self.fn, in_dims=(0, None)), in_dims=(None, 0))

    def _require(self, theta: Tensor, z: Tensor) -> int:
        """Check the particles and return the width K of φ, found by one call."""
        if self.size not in (None, theta.shape[1]):
            raise ShapeError(f"NetworkRisk: particles of dimension {theta.shape[1]}; the unit has dim = {self.size}.")
        with torch.no_grad():
            probe = Reading("Unit: φ(z, θ)", self.fn)(z[0].clone(), theta[0].clone())
        if not isinstance(probe, Tensor) or probe.ndim > 1:
            shape = tuple(probe.shape) if isinstance(probe, Tensor) else type(probe).__name__
            raise ShapeError(f"Unit: φ(z, θ) returned {shape}; wanted a torch scalar or (K,).")
        return probe.numel()

    @staticmethod
    def _blocks(theta: Tensor, z: Tensor, width: int) -> tuple[list[slice], list[slice]]:
        """Blocks of neurons and blocks of samples, so that memory stays bounded for any n and M."""
        each = theta.shape[1] + z.shape[1] + width
        sample_blocks = row_blocks(len(z), 64 * each)
        return row_blocks(len(theta), sample_blocks[0].stop * each), sample_blocks

    def forward(self, theta: Tensor, weights: Tensor, z: Tensor) -> Tensor:
        theta, z = theta.double(), z.double()
        width = self._require(theta, z)
        f = torch.zeros(len(z), width, dtype=torch.float64, device=z.device)
        neuron_blocks, sample_blocks = self._blocks(theta, z, width)
        with ops.one_torch_thread(), torch.no_grad():
            for samples in sample_blocks:
                for neurons in neuron_blocks:
                    phi = _vectorised(self._outer, z[samples], theta[neurons]).reshape(neurons.stop - neurons.start, -1)
                    f[samples] += (weights[neurons].double() @ phi).reshape(-1, width)
        return f

    def backward(self, theta: Tensor, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        exact, z = theta.double(), z.double()
        width = self._require(exact, z)
        value, gradient = torch.zeros_like(exact[:, 0]), torch.zeros_like(exact)

        def marginal(one: Tensor, inputs: Tensor, r: Tensor) -> Tensor:
            return (vmap(self.fn, in_dims=(0, None))(inputs, one).reshape(len(inputs), width) * r).sum()

        pull = vmap(grad_and_value(marginal), in_dims=(0, None, None))
        neuron_blocks, sample_blocks = self._blocks(theta, z, width)
        with ops.one_torch_thread():
            for neurons in neuron_blocks:
                for samples in sample_blocks:
                    g, v = _vectorised(pull, exact[neurons], z[samples], residual[samples])
                    value[neurons] += v.detach()
                    gradient[neurons] += g.detach()
        return value.to(theta.dtype), gradient.to(theta.dtype)

    def initial(self, n: int, seed: int) -> Tensor:
        return self.scale * normal_rows(n, self.dim, seed)


def _vectorised(function: Callable[..., Any], *args: Tensor) -> Any:
    """Call a vectorised function; where torch.func cannot, ConfigError with the reason and what to write instead."""
    try:
        return function(*args)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"Unit: torch.func could not vectorise φ(z, θ): {reason} "
            "Write branches with torch.where, and change nothing in place."
        ) from error
