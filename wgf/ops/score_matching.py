"""Implicit score matching: the score ∇log ρ of particles by fields ∇φ, without the density.

Points are standardised: their mean is 0 and their covariance is the identity. The score is −z + ∇g(z), the score of a
Gaussian and a correction g = Σ aₘ φₘ. Hyvärinen's loss E[½|s|² + ∇·s] needs no density. It is quadratic in a:

    J(a) = ½ aᵀG a + bᵀa + const,    G = E[∇φₘ·∇φₖ],    b = E[ℒφ],    ℒφ = Δφ − z·∇φ

Added to it is ½ κ aᵀR a with R = E[ℒφ ℒφᵀ]. R/n is the variance that b has over
draws of n particles, so that κ is a few times 1/n. All sums are float64 in one thread of torch, in a fixed order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .score_fields import Bumps, Units, pieces, solved
from .threads import one_torch_thread

FOLDS = 4
"""Particles are divided into so many parts. A part is held out to see how well the fit of the others predicts."""
_PRODUCTS = 16
"""Up to this dimension all products of two coordinates test the score."""


class Fit(NamedTuple):
    """A fitted correction g(z) = Σ a φ − c·z − ½ zᵀB z.

    c and B make E[∇g] = 0 and the symmetric part of E[∇g zᵀ] zero: the score then has Stein's identities E[s] = 0 and
    E[s zᵀ + z sᵀ] = −2I on the particles, exactly.
    """

    a: Tensor
    shift: Tensor
    matrix: Tensor

    def score(self, basis: Units | Bumps, z: Tensor) -> Tensor:
        """−z + ∇g (n, d)."""
        with one_torch_thread():
            return torch.cat([basis.slope(p, self.a) - p - self.shift - p @ self.matrix for p in pieces(basis, z)])

    def log_density(self, basis: Units | Bumps, z: Tensor) -> Tensor:
        """−½|z|² + g (n,): the logarithm of the density up to a constant."""
        with one_torch_thread():
            return torch.cat([self._log_density(basis, p) for p in pieces(basis, z)])

    def _log_density(self, basis: Units | Bumps, z: Tensor) -> Tensor:
        curved = 0.5 * (z * (z + z @ self.matrix)).sum(1)
        return basis.values(z) @ self.a - z @ self.shift - curved


class Found(NamedTuple):
    """The result of `matched`: the fit and what held-out particles say of it.

    `held` is their loss, less that of the Gaussian score. `gap` is how far it is above the loss on all particles: an
    estimate of the part of E|s − s*|² that is due to chance.
    """

    fit: Fit
    held: float
    gap: float


def matched(
    basis: Units | Bumps, z: Tensor, weights: Tensor, fold: Tensor, tests: Sequence[int], penalty: float
) -> Found:
    """Fit the score of standardised points by implicit score matching.

    Parameters
    ----------
    basis : Units or Bumps
        The M fields.
    z : Tensor
        Standardised points (n, d), float64.
    weights : Tensor
        Their weights (n,); sum 1.
    fold : Tensor
        The part 0 … `FOLDS` − 1 of each point (n,).
    tests : sequence of int
        The parts that are held out in turn.
    penalty : float
        κ.

    Returns
    -------
    Found
        The fit to all points.
    """
    with one_torch_thread():
        shifts, matrices = _straight(basis, z, weights)
        sums = [_sums(basis, z[fold == k], weights[fold == k], shifts, matrices) for k in range(FOLDS)]
        G, b, R, mass = (torch.stack([part[k] for part in sums]) for k in range(4))

        def best(parts: list[int]) -> Tensor:
            return solved(G[parts].sum(0) + penalty * R[parts].sum(0), b[parts].sum(0))

        def loss(a: Tensor, parts: list[int]) -> float:
            total = 0.5 * a @ (G[parts].sum(0) @ a) + b[parts].sum(0) @ a
            return float(total / mass[parts].sum().clamp_min(1e-300))

        every = list(range(FOLDS))
        a = best(every)
        held = math.fsum(loss(best([k for k in every if k != test]), [test]) for test in tests) / len(tests)
        fit = Fit(a, torch.einsum("m,dm->d", a, shifts), torch.einsum("m,dem->de", a, matrices))
        return Found(fit, held, max(0.0, held - loss(a, every)))


def _straight(basis: Units | Bumps, z: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """E[∇φ] (d, M) and the symmetric part of E[∇φ zᵀ] (d, d, M)."""
    d = z.shape[1]
    shifts, slopes = z.new_zeros(d, basis.width), z.new_zeros(d, d, basis.width)
    start = 0
    for piece in pieces(basis, z):
        fields = basis.fields(piece)[0] * weights[start : start + len(piece), None, None]
        shifts += fields.sum(0)
        slopes += torch.einsum("ne,ndm->dem", piece, fields)
        start += len(piece)
    return shifts, 0.5 * (slopes + slopes.transpose(0, 1))


def _sums(
    basis: Units | Bumps, z: Tensor, weights: Tensor, shifts: Tensor, matrices: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums over points: of ∇φ·∇φ (M, M), ℒφ (M,), ℒφ ℒφᵀ (M, M) and weights. Straight parts are taken out."""
    d, count, start = z.shape[1], basis.width, 0
    G, b, R = z.new_zeros(count, count), z.new_zeros(count), z.new_zeros(count, count)
    traces = torch.einsum("ddm->m", matrices)
    for piece in pieces(basis, z):
        w = weights[start : start + len(piece)]
        start += len(piece)
        fields, laplacians = basis.fields(piece)
        fields = fields - shifts - torch.tensordot(piece, matrices, 1)
        generator = laplacians - traces - (piece[:, :, None] * fields).sum(1)
        root = w.sqrt()
        rows = (fields * root[:, None, None]).reshape(len(piece) * d, count)
        G += rows.T @ rows
        b += w @ generator
        generator = generator * root[:, None]
        R += generator.T @ generator
    return G, b, R, weights.sum()


def misfit(z: Tensor, score: Tensor, weights: Tensor) -> float:
    """Estimate what a better score would add: E|s − s*|² as far as some functions f of the points see it.

    Stein's identity is E[s f + ∇f] = 0 for every f where s is the score of the points. The estimate is the squared
    length of the projection of s − s* on the span of zᵢ/q, zᵢzⱼ/q, sin 2zᵢ and cos 2zᵢ with q = 1 + |z|²/(d + 2), less
    what chance makes of it.

    Parameters
    ----------
    z, score : Tensor
        Standardised points and the score there (n, d).
    weights : Tensor
        Weights (n,); sum 1.

    Returns
    -------
    float
        The estimate, 0 or more.

    Notes
    -----
    In more than 16 dimensions the products are squares alone.
    """
    d = z.shape[1]
    pairs = [(i, j) for i in range(d) for j in (range(i, d) if d <= _PRODUCTS else (i,))]
    one, two = (torch.tensor([pair[k] for pair in pairs], device=z.device) for k in range(2))
    unit = torch.eye(d, dtype=z.dtype, device=z.device)
    with one_torch_thread():
        q = 1.0 + z.square().sum(1, keepdim=True) / (d + 2)
        values = torch.cat([z, z[:, one] * z[:, two]], 1) / q
        up, side = torch.sin(2.0 * z), torch.cos(2.0 * z)
        every = torch.cat([values, up, side], 1)
        inverse = torch.linalg.pinv((every * weights[:, None]).T @ every, rtol=1e-3, hermitian=True)
        found = 0.0
        for j in range(d):
            plain = torch.cat([unit[j].expand_as(z), unit[j][one] * z[:, two] + unit[j][two] * z[:, one]], 1)
            slope = (plain - values * (2.0 / (d + 2)) * z[:, j, None]) / q
            waves = torch.cat([2.0 * side * unit[j], -2.0 * up * unit[j]], 1)
            each = score[:, j, None] * every + torch.cat([slope, waves], 1)
            mean = weights @ each
            noise = (each - mean) * weights[:, None]
            found += float(mean @ (inverse @ mean) - (inverse * (noise.T @ noise)).sum())
        return max(0.0, found)
