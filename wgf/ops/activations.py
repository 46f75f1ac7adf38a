"""The built-in activations by number, and each as plain torch (the oracle of `cpu.network`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TANH, RELU, SIGMOID, SOFTPLUS, ERF, IDENTITY = range(6)
NAMES = {"tanh": TANH, "relu": RELU, "sigmoid": SIGMOID, "softplus": SOFTPLUS, "erf": ERF, "identity": IDENTITY}


def evaluate(activation: int, s: Tensor) -> tuple[Tensor, Tensor]:
    """(σ(s), σ'(s)); the slope of relu at 0 is 0."""
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
