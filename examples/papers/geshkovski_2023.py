"""Tokens of self-attention in a high dimension: all pairs have one angle, and it follows an equation of its own.

Geshkovski, Letrouit, Polyanskiy & Rigollet (2023), A mathematical perspective on transformers, arXiv:2312.10794. Tokens
on the sphere follow ẋᵢ = P(1/n Σⱼ e^{β xᵢ·xⱼ} xⱼ), P the projection on the tangent space. When they start orthogonal to
each other, which random tokens in a high dimension almost do, all inner products are one number γ(t):

    γ̇ = (2/n) e^{βγ} (1 − γ)(1 + (n − 1)γ),    γ(0) = 0,

and all tokens meet, for every β. In time it is solved here by scipy. The paper also proves that two tokens, and tokens
in any dimension at β ≤ 1, meet exponentially fast: 1 − γ falls at the rate 2 e^β. `examples/attention.py` has tokens in
three dimensions, and their clusters.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show
from scipy.integrate import solve_ivp

import wgf
from wgf.diagnostics.rates import decay_rate

N, SEEDS = (8, 2) if SMALL else (32, 5)
DIMENSIONS, BETAS = ((32, 128), (1.0,)) if SMALL else ((32, 128, 512, 2048), (1.0, 4.0))
sphere = wgf.domains.Sphere()


def angle(beta, t):
    """γ at the times t, by scipy."""

    def velocity(_, g):
        return 2 / N * np.exp(beta * g) * (1 - g) * (1 + (N - 1) * g)

    return solve_ivp(velocity, (0, t[-1]), [0.0], t_eval=t, rtol=1e-10, atol=1e-12).y[0]


def time_of(beta):
    """The time at which γ = ½."""
    t = np.linspace(0, 0.5 * N, 4001)
    return float(np.interp(0.5, angle(beta, t), t))


def product(mu):
    """The mean inner product of pairs of tokens."""
    return (N * mu.mean().square().sum() - 1) / (N - 1)


def run(mu, beta, t_end):
    """Tokens from μ. The kernel is e^{−β|x − y|²/2} = e^{β(x·y − 1)} on the sphere, and the factor e^β is put back."""
    F = -(np.exp(beta) / beta) * wgf.Interaction(wgf.kernels.Gaussian(beta**-0.5))
    scheme = wgf.solvers.BogackiShampine(rtol=1e-6, atol=1e-8)
    return wgf.solve(F, mu, scheme, dt=1e-3, t_end=t_end, domain=sphere, record_every=1, observers={"γ": product})


def deviation(ledger, beta):
    """The largest |γ − exact| over the records."""
    return np.abs(ledger["γ"] - angle(beta, ledger["t"])).max()


def delay(dim, beta):
    """How much the time at which γ = ½ is off, relative to the exact one: the root mean square over random starts."""
    half, off = time_of(beta), []
    for seed in range(SEEDS):
        ledger = run(sphere.uniform(N, dim, seed), beta, 2 * half).ledger
        off.append(np.interp(0.5, ledger["γ"], ledger["t"]) / half - 1)
    return float(np.square(off).mean() ** 0.5)


rows, curves, away = [], {}, {}
for beta in BETAS:
    curves[beta] = run(wgf.Ensemble(torch.eye(N, dtype=torch.float64)), beta, 2 * time_of(beta)).ledger
    away[beta] = [delay(dim, beta) for dim in DIMENSIONS]
    rows += [
        Row(
            f"β = {beta:g}: largest deviation of γ(t) from its equation, n = {N} orthogonal tokens",
            "0",
            f"{deviation(curves[beta], beta):.0e}",
            "Tolerances of both integrators.",
        ),
        Row(
            f"β = {beta:g}: the time at γ = ½ of random tokens, relative to the exact one, d = {DIMENSIONS[0]} and "
            f"{DIMENSIONS[-1]}",
            "the difference goes to 0 as d grows",
            f"off by {away[beta][0]:.3f} and {away[beta][-1]:.3f}",
            f"Random tokens are orthogonal up to 1/√d. Root mean squares over {SEEDS} starts.",
        ),
    ]

pair = wgf.Ensemble([[1.0, 0.0], [-0.6, 0.8]])
F = -wgf.Interaction(wgf.kernels.Gaussian(1.0)) * np.e  # β = 1
two = wgf.solve(
    F, pair, wgf.solvers.RungeKutta4(), dt=0.01, t_end=4.5, domain=sphere, record_every=5,
    observers={"gap": lambda mu: 1 - mu.x[0] @ mu.x[1]},
).ledger  # fmt: skip
rate = decay_rate(two["t"], two["gap"], span=(3.5, 4.5)).rate
rows.append(
    Row(
        "two tokens, β = 1: rate at which 1 − γ falls",
        f"2e^β = {2 * np.e:.4f}",
        f"{rate:.4f}",
        "Fitted late, not at ∞.",
    )
)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for beta, ledger in curves.items():
    (line,) = left.plot(ledger["t"] / ledger["t"][-1], ledger["γ"], "o", ms=3)
    left.plot(ledger["t"] / ledger["t"][-1], angle(beta, ledger["t"]), color=line.get_color(), label=f"β = {beta:g}")
    right.loglog(DIMENSIONS, away[beta], "o-", label=f"β = {beta:g}")
left.set(title=f"γ of {N} tokens (dots) and its equation", xlabel="t, in units of twice the time at γ = ½")
right.loglog(DIMENSIONS, [away[BETAS[0]][0] * (d / DIMENSIONS[0]) ** -0.5 for d in DIMENSIONS], "k:", label="d^{−1/2}")
right.set(title="Error of the time at γ = ½, random tokens", xlabel="dimension d")
left.legend(frameon=False)
right.legend(frameon=False)
show(__file__, "Geshkovski, Letrouit, Polyanskiy & Rigollet 2023: tokens of self-attention", rows, figure)
