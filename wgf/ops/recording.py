"""Record operations for autograd, also where the caller has turned it off."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

import torch

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
