"""Diffusion without noise: the score of the particles is learnt, and moves them along smooth paths.

Langevin particles realise the Shannon entropy by noise. `Score` gives it a force instead, −T ∇log ρ, with ∇log ρ
learnt from the particles. On Ornstein–Uhlenbeck in 2 and 10 dimensions covariance, entropy and dissipation are compared
with the exact ones. On a banana 500 particles with a learnt score are compared with 10000 Langevin particles, and the
entropy at rest with its exact value, which is that of a Gaussian: the banana keeps volumes.

A network that is too small fails. The ledger says so by the estimated error of the score, and a warning by words.
"""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
from wgf.solvers import Heun, Langevin

import wgf

k, T = 1.0, 0.5
for d in (2, 10):
    start = wgf.Ensemble.gaussian(1000, d, mean=1.0, cov=np.diag(np.linspace(0.2, 2.0, d)), seed=1)
    sol = wgf.solve(wgf.Quadratic(k) - T * wgf.Score(), start, Heun(), dt=0.05, t_end=1.0)
    fall, one = math.exp(-2 * k), torch.eye(d, dtype=torch.float64)
    exact = T / k * one + fall * (start.covariance() - T / k * one)
    entropy = 0.5 * (d * math.log(2 * math.pi * math.e) + float(torch.linalg.slogdet(exact)[1]))
    spread = float(k**2 * exact.trace() - 2 * k * T * d + T**2 * torch.linalg.inv(exact).trace())
    dissipation = fall * k**2 * float(start.mean().square().sum()) + spread
    off = float((sol.ensemble.covariance() - exact).norm() / exact.norm())
    print(f"Ornstein–Uhlenbeck, d = {d:2d}: covariance off by {100 * off:.2f} %, "
          f"entropy {sol.ledger['entropy'][-1]:.4f} (exact {entropy:.4f}), "
          f"dissipation {sol.ledger['dissipation'][-1]:.4f} (exact {dissipation:.4f})")  # fmt: skip

bend, rest = 0.5, math.log(2 * math.pi * math.e)
V, start = wgf.Banana(bend), wgf.Ensemble.gaussian(500, 2, seed=0)
many = wgf.Ensemble.gaussian(10_000, 2, seed=3)


def moments(mu):
    """The variance of x₂, and E[x₁²x₂], which is 2b at rest and 0 without a bend."""
    return float(mu.covariance()[1, 1]), float(mu.expect(mu.x[:, 0].square() * mu.x[:, 1]))


def bent(mu):
    return moments(mu)[1]


watched = {"bent": bent}
noisy = wgf.solve(V - wgf.Shannon(), many, Langevin(), dt=0.02, t_end=3.0, record_every=25, observers=watched)
runs = {"learnt score": wgf.Score(), "too small": wgf.Score(width=3)}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
axes[0].scatter(*noisy.ensemble.x[:2000].T, s=2, color="0.8", label="Langevin")
axes[1].plot(noisy.ledger["t"], noisy.ledger["bent"], color="0.5", label="Langevin")
print(f"Langevin, 10000 particles: variance of x₂ {moments(noisy.ensemble)[0]:.3f} (exact {1 + 2 * bend**2}), "
      f"E[x₁²x₂] {bent(noisy.ensemble):.3f} (exact {2 * bend})")  # fmt: skip
for (name, entropy), color in zip(runs.items(), ("C0", "C3"), strict=True):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sol = wgf.solve(V - entropy, start, Heun(), dt=0.05, t_end=3.0, record_every=6, observers=watched)
    variance, bending = moments(sol.ensemble)
    print(f"{name}: variance of x₂ {variance:.3f}, E[x₁²x₂] {bending:.3f}, entropy {sol.ledger['entropy'][-1]:.3f} "
          f"(exact {rest:.3f}), error of the score {sol.ledger['sums_error:Score'][-1]:.2f}")  # fmt: skip
    print(*(f"  warned: {warning.message}" for warning in told), sep="\n")
    axes[1].plot(sol.ledger["t"], sol.ledger["bent"], color=color, label=name)
    axes[2].plot(sol.ledger["t"], sol.ledger["sums_error:Score"], color=color, label=name)
    if name == "learnt score":
        axes[0].scatter(*sol.ensemble.x.T, s=5, color=color, label=name)
axes[0].set(title="Particles at t = 3", xlabel="x₁", ylabel="x₂")
axes[1].set(title="E[x₁²x₂]", xlabel="t")
axes[2].set(title="Estimated error of the score", xlabel="t")
for axis in axes:
    axis.legend()
plt.show()
