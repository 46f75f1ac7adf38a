"""Langevin dynamics with birth and death: the rate of convergence does not feel the barrier between two wells.

Lu, Lu & Nolen (2019), Accelerating Langevin sampling with birth-death, arXiv:1905.09863. For a target π = e^{−V}
the law follows

    ∂ρ/∂t = ∇·(∇ρ + ρ∇V) − ρ (log(ρ/π) − ∫ρ log(ρ/π)).

Langevin dynamics alone has the rate of its spectral gap, which is exponentially small in the barrier. With birth and
death KL(ρ_t|π) falls, after a time that depends on the start, at a rate as near to 2 as one likes.

V has two wells and a barrier of 6, and 2 % of the particles start in the right one. The reference is a density on
cells, in numpy: the exact exponential of the generator, and the exact solution of birth and death, ρ ∝ ρ^a π^{1−a}.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show
from scipy.linalg import expm

import wgf
from wgf.diagnostics.rates import decay_rate

BARRIER, WELL, SHARE = 6.0, 1.5, 0.02
N, LONG, RUNS = (300, 3.0, 1) if SMALL else (2000, 8.0, 3)

# the reference
CELLS, STEP = 300, 0.01
x = np.linspace(-3, 3, CELLS)
V = BARRIER * ((x / WELL) ** 2 - 1) ** 2
pi = np.exp(-V) / np.exp(-V).sum()
width = 0.3
first = (1 - SHARE) * np.exp(-((x + WELL) ** 2) / 2 / width**2) + SHARE * np.exp(-((x - WELL) ** 2) / 2 / width**2)
first = first / first.sum()
forward = np.exp(-np.diff(V) / 2) / (x[1] - x[0]) ** 2  # rates of jumps to the right, in balance with π
backward = np.exp(np.diff(V) / 2) / (x[1] - x[0]) ** 2
generator = np.diag(backward, 1) + np.diag(forward, -1)
generator -= np.diag(generator.sum(0))
symmetric = generator * np.sqrt(pi[None, :] / pi[:, None])
slowest = -np.sort(np.linalg.eigvalsh((symmetric + symmetric.T) / 2))[-2]


def reference(birth_death):
    """The densities at the times k·STEP."""
    half, rho, kept = expm(STEP / 2 * generator), first, [first]
    a = np.exp(-STEP)
    for _ in range(round(LONG / STEP)):
        rho = half @ rho
        if birth_death:
            rho = rho**a * pi ** (1 - a)
            rho = rho / rho.sum()
        rho = half @ rho
        kept.append(rho)
    return np.array(kept)


def divergence(rho):
    return np.sum(rho * np.log(np.maximum(rho, 1e-300) / pi), axis=-1)


t = STEP * np.arange(round(LONG / STEP) + 1)
densities = {name: reference(name == "birth–death") for name in ("Langevin", "birth–death")}
gaps = {name: divergence(rho) for name, rho in densities.items()}
shares = {name: rho[:, x > 0].sum(1) for name, rho in densities.items()}

# particles
F = wgf.DoubleWell(BARRIER, WELL) - wgf.Shannon()
schemes = {
    "Langevin": wgf.solvers.Langevin(),
    "birth–death": wgf.solvers.BirthDeath(bandwidth=0.08),
}


def right(mu):
    return mu.expect((mu.x[:, 0] > 0).double())


def run(name, seed):
    """The share of the right well by time."""
    centres = torch.where(torch.arange(N) < SHARE * N, WELL, -WELL)[:, None]
    mu = wgf.Ensemble(centres + width * wgf.Ensemble.gaussian(N, 1, seed=seed).x)
    return wgf.solve(
        F, mu, schemes[name], dt=STEP, t_end=LONG, seed=seed, record_every=10, observers={"right": right}
    ).ledger


runs = {name: [run(name, seed) for seed in range(RUNS)] for name in schemes}
late = (LONG / 2, LONG)
rates = {name: decay_rate(t, gap, span=late).rate for name, gap in gaps.items()}
balance = pi[x > 0].sum()
far = [float(divergence(expm(time * generator) @ first)) for time in (200, 300)]  # where KL is quadratic in ρ − π


def waits(t, share):
    """The first time at which 45 % of the mass are in the right well."""
    there = share >= 0.45 * balance / 0.5
    return f"{t[there.argmax()]:.1f}" if there.any() else f"not by t = {t[-1]:g}"


def mean_share(name):
    return np.mean([ledger["right"] for ledger in runs[name]], axis=0)


rows = [
    Row(
        "Langevin alone: late rate of KL(ρ|π)",
        f"twice the spectral gap; here {2 * slowest:.5f}",
        f"{np.log(far[0] / far[1]) / 100:.5f} (density, t = 200 to 300)",
        "Both are of the same discrete generator.",
    ),
    Row(
        "with birth and death: late rate of KL(ρ|π)",
        "2 − δ for every δ > 0, whatever the barrier",
        f"{rates['birth–death']:.3f} (density)",
        f"Fitted from t = {late[0]:g} to {late[1]:g}.",
    ),
    *(
        Row(
            f"{name}: time until 45 % are in the right well, n = {N}",
            f"reference {waits(t, shares[name])} (density)",
            waits(runs[name][0]["t"], mean_share(name)),
            f"Noise of n particles, and a density by kernels. Mean of {RUNS} runs.",
        )
        for name in schemes
    ),
]

figure, (left, right_axis) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for colour, name in zip(("C0", "C1"), schemes, strict=True):
    left.semilogy(t, gaps[name], color=colour, label=name)
    right_axis.plot(t, shares[name], color=colour, label=f"{name}, density")
    for ledger in runs[name]:
        right_axis.plot(ledger["t"], ledger["right"], ".", color=colour, ms=3)
left.semilogy(t, gaps["birth–death"][-1] * np.exp(-2 * (t - t[-1])), "k:", label="e^{−2t}")
left.set(title="KL(ρ|π) of the density", xlabel="flow time t", ylim=(gaps["birth–death"][-1] / 3, 10))
left.legend(frameon=False)
right_axis.set(title="Mass in the right well (dots: particles)", xlabel="flow time t")
right_axis.legend(frameon=False)
show(__file__, "Lu, Lu & Nolen 2019: Langevin dynamics with birth and death", rows, figure)
