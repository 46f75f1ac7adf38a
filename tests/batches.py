"""Batches of features for tests of regularizers, and a small encoder trained with one."""

from __future__ import annotations

from functools import cache

import torch

from wgf.regularizers import ForceMonitor, LogDet


def batch(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(shape[-1], shape[-1], generator=generator, dtype=torch.float64)
    z = torch.randn(*shape, generator=generator, dtype=torch.float64) @ mixing
    return z.to(dtype).requires_grad_()


@cache
def trained(temperature: float, steps: int = 60) -> tuple[torch.Tensor, ForceMonitor]:
    """Representations (100, 6) of an encoder whose task asks for one direction only."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(100, 6, generator=generator, dtype=torch.float64)
    weight = torch.nn.Parameter(0.5 * torch.randn(6, 6, generator=generator, dtype=torch.float64))
    target = x[:, 0].sign()
    entropy = LogDet(ridge=1e-3)
    monitor = ForceMonitor(entropy, temperature, every=5, dt=0.05)
    optimiser = torch.optim.SGD([weight], lr=0.05)
    for _ in range(steps):
        z = monitor(torch.tanh(x @ weight))
        task = (z[:, 0] - target).square().mean() + 2.0 * z.square().mean()
        loss = task - temperature * entropy(z) if temperature else task
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.tanh(x @ weight).detach(), monitor
