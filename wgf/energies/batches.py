"""The samples of a risk: their probabilities, the aggregate of their losses, and the minibatch of a step."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError
from ..functional import Functional
from ..measure import MINIBATCH, ArrayLike, Ensemble, NoiseSource, as_real, checks, require_finite_rows
from ..measure.arrays import weight_rows
from .aggregates import Aggregate
from .loss import Loss
from .samples import lowest, require_here

_ALL = slice(None)


class Samples(Functional):
    """The part of `NetworkRisk` that knows the data. `wgf.drives` acts on a risk by its `with_` methods."""

    inputs: Tensor
    targets: Tensor
    loss: Loss
    batch: int | None
    _subset: Tensor | None
    _chosen: tuple[Tensor, Tensor] | None
    _law: Tensor | None
    _aggregate: Aggregate

    def _with(self, **changes: Any) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changes)
        return other

    def with_inputs(self, inputs: ArrayLike) -> Self:
        """The same risk at other inputs, of the shape (M, D) of the old ones; ShapeError for another shape."""
        z = as_real("inputs", inputs)
        if z.shape != self.inputs.shape:
            raise ShapeError(f"inputs: shape {tuple(z.shape)}; wanted {tuple(self.inputs.shape)}, those of the risk.")
        z = z.to(self.inputs)
        if not checks.finite(z):
            require_finite_rows("inputs", z)
        return self._with(inputs=z.contiguous(), _chosen=None)

    @property
    def law(self) -> Tensor:
        """The probability p of each sample (M,), float64: 1/M each, unless `with_law` says otherwise."""
        return uniform(self.inputs) if self._law is None else self._law

    def with_law(self, law: ArrayLike) -> Self:
        """The same risk with sample probabilities p (M,) ≥ 0, Σ p = 1, in place of 1/M each."""
        return self._with(_law=weight_rows(law, len(self.inputs), copy=True).to(self.inputs.device))

    def with_aggregate(self, aggregate: Aggregate) -> Self:
        """The same risk with another aggregate than the mean; ConfigError where minibatches would bias it."""
        if self.batch is not None and not aggregate.linear:
            raise ConfigError(
                f"{type(aggregate).__name__} of a risk with batch = {self.batch}: it is not linear in the losses, so a "
                "minibatch would bias its gradient; give the risk all its data (batch=None)."
            )
        return self._with(_aggregate=aggregate)

    @property
    def sampled(self) -> bool:
        return self.batch is not None

    def draw(self, noise: NoiseSource, step: int) -> Self:
        if self.batch is None:
            return self
        keys = noise.uniform(self._ids, step, 1, MINIBATCH)[:, 0]
        return self._with(_subset=lowest(keys, self.batch), _chosen=None, batch=None)

    @cached_property
    def _ids(self) -> Tensor:
        """The ids of the samples, which key the random numbers of a draw."""
        return torch.arange(len(self.inputs), device=self.inputs.device)

    def _data(self, mu: Ensemble) -> tuple[Tensor, Tensor]:
        require_here(type(self).__name__, "data", self.inputs.device, mu)
        if self._subset is None:
            return self.inputs, self.targets
        if self._chosen is None:
            self._chosen = self.inputs.index_select(0, self._subset), self.targets.index_select(0, self._subset)
        return self._chosen

    def _losses(self, f: Tensor, y: Tensor) -> Tensor:
        with ops.one_torch_thread():
            return self.loss.value(f, y)

    def _weights(self) -> Tensor | None:
        """Probabilities of the samples at hand, None for equal ones. A minibatch is scaled by M/M' to be unbiased."""
        if self._law is None or self._subset is None:
            return self._law
        return self._law[self._subset] * (len(self._law) / len(self._subset))

    def _aggregated(self, losses: Tensor) -> Tensor:
        weights = self._weights()
        return self._aggregate.value(losses, uniform(losses) if weights is None else weights)

    def _both(self, f: Tensor, y: Tensor, m: int, rows: slice = _ALL) -> tuple[Tensor, Tensor]:
        """The losses, and ∂A/∂ℓₘ · ∂ℓₘ/∂f, for the samples in `rows`, out of m."""
        weights = self._weights()
        with ops.one_torch_thread():
            losses, slopes = self.loss.both(f, y)
            if self._aggregate.linear and weights is None:
                return losses, slopes / m
        if self._aggregate.linear and weights is not None:
            slope = weights[rows]
        else:
            slope = self._aggregate.slope(losses, uniform(losses) if weights is None else weights)
        with ops.one_torch_thread():
            return losses, slopes * slope[:, None]


def uniform(samples: Tensor) -> Tensor:
    """The probabilities 1/M of M samples (M,), float64."""
    return torch.full((len(samples),), 1.0 / len(samples), dtype=torch.float64, device=samples.device)
