"""Mean-field Langevin dynamics: the free energy of a network falls exponentially, at a rate that a certificate bounds.

Nitanda, Wu & Suzuki (2022), Convex analysis of the mean field Langevin dynamics, AISTATS. For a convex risk R, weight
decay and noise, F = R + ½λ∫θ²dμ − T·Shannon falls as

    F(μ_t) − F* ≤ e^{−2αTt} (F(μ_0) − F*),

where α is a log-Sobolev constant of all proximal Gibbs laws p_μ ∝ exp(−(δR/δμ + ½λθ²)/T). By Holley and Stroock
2αT ≥ 2λ e^{−osc/T}, with osc the oscillation of δR/δμ: at most 2 for the logistic loss and neurons bounded by 1. The
paper also proves, for every μ,

    T·KL(μ|μ*) ≤ F(μ) − F* ≤ T·KL(μ|p_μ).

Neurons are tanh(θz) with one weight, so that the density can be followed on a grid, and particles beside it. The
optimum μ* = p_{μ*} is found by iteration of this equation, without a flow.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show

import wgf
from wgf.diagnostics.rates import decay_rate, holley_stroock

DECAY, TEMPERATURE = 0.5, 0.5
CELLS, PARTICLES, LONG = (100, 500, 6.0) if SMALL else (400, 5000, 14.0)
rng = np.random.default_rng(0)
z = torch.linspace(-2, 2, 40, dtype=torch.float64)
labels = torch.as_tensor(np.where(rng.uniform(size=40) < 0.15, -1, 1)) * torch.sign(z)  # of 40, some are wrong
risk = wgf.NetworkRisk(
    z[:, None], labels, loss="logistic", unit=wgf.Unit(lambda z, theta: torch.tanh(theta[0] * z[0]), dim=1)
)
F = risk + wgf.Quadratic(DECAY) - TEMPERATURE * wgf.Shannon()
start = wgf.Ensemble.gaussian(20_000, 1, mean=-3.0, cov=0.1, seed=1)
box = wgf.domains.Box(-7.0, 7.0)


def proximal(mu):
    """The proximal Gibbs law p_μ on the cells."""
    marginal = risk.first_variation(mu) + 0.5 * DECAY * mu.x[:, 0] ** 2
    return torch.softmax(-marginal / TEMPERATURE, 0)


def divergence(p, q):
    """KL(p|q) of masses on the cells."""
    return float(torch.special.xlogy(p, p / q).sum())


def free_energy(mu):
    """F of masses on the cells, Shannon as Σ m log(m/width)."""
    entropy = -torch.special.xlogy(mu.weights, mu.weights * CELLS / 14.0).sum()
    return float(risk.value(mu) + 0.5 * DECAY * mu.expect(mu.x[:, 0] ** 2) - TEMPERATURE * entropy)


density = wgf.solve(
    F,
    start,
    wgf.solvers.Grid(CELLS),
    dt=0.03 if SMALL else 0.01,
    t_end=LONG,
    domain=box,
    record_every=5,
    trajectory_every=20,
)
optimum = density.frame(0)
for _ in range(200):
    optimum = wgf.Ensemble(optimum.x, weights=0.5 * optimum.weights + 0.5 * proximal(optimum))
least = free_energy(optimum)

t, gap = density.ledger["t"], density.ledger["free_energy"] - least
measured = decay_rate(t, gap, floor=1e-7)
certificate = holley_stroock(DECAY, 2.0, TEMPERATURE)
frames = [density.frame(k) for k in range(len(density.trajectory))]
marginals = [risk.first_variation(mu) for mu in frames]
seen = max(float(v.max() - v.min()) for v in marginals)
closer = holley_stroock(DECAY, seen, TEMPERATURE)
exceeded = (gap / gap[0] * np.exp(certificate.rate * t)).max()
below = [TEMPERATURE * divergence(mu.weights, optimum.weights) for mu in frames]
above = [TEMPERATURE * divergence(mu.weights, proximal(mu)) for mu in frames]
between = [free_energy(mu) - least for mu in frames]
holds = [a <= b + 1e-12 and b <= c + 1e-12 for a, b, c in zip(below, between, above, strict=True)]

particles = wgf.solve(
    F, wgf.Ensemble.gaussian(PARTICLES, 1, mean=-3.0, cov=0.1, seed=2), wgf.solvers.Langevin(), dt=0.02, t_end=LONG,
    record_every=10, seed=3, observers={"risk": risk.value},
)  # fmt: skip
late = particles.ledger["t"] > 0.7 * LONG
rows = [
    Row(
        "rate at which F − F* falls",
        f"at least {certificate.rate:.5f}, the certificate for every law of the neurons",
        f"{measured.rate:.3f}",
        f"The certificate takes the worst law. With the oscillation of δR/δμ on this run, {seen:.2f}, it is "
        f"{closer.rate:.3f}.",
    ),
    Row(
        "largest (F − F*) e^{rate·t} over its start, for the certified rate",
        "1",
        f"{exceeded:.4f}",
        "It is 1 at the start and falls. F* is that of the self-consistent law.",
    ),
    Row(
        "T·KL(μ|μ*) ≤ F(μ) − F* ≤ T·KL(μ|p_μ), along the flow",
        "for every μ",
        f"at {sum(holds)} of {len(holds)} times",
        f"At the end of the run {below[-1]:.2e}, {between[-1]:.2e} and {above[-1]:.2e}.",
    ),
    Row(
        f"risk at the end, of n = {PARTICLES} noisy particles",
        f"reference {float(risk.value(optimum)):.4f}",
        f"{particles.ledger['risk'][late].mean():.4f}",
        "Noise of n particles, and the time step.",
    ),
]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
shown = gap > 1e-9
left.semilogy(t[shown], gap[shown], label="F − F*")
left.semilogy(density.trajectory_times, below, "v", ms=4, label="T·KL(μ|μ*)")
left.semilogy(density.trajectory_times, above, "^", ms=4, label="T·KL(μ|p_μ)")
left.semilogy(t, gap[0] * np.exp(-certificate.rate * t), "k:", label="certified")
left.set(title="The free energy falls", xlabel="flow time t", ylim=(1e-9, None))
left.legend(frameon=False)
width = 14.0 / CELLS
right.plot(optimum.x[:, 0], optimum.weights / width, "k", label="self-consistent law")
right.hist(particles.ensemble.x[:, 0].numpy(), 60, density=True, alpha=0.4, label=f"{PARTICLES} particles")
right.set(title="Neurons at the end", xlabel="θ")
right.legend(frameon=False)
show(__file__, "Nitanda, Wu & Suzuki 2022: mean-field Langevin dynamics", rows, figure)
