"""Record operations for autograd, also where the caller has turned it off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import ConfigError


@contextmanager
def recorded() -> Iterator[None]:
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
    try:
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False), torch.enable_grad():
                yield
        else:
            with torch.enable_grad():
                yield
    except RuntimeError as error:
        if "nference tensor" not in str(error):
            raise
        raise ConfigError(
            "the function to differentiate uses a tensor that was made under torch.inference_mode(): make it outside, "
            "clone it there, or use torch.no_grad()."
        ) from error
