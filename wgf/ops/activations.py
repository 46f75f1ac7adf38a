"""The built-in activation functions: their numbers, their names, and their formulas in plain torch.

Compiled code knows an activation by its number. Tests compare every compiled formula with `evaluate`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TANH, RELU, SIGMOID, SOFTPLUS, ERF, IDENTITY = range(6)
NAMES = {"tanh": TANH, "relu": RELU, "sigmoid": SIGMOID, "softplus": SOFTPLUS, "erf": ERF, "identity": IDENTITY}


def evaluate(activation: int, s: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate an activation σ and its slope σ′ in plain torch.

    Parameters
    ----------
    activation : int
        Its number, such as `TANH`; `NAMES` gives the number of a name.
    s : Tensor
        Inputs, any shape.

    Returns
    -------
    value, slope : Tensor
        σ(s) and σ′(s), of the shape and dtype of s. The slope of relu at 0 is 0.

    Examples
    --------
    >>> import torch
    >>> evaluate(RELU, torch.tensor([-1.0, 0.0, 2.0]))
    (tensor([0., 0., 2.]), tensor([0., 0., 1.]))
    """
    if activation == TANH:
        h = torch.tanh(s)
        return h, 1 - h * h
    if activation == RELU:
        return torch.relu(s), (s > 0).to(s.dtype)
    if activation == SIGMOID:
        h = torch.sigmoid(s)
        return h, h * (1 - h)
    if activation == SOFTPLUS:
        return torch.logaddexp(s, torch.zeros_like(s)), torch.sigmoid(s)
    if activation == ERF:
        return torch.erf(s), 2 / math.sqrt(math.pi) * torch.exp(-s * s)
    if activation == IDENTITY:
        return s, torch.ones_like(s)
    raise AssertionError(f"unknown activation {activation}")
