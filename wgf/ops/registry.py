"""Register an operation as a torch op with one body for each device, and convert between tensors and arrays.

A body is the code of an operation on one device: numba on the CPU, Triton or plain torch elsewhere. Nothing above
`wgf.ops` knows which body ran. Sums are accumulated and returned in float64; results for each particle have the dtype
of the particles.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..process.collecting import resting
from .threads import small_steps


class Operation:
    """An operation of this package, which torch knows as a custom op.

    Parameters
    ----------
    function : callable
        The body for the CPU.
    name : str
        The name for torch, such as "wgf::moments".
    options
        Those of `torch.library.custom_op`.

    Attributes
    ----------
    definition : CustomOpDef
        The op of torch, for autograd, tracing, transforms and other devices.

    Notes
    -----
    A call goes straight to the body where torch has nothing to add: plain CPU tensors, no derivative wanted, nothing
    traced or transformed. That saves some 20 µs of dispatch per call, and the first of them the import of
    `torch._dynamo`, which takes seconds.
    """

    def __init__(self, function: Callable[..., Any], name: str, **options: Any) -> None:
        self.definition: Any = torch.library.custom_op(name, **options)(function)
        self.name = name.partition("::")[2]
        self._body = function
        self._signature = inspect.signature(function)
        kinds = [parameter.annotation for parameter in self._signature.parameters.values()]
        self._tensors = tuple(i for i, kind in enumerate(kinds) if kind in ("Tensor", Tensor))
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self.__wrapped__ = function  # its signature is that of the body

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling():
            return self.definition(*arguments, **named)
        if named:
            bound = self._signature.bind(*arguments, **named)
            bound.apply_defaults()
            arguments = bound.args
        if not ordinary([arguments[i] for i in self._tensors]):
            return self.definition(*arguments)
        return self._body(*arguments)

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def register_autograd(self, backward: Callable[..., Any], setup_context: Callable[..., Any]) -> None:
        """Give the operation a derivative, as `torch.library.register_autograd` does."""
        self.definition.register_autograd(backward, setup_context=setup_context)


def ordinary(tensors: Sequence[Any]) -> bool:
    """Whether these are plain CPU tensors of which no derivative is wanted, outside every mode and transform of torch.

    The questions about modes and transforms have no public name in torch. Each is asked by `plain_mode`.
    """
    if not plain_mode():
        return False
    for tensor in tensors:
        if type(tensor) is not Tensor or not tensor.is_cpu or tensor.is_neg():
            return False
        if tensor.requires_grad and torch.is_grad_enabled():
            return False
    return True


def plain_mode() -> bool:
    """Whether torch neither traces nor transforms what is called now: no mode, `torch.func`, derivative or trace."""
    return not (
        torch._C._len_torch_dispatch_stack() > 0
        or torch._C._len_torch_function_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch._C._get_tracing_state() is not None
    )


class _Later:
    """A module that is imported when something of it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            with resting():
                self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


def later(name: str) -> Any:
    """A module of compiled bodies in `wgf.ops.cpu`, which is imported when one of them is first called.

    Numba and the modules that it decorates take a quarter of a second to import.
    """
    return _Later(f"{__package__}.cpu.{name}")


def custom_op(name: str, **options: Any) -> Callable[[Callable[..., Any]], Operation]:
    """Make an operation of a function, which is its body on the CPU. The options are those of `torch.library`."""
    return lambda function: Operation(function, name, **options)


PLAIN: dict[str, Callable[..., Any]] = {}
"""The plain-torch body of each operation, for devices without one of their own; tests compare the others with it."""

GPU: dict[str, Callable[..., Any]] = {}
"""The body of each operation for CUDA tensors."""


def register(op: Operation, elsewhere: Callable[..., Any], fake: Callable[..., Any], triton: str | None = None) -> None:
    """Give an operation its bodies for devices other than the CPU.

    Parameters
    ----------
    op : Operation
        The operation, as `custom_op` made it; its own function is the body for the CPU.
    elsewhere : callable
        The plain-torch body.
    fake : callable
        Returns empty tensors of the shapes and dtypes of the results, for tracing.
    triton : str, optional
        The file of `wgf.ops.cuda` with the Triton body, a function with the name of the operation.
    """
    name = f"wgf::{op.name}"
    PLAIN[name] = elsewhere
    GPU[name] = elsewhere if triton is None else _gpu_body(triton, op.name, elsewhere)
    op.definition.register_kernel("cuda")(GPU[name])
    op.definition.register_fake(fake)


def _gpu_body(file: str, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """The Triton body if triton is installed, else the plain one. It is imported at the first call."""

    @cache
    def chosen() -> Callable[..., Any]:
        if importlib.util.find_spec("triton") is None:
            return plain
        return getattr(importlib.import_module(f"wgf.ops.cuda.{file}"), name)

    def body(*args: Any) -> Any:
        return chosen()(*args)

    return body


def array(tensor: Tensor, dtype: np.dtype | type = np.float64) -> np.ndarray:
    """A tensor as a C-contiguous array of a given dtype.

    Parameters
    ----------
    tensor : Tensor
        On the CPU.
    dtype : dtype, default float64
        The dtype of the array.

    Returns
    -------
    ndarray
        It shares the memory of the tensor, unless dtype or layout differ.
    """
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=dtype)


def native(tensor: Tensor) -> np.ndarray:
    """A CPU tensor as a C-contiguous array of its own dtype; it shares the memory unless the layout differs."""
    return np.ascontiguousarray(tensor.detach().numpy())


def like(values: np.ndarray, tensor: Tensor) -> Tensor:
    """An array as a tensor of the dtype of `tensor`. A small one is converted without the threads of torch."""
    if values.size < small_steps.SMALL:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(tensor.detach().numpy().dtype, copy=False)
    return torch.from_numpy(values).to(tensor.dtype)


def double(*tensors: Tensor) -> list[Tensor]:
    """The tensors in float64."""
    return [t.double() for t in tensors]
