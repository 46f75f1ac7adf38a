"""Units φ(z; θ) of a mean-field network: the two-layer unit in closed form, the user's own by torch.func."""

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
from ..errors import ConfigError, ShapeError, closest, require_integer, require_number
from ..measure import INITIAL, Noise
from ..ops import activations
from ..ops.reference import row_blocks


class NetworkUnit(ABC):
    """How a network is summed over neurons, and how a residual is pulled back to them."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension of θ."""

    @property
    def outputs(self) -> int | None:
        """Width of φ, where it is known before a call."""
        return None

    @abstractmethod
    def forward(self, theta: Tensor, weights: Tensor, z: Tensor) -> Tensor:
        """fₘ = Σᵢ weightsᵢ φ(zₘ; θᵢ), (M, K) float64."""

    @abstractmethod
    def backward(self, theta: Tensor, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """vᵢ = Σₘ rₘ·φ(zₘ; θᵢ) (n,) and ∇_θ vᵢ (n, d), for residuals r (M, K)."""

    def forward_backward(
        self, theta: Tensor, weights: Tensor, z: Tensor, residual: Callable[[Tensor, slice], Tensor]
    ) -> Tensor:
        """The gradient of `backward` at θ for r[rows] = residual(f[rows], rows), where f is that of `forward`."""
        r = residual(self.forward(theta, weights, z), slice(0, len(z)))
        return self.backward(theta, z, r)[1]

    @abstractmethod
    def initial(self, n: int, seed: int) -> Tensor:
        """n initial θ (n, d), float64."""


def _normal(n: int, dim: int, seed: int) -> Tensor:
    return Noise(seed).normal(torch.arange(require_integer("n", n, low=1)), 0, dim, INITIAL)


@dataclass(frozen=True)
class TwoLayer(NetworkUnit):
    """φ(z; θ) = a σ(w·z + b) with packed θ = (a ∈ ℝᴷ, w ∈ ℝᴰ, b); initially a, b ~ N(0, 1), w ~ N(0, 1/D)."""

    inputs: int
    width: int
    activation: str = "tanh"

    def __post_init__(self) -> None:
        if self.activation not in activations.NAMES:
            raise ConfigError(f"activation = {self.activation!r}{closest(self.activation, activations.NAMES)}")

    @property
    def dim(self) -> int:
        return self.width + self.inputs + 1

    @property
    def outputs(self) -> int:
        return self.width

    @property
    def _activation(self) -> int:
        return activations.NAMES[self.activation]

    def _require(self, theta: Tensor) -> None:
        if theta.shape[1] != self.dim:
            raise ShapeError(
                f"NetworkRisk: particles of dimension {theta.shape[1]}; wanted {self.dim} = {self.width} output "
                f"weights + {self.inputs} input weights + 1 bias (see risk.initial)."
            )

    def forward(self, theta: Tensor, weights: Tensor, z: Tensor) -> Tensor:
        self._require(theta)
        return ops.network_forward(theta, weights, z, self.width, self._activation)

    def backward(self, theta: Tensor, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        self._require(theta)
        value, gradient = ops.network_backward(theta, z, residual, self._activation)
        return value, gradient

    def forward_backward(
        self, theta: Tensor, weights: Tensor, z: Tensor, residual: Callable[[Tensor, slice], Tensor]
    ) -> Tensor:
        self._require(theta)
        return ops.network_forward_backward(theta, weights, z, self.width, self._activation, residual)

    def initial(self, n: int, seed: int) -> Tensor:
        theta = _normal(n, self.dim, seed)
        theta[:, self.width : -1] /= self.inputs**0.5
        return theta


@dataclass(frozen=True)
class Unit(NetworkUnit):
    """The user's φ(z, θ): a torch function of one input z (D,) and one particle θ (d,), returning () or (K,).

    It is vectorised over neurons and samples by `torch.func.vmap`, a block at a time, and differentiated by
    `torch.func`; it must therefore be free of data-dependent control flow. θ is drawn as N(0, scale²) initially, for
    which its dimension `dim` must be given.

    >>> unit = Unit(lambda z, theta: theta[0] * torch.tanh(theta[1:] @ z), dim=3)
    >>> unit.forward(torch.ones(1, 3), torch.ones(1), torch.zeros(2, 2)).tolist()
    [[0.0], [0.0]]
    """

    fn: Callable[[Tensor, Tensor], Tensor]
    size: int | None
    scale: float = 1.0

    def __init__(self, fn: Callable[[Tensor, Tensor], Tensor], dim: int | None = None, scale: float = 1.0) -> None:
        if not callable(fn):
            raise ConfigError(f"Unit(fn={fn!r}): wanted a callable φ(z, θ).")
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
        """The width K of φ, found by one call."""
        if self.size not in (None, theta.shape[1]):
            raise ShapeError(f"NetworkRisk: particles of dimension {theta.shape[1]}; the unit has dim = {self.size}.")
        with torch.no_grad():
            probe = self.fn(z[0].clone(), theta[0].clone())
        if not isinstance(probe, Tensor) or probe.ndim > 1:
            shape = tuple(probe.shape) if isinstance(probe, Tensor) else type(probe).__name__
            raise ShapeError(f"Unit: φ(z, θ) returned {shape}; wanted a torch scalar or (K,).")
        return probe.numel()

    @staticmethod
    def _blocks(theta: Tensor, z: Tensor, width: int) -> tuple[list[slice], list[slice]]:
        """Neurons × samples in blocks whose intermediates stay bounded, whatever M is."""
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
        return self.scale * _normal(n, self.dim, seed)


def _vectorised(function: Callable[..., Any], *args: Tensor) -> Any:
    try:
        return function(*args)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"Unit: torch.func could not vectorise φ(z, θ): {reason} "
            "Write branches with torch.where, and change nothing in place."
        ) from error


def require_unit(
    unit: NetworkUnit | Callable[[Tensor, Tensor], Tensor] | None, inputs: int, outputs: int, activation: str
) -> NetworkUnit:
    """The built-in unit when none is given; a bare callable is a unit that takes θ of any dimension."""
    if unit is None:
        return TwoLayer(inputs, outputs, activation)
    if isinstance(unit, NetworkUnit):
        return unit
    if callable(unit):
        return Unit(unit, getattr(unit, "dim", None))
    raise ConfigError(f"unit = {unit!r}: wanted a function φ(z, θ), or wgf.Unit(fn, dim=...).")
