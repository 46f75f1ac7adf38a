"""The entropy of a batch of representations as a torch module, which autograd differentiates."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ..entropies import Entropy, Score
from ..errors import ConfigError, DivergenceError, WgfError
from ..functional import Functional
from ..measure import checks
from . import batch, traced
from .batch import Group

PACKAGE = __name__.rpartition(".")[0]


class _Once(torch.autograd.Function):
    """An autograd function that returns a gradient and refuses to be differentiated."""

    @staticmethod
    def forward(z: Tensor, grad_output: Tensor, gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept: there is no second derivative."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise ConfigError(traced.TWICE)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise ConfigError(traced.TWICE)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return _Once.apply(*_rows_first(info, in_dims, inputs)), 0


class _Evaluate(torch.autograd.Function):
    """The autograd function of S: value and ∂S/∂zᵢ = wᵢ ∇_W S(zᵢ), wᵢ = 1/n, come from the same pass.

    It returns both; the gradient is a constant. `torch.func` transforms it: `grad`, `vjp`, `jvp`, and `vmap` by a loop.
    """

    @staticmethod
    def forward(z: Tensor, regularizer: Regularizer) -> tuple[Tensor, Tensor]:
        with batch.without_autocast(z):
            return regularizer._of(batch.rows(z))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])
        ctx.save_for_forward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        grad_output = grad_outputs[0]
        with torch.no_grad():  # scale first, then round to half precision: small numbers survive in a scaled loss
            own = (gradient * grad_output).to(z.dtype).reshape(z.shape)
        return (_Once.apply(z, grad_output, own) if torch.is_grad_enabled() else own), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        return (gradient.reshape(z.shape) * tangents[0]).sum().to(gradient.dtype), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], z: Tensor, regularizer: Regularizer
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        (each,) = _rows_first(info, in_dims, (z,))
        pairs = [_Evaluate.apply(one, regularizer) for one in each]
        value, gradient = (torch.stack(part) for part in zip(*pairs, strict=True))
        return (value, gradient), (0, 0)


def _rows_first(info: Any, in_dims: tuple[int | None, ...], inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """The inputs of a `vmap` with the axis that it maps over in front; an input without that axis is repeated."""
    return [
        tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
        for tensor, dim in zip(inputs, in_dims, strict=False)
    ]


_Evaluate.forward.__signature__ = inspect.signature(_Evaluate.forward)  # type: ignore[attr-defined]
"""Torch reads the signature at every call, and finds it here at once."""


class Regularizer(nn.Module):
    """The value S[μ] of a functional on a batch z, μ = (1/n) Σ δ(zᵢ), for use in any loss.

        loss = task − T · entropy(z),    ∂S/∂zᵢ = (1/n) ∇_W S(zᵢ)

    A step of the optimiser pushes the rows by +T ∂S/∂z. If the rows themselves are the parameters, a gradient step of
    learning rate η is a step of the flow of length h = η/n.

    Parameters
    ----------
    functional : Functional
        Such as `wgf.LogDet(ridge=1e-3)`, or a user's own. Value and force are those of a flow.
    sync : bool
        Compute S of the batch of all processes (torch.distributed). In a script that runs alone it changes nothing.
    group : ProcessGroup, optional
        The processes, by default all. Implies `sync`.

    Raises
    ------
    ConfigError
        For something that is no functional or has no force (Shannon), for a batch too small for it, or when it is
        differentiated twice.
    ShapeError
        If z is no batch (batch, ..., features). Every leading axis counts as rows.
    DivergenceError
        If a representation or a force is not finite.

    See Also
    --------
    wgf.regularizers.ForceMonitor, wgf.callbacks.ForceLogger, wgf.diagnostics.force_report

    Notes
    -----
    The value is 0-d, float64 for float64 and float32 otherwise, also under autocast. The gradient has the dtype of z.
    A bandwidth given as a rule ("silverman") is resolved for each batch, and is a constant in the gradient.

    With `sync`, S is that of all N rows, gathered in the order of ranks, and each process gets the gradient at its rows
    times the number of processes. DistributedDataParallel takes the mean over processes, which gives the gradient of S
    of the whole batch. All processes must call the module, with the same coefficient. Batches may differ in size: each
    row counts once in S, while the mean of the tasks by DDP counts each process once.

    `torch.func` transforms it (`grad`, `vjp`, `jvp`, `jacrev`; `vmap` is a loop over batches), with the same bits as
    plain autograd. For `torch.compile` and `torch.export` it is a single operation, without a break of the graph and
    with the same bits; inside of a compiled function `torch.func.grad` is an error (take `backward`, or compile the
    part without it). Cost: that of the functional on n rows.

    References
    ----------
    Human-Centered Learning Mechanics (2026), arXiv:2605.22940.

    Examples
    --------
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
        if isinstance(functional, Score):
            raise ConfigError("Score follows a flow, and has no value of a batch; use Blob, LogDet or KoLeo.")
        self.functional = functional
        self.least = functional.fewest_particles if isinstance(functional, Entropy) else 1
        self.sync = bool(sync) or group is not None
        self.group = group
        self._number = traced.enter(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._number = traced.enter(self)  # a copy is found by a number of its own

    def forward(self, z: Tensor) -> Tensor:
        """Compute S of a batch.

        Parameters
        ----------
        z : Tensor (batch, ..., features)
            The representations.

        Returns
        -------
        Tensor, 0-d
            S, differentiable once by z.
        """
        if torch.compiler.is_compiling():
            value: Tensor = traced.evaluated(z, self._number)[0]
            return value
        batch.rows(z)  # refuse what is no batch here, before autograd
        value = _Evaluate.apply(z, self)[0]
        return value

    def _of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """S, and its derivative by the rows x (n, d) times the number of processes."""
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
                f"{self.functional.name} of a batch of {n} row{'s' * (n > 1)}: wanted {self.least} rows at least, and "
                f"without a ridge more than the {d} features."
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
    """The regularizer class of an entropy.

    Parameters
    ----------
    entropy : type of Entropy
        The entropy.

    Returns
    -------
    type of Regularizer
        A class of the same name. Its arguments are the settings of the entropy, and `sync` and `group`.

    Examples
    --------
    >>> import wgf
    >>> regularizer_of(wgf.LogDet)(ridge=1e-3)
    LogDet(LogDet(ridge=0.001))
    """

    def __init__(self: Regularizer, *args: Any, sync: bool = False, group: Group = None, **settings: Any) -> None:
        Regularizer.__init__(self, entropy(*args, **settings), sync=sync, group=group)

    own = inspect.signature(entropy).parameters.values()
    added = [p for p in inspect.signature(Regularizer).parameters.values() if p.kind is p.KEYWORD_ONLY]
    signature = inspect.Signature([*own, *added])
    needed = ", ".join(f"{p.name}=2.0" for p in own if p.default is p.empty)
    doc = (
        f"`wgf.{entropy.__name__}` of a batch of representations, as a torch module; see `Regularizer`.\n\n"
        f"{inspect.cleandoc(entropy.__doc__ or '').splitlines()[0]}\n\n"
        "Parameters\n----------\n**settings\n    The settings of the entropy.\n"
        "sync, group\n    The batch of several processes, as in `Regularizer`.\n\n"
        f"See Also\n--------\nwgf.regularizers.Regularizer, wgf.{entropy.__name__}\n\n"
        "Examples\n--------\n>>> import torch, wgf\n>>> z = torch.randn(64, 4, requires_grad=True)\n"
        f">>> (-0.1 * wgf.regularizers.{entropy.__name__}({needed})(z)).backward()\n>>> z.grad.shape\n"
        "torch.Size([64, 4])\n"
    )
    body = {"__init__": __init__, "__doc__": doc, "__module__": PACKAGE, "__signature__": signature}
    return type(entropy.__name__, (Regularizer,), body)
