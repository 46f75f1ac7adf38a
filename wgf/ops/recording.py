"""Record operations for autograd, also where the caller has turned it off."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError


class recorded:
    """Record operations for autograd inside a `with` block, also under `torch.no_grad` and `torch.inference_mode`.

    Use it wherever a function of the user is differentiated. `torch.enable_grad` alone records nothing in inference
    mode, and the derivatives would be zero.

    Raises
    ------
    ConfigError
        If the function uses a tensor that was made in inference mode. Autograd cannot keep such a tensor.

    Notes
    -----
    Clone what comes from the caller inside the block: a clone that is made here is no inference tensor.

    Examples
    --------
    >>> with torch.inference_mode(), recorded():
    ...     x = torch.tensor(3.0, requires_grad=True)
    ...     slope = torch.autograd.grad(x * x, x)[0]
    >>> slope.item()
    6.0
    """

    def __enter__(self) -> None:
        self._changed: ExitStack | None = None
        inference = torch.is_inference_mode_enabled()
        if inference or not torch.is_grad_enabled():
            self._changed = ExitStack()
            if inference:
                self._changed.enter_context(torch.inference_mode(False))
            self._changed.enter_context(torch.enable_grad())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._changed is not None:
            self._changed.close()
        if isinstance(error, RuntimeError) and "nference tensor" in str(error):
            raise ConfigError(
                "the function to differentiate uses a tensor that was made under torch.inference_mode(): make it "
                "outside, clone it there, or use torch.no_grad()."
            ) from error


def slope_of_sum(values: Tensor, points: Tensor) -> Tensor:
    """The derivative of Σ values by `points`, as `torch.autograd.grad` gives it.

    Parameters
    ----------
    values : Tensor
        What was recorded, any shape.
    points : Tensor
        A tensor that requires a derivative.

    Returns
    -------
    Tensor
        In the shape of `points`.

    Raises
    ------
    RuntimeError
        If `values` do not depend on `points`.

    Notes
    -----
    `torch.autograd.grad` checks its arguments, which takes half as long as the backward pass of a small function. For
    plain CPU tensors the engine of torch is called as it calls it.

    Examples
    --------
    >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> slope_of_sum(x * x, x).tolist()
    [2.0, 6.0]
    """
    along = torch.ones_like(values)  # a sum would take two more calls
    if _ENGINE is not None and type(values) is Tensor and values.is_cpu and type(points) is Tensor:
        return _ENGINE.run_backward((values,), (along,), False, False, (points,), False, accumulate_grad=False)[0]
    return torch.autograd.grad(values, points, along)[0]


_ENGINE: Any = getattr(torch.autograd.Variable, "_execution_engine", None)  # a name that torch may change
