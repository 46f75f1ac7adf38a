"""The two-layer unit in closed form, with or without an output bias, and the unit that a user wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError, closest, shown
from ..ops import activations, linalg
from .units import NetworkUnit, Unit, normal_rows


@dataclass(frozen=True)
class TwoLayer(NetworkUnit):
    """The two-layer unit φ(z; θ) = a σ(w·z + b), with θ = (a ∈ ℝᴷ, w ∈ ℝᴰ, b) in one row of d = K + D + 1 numbers.

    `NetworkRisk` makes it by default. Neurons start with a, b ~ N(0, 1) and w ~ N(0, 1/D). With `bias` the unit is
    a σ(w·z + b) + c and θ = (a, w, b, c ∈ ℝᴷ): the mean of c over the neurons is the bias of the output.

    Parameters
    ----------
    inputs : int
        D, the number of features.
    width : int
        K, the number of outputs.
    activation : {"tanh", "relu", "sigmoid", "softplus", "erf", "identity"}
        σ. The derivative of relu at 0 is taken as 0.
    bias : bool, default False
        Whether neurons carry an output bias c, which starts as N(0, 1). Then d = 2K + D + 1.

    Raises
    ------
    ConfigError
        If the activation is not known.
    ShapeError
        If particles have another dimension than d; raised at the first evaluation.

    See Also
    --------
    wgf.NetworkRisk, wgf.Unit, wgf.estimators.MeanFieldClassifier, wgf.estimators.MeanFieldRegressor

    Notes
    -----
    Time O(n·M·(D + K)), by compiled code that keeps one block of neurons × samples. ∇_w φ = a σ' z: where a = 0 or the
    activation is saturated, w and b feel no force.

    Examples
    --------
    >>> unit = TwoLayer(inputs=2, width=1)
    >>> unit.dim, unit.initial(5, seed=0).shape
    (4, torch.Size([5, 4]))
    """

    inputs: int
    width: int
    activation: str = "tanh"
    bias: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.bias, bool):
            raise ConfigError(f"bias = {shown(self.bias)}: wanted True or False.")
        if not isinstance(self.activation, str) or self.activation not in activations.NAMES:
            raise ConfigError(f"activation = {shown(self.activation)}{closest(self.activation, activations.NAMES)}")

    def __repr__(self) -> str:
        bias = ", bias=True" if self.bias else ""
        return f"TwoLayer(inputs={self.inputs}, width={self.width}, activation={self.activation!r}{bias})"

    @property
    def dim(self) -> int:
        return self._inner + self.width * self.bias

    @property
    def _inner(self) -> int:
        """How many numbers (a, w, b) are."""
        return self.width + self.inputs + 1

    @property
    def outputs(self) -> int:
        return self.width

    @property
    def _activation(self) -> int:
        return activations.NAMES[self.activation]

    def parts(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """(a, w, b) of each neuron, and c, which has no columns without a bias."""
        if theta.shape[1] != self.dim:
            bias = f" + {self.width} output biases" if self.bias else ""
            raise ShapeError(
                f"NetworkRisk: particles of dimension {theta.shape[1]}; wanted {self.dim} = {self.width} output "
                f"weights + {self.inputs} input weights + 1 bias{bias} (see risk.initial)."
            )
        if not self.bias:
            return theta, theta[:, :0]
        return theta[:, : self._inner].contiguous(), theta[:, self._inner :].contiguous()

    def forward(self, theta: Tensor, weights: Tensor, z: Tensor) -> Tensor:
        inner, c = self.parts(theta)
        f = ops.network_forward(inner, weights, z, self.width, self._activation)
        return f + ops.weighted_sum(weights, c) if self.bias else f

    def backward(self, theta: Tensor, z: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        inner, c = self.parts(theta)
        value, gradient = ops.network_backward(inner, z, residual, self._activation)
        if not self.bias:
            return value, gradient
        total = ops.weighted_sum(torch.ones_like(residual[:, 0]), residual)
        value = value + linalg.row_dot(c, total.to(c.dtype).expand_as(c)).to(value.dtype)
        return value, _beside(gradient, total)

    def forward_backward(
        self, theta: Tensor, weights: Tensor, z: Tensor, residual: Callable[[Tensor, slice], Tensor]
    ) -> Tensor:
        inner, c = self.parts(theta)
        if not self.bias:
            return ops.network_forward_backward(inner, weights, z, self.width, self._activation, residual)
        offset, runs = ops.weighted_sum(weights, c), []

        def shifted(f: Tensor, rows: slice) -> Tensor:
            runs.append(residual(f + offset, rows))
            return runs[-1]

        gradient = ops.network_forward_backward(inner, weights, z, self.width, self._activation, shifted)
        r = torch.cat(runs)
        return _beside(gradient, ops.weighted_sum(torch.ones_like(r[:, 0]), r))

    def initial(self, n: int, seed: int) -> Tensor:
        theta = normal_rows(n, self.dim, seed)
        theta[:, self.width : self._inner - 1] /= self.inputs**0.5
        return theta


def _beside(gradient: Tensor, total: Tensor) -> Tensor:
    """The gradient by (a, w, b) with that by c, which is the same for all neurons."""
    return torch.cat([gradient, total.to(gradient.dtype).expand(len(gradient), -1)], dim=1)


def require_unit(
    unit: NetworkUnit | Callable[[Tensor, Tensor], Tensor] | None,
    inputs: int,
    outputs: int,
    activation: str,
    bias: bool = False,
) -> NetworkUnit:
    """The unit that the user wants: the built-in one for None, a `NetworkUnit` as it is, a function as a `Unit`.

    A bare function accepts θ of any dimension. Raises ConfigError for anything else.
    """
    if unit is None:
        return TwoLayer(inputs, outputs, activation, bias)
    if bias:
        raise ConfigError("bias = True is for the built-in unit; a unit of your own has the terms that it writes.")
    if isinstance(unit, NetworkUnit):
        return unit
    if callable(unit):
        return Unit(unit, getattr(unit, "dim", None))
    raise ConfigError(f"unit = {shown(unit)}: wanted a function φ(z, θ), or wgf.Unit(fn, dim=...).")
