"""Functions of one particle that the user compiled by numba, as functions of all particles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import ConfigError, shown
from ..ops.registry import native


def row_functions(fn: Any, grad: Any) -> Any:
    """The two functions of one particle that the user compiled."""
    if not (hasattr(fn, "py_func") and hasattr(grad, "py_func")):
        raise ConfigError(
            f"Potential(fn={shown(fn)}, grad={shown(grad)}): wanted both by @numba.njit or none. A compiled fn(x) "
            "returns V of one particle x (d,), and grad(x, out) writes its gradient to out (d,)."
        )
    from ..ops.cpu.user import RowFunctions

    return RowFunctions(fn, grad)


def called(call: Callable[[Any], Any], x: Tensor) -> Tensor:
    """The result of compiled functions of one particle at all particles; ConfigError where they do not compile."""
    if x.device.type != "cpu":
        raise ConfigError("Potential: functions compiled by numba run on the CPU; give torch functions for a GPU.")
    from numba.core.errors import NumbaError

    try:
        return torch.from_numpy(call(native(x)))
    except NumbaError as error:
        reason = str(error).strip().splitlines()
        raise ConfigError(
            f"Potential: a function does not compile for one particle ({reason[0] if reason else type(error).__name__})"
            "; wanted fn(x) -> float and grad(x, out), which writes to out."
        ) from error
