"""A monitor inside a network: it compares the force of the entropy on a representation with that of the task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..diagnostics import Ledger, effective_rank
from ..errors import ConfigError, DivergenceError, require_integer, require_number
from ..functional import Functional
from ..ledger.forces import Forces
from ..ledger.reference import log_det_force
from . import batch
from .entropy import Regularizer

_MAPPED = (
    "ForceMonitor under torch.func.vmap or jacrev: it records the gradient of one loss on one batch. Call it outside "
    "of vmap, or put it in eval mode."
)


class ForceMonitor(nn.Module):
    """A place in a network, `z = monitor(z)`, where the forces of loss = task − T · S(z) are recorded.

    z passes unchanged. From g = ∂loss/∂z at its n rows, and with the norms and products of L²(μ):

        ∇_W F = n g,   ∇_W E = n g + T ∇_W S,   G = ‖∇_W E‖,   I = T ‖∇_W S‖,   Ṡ = ⟨∇_W S, −∇_W F⟩

    Parameters
    ----------
    entropy : Regularizer or Functional
        The regularizer in the loss (without `sync`), or its functional.
    temperature : float or callable of t
        T ≥ 0 as in the loss.
    every : int
        Record every so many backward passes.
    dt : float
        The time of one step, t = step · dt. With 1, t counts backward passes; with the learning rate it is the time of
        the optimiser.

    Attributes
    ----------
    ledger : Ledger
        The records, with the columns of a run: `loss_force`, `information_force`, `force_ratio`, `alignment`,
        `entropy_production`, `dissipation`, `entropy`, `temperature`, `reference_alignment`; also `effective_rank`.
        `wgf.diagnostics.force_report(monitor)` reads it.
    loss_scale : float
        The number by which the loss was multiplied before backward: the scale of a GradScaler, or 1/k if k batches are
        accumulated. 1 by default.
    step : int
        The number of backward passes so far.

    Raises
    ------
    ConfigError
        For arguments that do not fit, or a batch too small for the entropy.
    DivergenceError
        In backward, if a force is not finite. With a loss scale the record is left out instead.

    See Also
    --------
    wgf.regularizers.Regularizer, wgf.callbacks.ForceLogger, wgf.diagnostics.force_report

    Notes
    -----
    It assumes that the task and S are both computed from the z that the monitor returns, and that one backward pass
    goes through their difference. For T = 0 the loss is the task alone. Every leading axis of z counts as rows. Nothing
    is recorded in `eval()` or without gradients. Second derivatives are not supported, nor is `torch.func.vmap`
    over batches. The ledger is not in the `state_dict`.

    References
    ----------
    Human-Centered Learning Mechanics (2026), arXiv:2605.22940.

    Examples
    --------
    >>> import torch, wgf
    >>> monitor = ForceMonitor(wgf.Variance(), temperature=0.5)
    >>> z = monitor(torch.tensor([[1.0], [-1.0]], requires_grad=True))
    >>> (0.5 * z.square().mean() - 0.5 * Regularizer(wgf.Variance())(z)).backward()
    >>> [float(monitor.ledger[name][0]) for name in ("loss_force", "information_force", "alignment")]
    [1.0, 0.5, -1.0]
    """

    def __init__(
        self,
        entropy: Regularizer | Functional,
        temperature: float | Callable[[float], float],
        *,
        every: int = 1,
        dt: float = 1.0,
    ) -> None:
        super().__init__()
        if isinstance(entropy, Regularizer) and entropy.sync:
            raise ConfigError(
                "ForceMonitor measures the batch of one process, and this entropy is that of all of them: monitor a "
                "run in one process, or with sync=False."
            )
        self.entropy = entropy if isinstance(entropy, Regularizer) else Regularizer(entropy)
        self.temperature = temperature if callable(temperature) else _temperature(temperature, 0.0)
        self.every = require_integer("every", every, low=1)
        self.dt = require_number("dt", dt, positive=True)
        self.loss_scale = 1.0
        self.step = 0
        self.ledger = Ledger()

    def forward(self, z: Tensor) -> Tensor:
        """Return z as it is, and record the forces when its gradient comes back.

        Parameters
        ----------
        z : Tensor (batch, ..., features)
            The representations.

        Returns
        -------
        Tensor
            z, to be used by the task and by the entropy.
        """
        batch.rows(z)  # refuse what is no batch here, before autograd
        if not (self.training and torch.is_grad_enabled() and z.requires_grad):
            return z
        watched: Tensor = _Watch.apply(z, self)[0]  # a node of its own: other uses of z are not part of its gradient
        return watched

    def _arrived(self, x: Tensor, gradient: Tensor) -> None:
        """Be told of the gradient at the rows x: record it if it is its turn."""
        if self.step % self.every == 0:
            with torch.no_grad(), batch.without_autocast(x):
                self._record(x, gradient.reshape(x.shape))
        self.step += 1

    def _record(self, x: Tensor, gradient: Tensor) -> None:
        t = self.step * self.dt
        temperature = _temperature(self.temperature(t), t) if callable(self.temperature) else self.temperature
        scale = require_number("loss_scale", self.loss_scale, positive=True)
        if not bool(torch.isfinite(gradient).all()):
            if scale != 1.0:  # a GradScaler skips this step as well, and lowers its scale
                self.ledger.notes["step"] = f"without step {self.step}, where the scaled gradient overflowed"
                return
            raise DivergenceError(f"ForceMonitor: the gradient of the loss by z is not finite at step {self.step}.")
        value, force = self.entropy._evaluate(x)
        mu = batch.ensemble(x)
        entropic = temperature * force.double()
        energetic = len(x) * gradient.double() / scale + entropic
        forces = Forces(energetic, entropic, entropic, temperature)
        reference = log_det_force(mu)
        self.ledger.notes["reference_alignment"] = reference.note
        if temperature == 0:
            unknown = ("alignment", "entropy_production", "reference_alignment")
            self.ledger.notes |= dict.fromkeys(unknown, "where the temperature is 0")
        named = {"t": t, "step": self.step, "entropy": float(value), "temperature": temperature}
        beside = {
            "reference_alignment": forces.beside(mu, reference.force),
            "effective_rank": effective_rank(mu),
        }
        self.ledger.append(named | forces.columns(mu) | beside)

    def extra_repr(self) -> str:
        temperature = "T(t)" if callable(self.temperature) else f"{self.temperature:g}"
        return f"temperature={temperature}, every={self.every}, {self.ledger.rows} records"


class _Watch(torch.autograd.Function):
    """The identity, which tells the monitor of the gradient that comes back. It also returns the rows as they were."""

    @staticmethod
    def forward(z: Tensor, monitor: ForceMonitor) -> tuple[Tensor, Tensor]:
        return z.clone(), batch.rows(z).clone()  # a later layer may write to z in place

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])
        ctx.monitor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        _Tell.apply(*ctx.saved_tensors, grad_outputs[0].detach(), ctx.monitor)
        return grad_outputs[0], None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, None]:
        return tangents[0].clone(), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        raise ConfigError(_MAPPED)


class _Tell(torch.autograd.Function):
    """Gives rows and gradient to the monitor. As a function of its own it sees plain tensors, also in `torch.func`."""

    @staticmethod
    def forward(x: Tensor, gradient: Tensor, monitor: ForceMonitor) -> Tensor:
        monitor._arrived(x, gradient)
        return x.new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is differentiated."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        raise ConfigError(_MAPPED)


def _temperature(value: float, t: float) -> float:
    return require_number(f"temperature at t = {t:g}", value, nonnegative=True)
