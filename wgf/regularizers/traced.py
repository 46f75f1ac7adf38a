"""S of a batch as an operation of torch, for `torch.compile` and `torch.export`: it is called, not looked into."""

from __future__ import annotations

import itertools
from typing import Any, Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from ..errors import ConfigError
from . import batch


class Evaluates(Protocol):
    """A regularizer, as far as it is called here."""

    def _of(self, x: Tensor) -> tuple[Tensor, Tensor]: ...


_LIVE: WeakValueDictionary[int, Evaluates] = WeakValueDictionary()
"""The regularizers of this process by number: an operation of torch takes numbers and tensors only."""
_NUMBERS = itertools.count()
TWICE = (
    "the gradient of an entropy regularizer was differentiated again: functionals have first derivatives only. "
    "Leave the entropy out of the part of the loss that needs create_graph=True."
)


def enter(regularizer: Evaluates) -> int:
    """Give a regularizer its number, by which a compiled program finds it."""
    number = next(_NUMBERS)
    _LIVE[number] = regularizer
    return number


def _with_autograd() -> Any:
    """Autograd as outside of an operation of torch, where it is off: a functional may take its derivatives by it."""
    excluded = torch._C._dispatch_tls_local_exclude_set() & torch._C._after_ADInplaceOrView_keyset
    return torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), excluded)


@torch.library.custom_op("wgf::regularizer", mutates_args=())
def evaluated(z: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """S (0-d) of a batch by the regularizer of this number, and its derivative by the rows (n, d)."""
    with _with_autograd(), batch.without_autocast(z):
        value, gradient = _LIVE[number]._of(batch.rows(z))
    return value.clone(), gradient.clone()


@evaluated.register_fake
def _(z: Tensor, number: int) -> tuple[Tensor, Tensor]:
    rows = batch.rows(z)
    return rows.new_empty(()), torch.empty_like(rows, memory_format=torch.contiguous_format)


@torch.library.custom_op("wgf::regularizer_backward", mutates_args=())
def pulled_back(z: Tensor, gradient: Tensor, bar: Tensor) -> Tensor:
    """The derivative by z: that by the rows, times the derivative of the loss by S."""
    return (gradient * bar).to(z.dtype).reshape(z.shape).clone()


@pulled_back.register_fake
def _(z: Tensor, gradient: Tensor, bar: Tensor) -> Tensor:
    return torch.empty_like(z, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(inputs[0], output[1])


def _backward(ctx: Any, *bars: Tensor) -> tuple[Tensor, None]:
    z, gradient = ctx.saved_tensors
    return pulled_back(z, gradient, bars[0]), None


def _refuse(ctx: Any, *bars: Tensor) -> Any:
    raise ConfigError(TWICE)


def _each(info: Any, in_dims: tuple[int | None, ...], z: Tensor, number: int) -> tuple[Any, tuple[int, int]]:
    """`vmap` by a loop over batches."""
    assert in_dims[0] is not None
    pairs = [evaluated(one, number) for one in z.movedim(in_dims[0], 0)]
    value, gradient = (torch.stack(part) for part in zip(*pairs, strict=True))
    return (value, gradient), (0, 0)


evaluated.register_autograd(_backward, setup_context=_setup)
evaluated.register_vmap(_each)
pulled_back.register_autograd(_refuse)
