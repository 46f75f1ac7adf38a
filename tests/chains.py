"""The law that a scheme settles to, without sampling: the transfer operator of its own step, by quadrature."""

from __future__ import annotations

import math

import numpy as np
import torch

import wgf
from wgf.measure import NoiseSource


class Given(NoiseSource):
    """The normals that a test writes down: a function of (ids, step) gives (n, dim); other streams are 0."""

    def __init__(self, table):
        self._table = table

    def normal(self, ids, step, dim, stream=0):
        return self._table(ids, step) if stream == 0 else torch.zeros(len(ids), dim, dtype=torch.float64)

    def uniform(self, ids, step, dim, stream=0):
        return torch.full((len(ids), dim), 0.5, dtype=torch.float64)


def chebyshev(m, reach):
    """Nodes on [−reach, reach] and a function that interpolates from them: (k,) points to (k, m)."""
    angle = np.pi * (2 * np.arange(m) + 1) / (2 * m)
    nodes, weights = reach * np.cos(angle), (-1.0) ** np.arange(m) * np.sin(angle)

    def interpolation(points):
        apart = np.clip(points, -reach, reach)[:, None] - nodes
        hit = np.abs(apart) < 1e-13
        ratio = weights / np.where(hit, 1.0, apart)
        matrix = ratio / ratio.sum(1, keepdims=True)
        return np.where(hit.any(1, keepdims=True), hit.astype(float), matrix)

    return nodes, interpolation


def normal_nodes(q):
    """Gauss–Hermite nodes and weights of N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(q)
    return nodes, weights / weights.sum()


def invariant(transfer):
    """π with π P = π, Σπ = 1: integrals against the stationary law are π · values at the nodes."""
    matrix = transfer.T - np.eye(len(transfer))
    matrix[-1] = 1.0
    right = np.zeros(len(transfer))
    right[-1] = 1.0
    return np.linalg.solve(matrix, right)


def one_step(F, solver, h, x, xi, noise=None, momenta=None):
    """Where one step of the scheme takes particles at x (n,) with the normals xi (n,): positions and memory."""
    column = torch.as_tensor(xi)[:, None]
    source = noise or Given(lambda ids, step: column if step == 0 else torch.zeros_like(column))
    mu = wgf.Ensemble(np.asarray(x)[:, None])
    if momenta is None:
        sol = wgf.solve(F, mu, solver, dt=h, t_end=h, noise=source)
    else:
        from dataclasses import replace

        state = wgf.solve(F, mu, solver, dt=h, t_end=0.0, noise=source).state
        state = replace(state, memory=torch.as_tensor(momenta)[:, None])
        sol = wgf.solve(F, None, solver, dt=h, t_end=h, noise=source, state=state)
    return sol.ensemble.x.numpy()[:, 0], sol.state.memory


def impulses(F, solver, h, steps, t_end=None, start=0.0):
    """Responses at the end, (steps + 1,), to a unit normal at each single step: sums of squares are variances.

    For forces that are linear and act on each particle alone; particle i has its impulse at step i.
    """
    source = Given(lambda ids, step: (ids == step).double()[:, None])
    mu = wgf.Ensemble(torch.full((steps + 2, 1), start, dtype=torch.float64))
    return wgf.solve(F, mu, solver, dt=h, t_end=t_end or steps * h, noise=source, record_every=10**6)


def boltzmann(fn, potential, temperature, reach=8.0):
    """∫ fn e^{−V/T} / ∫ e^{−V/T} by the trapezoidal rule, which is spectrally accurate here."""
    x = np.linspace(-reach, reach, 20_001)
    density = np.exp(-potential(x) / temperature)
    return float((fn(x) * density).sum() / density.sum())


def slope(hs, errors):
    """Of the errors against h, in logarithms."""
    return float(np.polyfit(np.log(hs), np.log(np.abs(errors)), 1)[0])


def quartic():
    """V = x²/2 + x⁴/4 as a potential and as a function of arrays."""
    force = wgf.Potential(lambda x: (x**2 / 2 + x**4 / 4).sum(1), grad=lambda x: x + x**3)
    return force, lambda x: x**2 / 2 + x**4 / 4


def stationary_of_noise(F, solver, h, temperature, m=80, q=40, reach=3.2, lag=0.0):
    """∫ x² under the law that a scheme in x alone settles to; `lag` is the part of √(2Th) ξ_k that x has of its own."""
    nodes, interpolation = chebyshev(m, reach)
    xi, weights = normal_nodes(q)
    scale = lag * math.sqrt(2 * temperature * h)
    x, noise = np.repeat(nodes, q), np.tile(xi, m)
    ends, _ = one_step(F, solver, h, x + scale * noise, noise)
    transfer = (weights[None, :, None] * interpolation(ends).reshape(m, q, m)).sum(1)
    return float(invariant(transfer) @ nodes**2) + scale**2
