"""Entropy of a batch of representations as a torch module: the functional itself, behind one autograd function."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ..entropies import Entropy
from ..errors import ConfigError, DivergenceError, WgfError
from ..functional import Functional
from ..measure import checks
from . import batch
from .batch import Group

PACKAGE = __name__.rpartition(".")[0]


class _Once(torch.autograd.Function):
    """Hands a gradient on and refuses to be differentiated."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, grad_output: Tensor, gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise ConfigError(
            "the gradient of an entropy regularizer was differentiated again: functionals have first derivatives only. "
            "Leave the entropy out of the part of the loss that needs create_graph=True."
        )


class _Evaluate(torch.autograd.Function):
    """S of the rows, with ∂S/∂zᵢ = wᵢ ∇_W S(zᵢ), wᵢ = 1/n, from the same pass."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, regularizer: Regularizer) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            value, gradient = regularizer._of(batch.rows(z))
        ctx.save_for_backward(z, gradient)
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        (grad_output,) = grad_outputs
        with torch.no_grad():  # a scaled loss lifts small numbers before they are rounded to half precision
            own = (gradient * grad_output).to(z.dtype).reshape(z.shape)
        return (_Once.apply(z, grad_output, own) if torch.is_grad_enabled() else own), None


class Regularizer(nn.Module):
    """S[μ] of a batch z, μ = (1/n) Σ δ(zᵢ), for use in any loss:  loss = task − T · entropy(z).

    Parameters
    ----------
    functional : any Functional, a user's own too; it is evaluated as it stands: value and force are those of a flow.
    sync : S of the batch of all processes (torch.distributed); alone, a process is the whole.
    group : the process group, by default all processes; implies `sync`.

    `z` is (batch, features) or (batch, ..., features); every leading axis counts as rows. The value is 0-d, in the
    dtype it was computed in: float64 for float64, float32 for float32 and, under autocast too, for half precision.
    The gradient has the dtype of z:

        ∂S/∂zᵢ = (1/n) ∇_W S(zᵢ).

    So a step of the learning rate η on rows that are free parameters is one of the flow of the length h = η/n.
    A rule for a bandwidth ("silverman") is resolved for each batch, and the bandwidth is constant in the gradient.

    With `sync`, S is that of the N rows of all R processes, gathered in the order of ranks, and each process gets the
    gradient at its own rows times R. DistributedDataParallel takes the mean over processes, which then is the gradient
    of S of the whole batch; all processes must call it, with the same coefficient. Batches may be of unequal sizes:
    each row then counts once in S, while DDP's mean of the tasks counts each process once.

    Raises ShapeError for what is no batch, DivergenceError where a representation or a force is not finite, and
    ConfigError for a batch too small for the functional, or when differentiated twice. `torch.compile` breaks its graph
    here, with the same result.
    Reference: Human-Centered Learning Mechanics, arXiv:2605.22940.

    >>> import torch, wgf
    >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    >>> S = Regularizer(wgf.Variance())(z); S.backward(); S.item(), z.grad.tolist()
    (0.5, [[0.5, 0.0], [-0.5, 0.0]])
    """

    def __init__(self, functional: Functional, *, sync: bool = False, group: Group = None) -> None:
        super().__init__()
        if not isinstance(functional, Functional):
            raise ConfigError(
                f"functional = {functional!r}: wanted a functional of the measure, such as wgf.LogDet(ridge=1e-3)."
            )
        if functional.realised_by_noise:
            raise ConfigError("Shannon has no force on particles; use a surrogate, such as LogDet or Blob.")
        self.functional = functional
        self.least = functional.fewest_particles if isinstance(functional, Entropy) else 1
        self.sync = bool(sync) or group is not None
        self.group = group

    def forward(self, z: Tensor) -> Tensor:
        """S of the batch z (batch, ..., features), 0-d."""
        batch.rows(z)  # refuses what is no batch before autograd sees it
        value: Tensor = _Evaluate.apply(z, self)
        return value

    def _of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """S and its derivative by the rows x (n, d), times the number of processes."""
        ranks = batch.world(self.sync, self.group)
        whole, first = batch.gather(x, self.group) if ranks > 1 else (x, 0)
        value, force = self._evaluate(whole)
        own = force[first : first + len(x)] / len(whole)
        return value.to(x.dtype), own if ranks == 1 else ranks * own

    def _evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """S and ∇_W S (n, d) of the rows, by the functional."""
        n, d = x.shape
        if n < self.least:
            raise ConfigError(
                f"{self.functional.name} of a batch of {n} row: wanted {self.least} rows at least, and without a ridge "
                f"more than the {d} features."
            )
        mu = batch.ensemble(x)
        try:
            evaluation = self.functional.evaluate(mu)
        except WgfError as error:
            raise type(error)(f"a batch of {n} rows with {d} features: {error}") from error
        if not (checks.finite(evaluation.value) and checks.finite(evaluation.gradient)):
            raise DivergenceError(
                f"{self.functional.name} of a batch of {n} rows with {d} features: value {float(evaluation.value)}, or "
                "a force that is not finite; a ridge or a larger bandwidth keeps it so."
            )
        return evaluation.value, evaluation.gradient

    def extra_repr(self) -> str:
        return f"{self.functional!r}, sync=True" if self.sync else repr(self.functional)


@cache
def regularizer_of(entropy: type[Entropy]) -> type[Regularizer]:
    """The regularizer class of an entropy: it takes the settings of the entropy, and `sync` and `group`."""

    def __init__(self: Regularizer, *args: Any, sync: bool = False, group: Group = None, **settings: Any) -> None:
        Regularizer.__init__(self, entropy(*args, **settings), sync=sync, group=group)

    own = inspect.signature(entropy).parameters.values()
    added = [p for p in inspect.signature(Regularizer).parameters.values() if p.kind is p.KEYWORD_ONLY]
    signature = inspect.Signature([*own, *added])
    doc = (
        f"`wgf.{entropy.__name__}` of a batch of representations, as a torch module; see `Regularizer`.\n\n"
        f"    {inspect.cleandoc(entropy.__doc__ or '').splitlines()[0]}"
    )
    body = {"__init__": __init__, "__doc__": doc, "__module__": PACKAGE, "__signature__": signature}
    return type(entropy.__name__, (Regularizer,), body)
