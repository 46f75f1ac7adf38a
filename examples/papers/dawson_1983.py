"""A cloud of double wells at its critical temperature: large and slow fluctuations, of a law that is not normal.

Desai & Zwanzig (1978), J. Stat. Phys. 19, and Dawson (1983), Critical dynamics and fluctuations for a mean-field model
of cooperative behavior, J. Stat. Phys. 31. Particles follow

    dxᵢ = (xᵢ − xᵢ³) dt − θ (xᵢ − m) dt + √(2T) dBᵢ,    m the mean of all.

Above T_c the mean is 0, below it is not; T_c is where θ Var₀ = T, Var₀ the variance under V + θx²/2. Dawson proves that
at T_c the mean of n particles is of order n^{−1/4}, not n^{−1/2}; that its law tends to ∝ e^{−c m⁴}, for which ⟨m⁴⟩ =
2.1884 ⟨m²⟩²; and that it changes in times of order √n.

All three are compared with the exact law of m at every n, by quadrature: the interaction is quadratic in m, so that
one auxiliary normal variable makes the particles independent (Hubbard & Stratonovich).
"""

import matplotlib.pyplot as plt
import numpy as np
from comparison import SMALL, Row, show
from scipy.optimize import brentq
from scipy.special import gamma

import wgf

THETA = 1.0
SIZES, REPLICAS, LONG = ((20, 80), 30, 40.0) if SMALL else ((50, 100, 200, 400, 800), 60, 1500.0)
SIZES, ROOT = np.array(SIZES), 0.5
X = np.linspace(-6, 6, 2401)


def weights(T, field=0.0):
    """The law of one particle in a field, on the grid X, and the logarithm of its normalisation."""
    exponent = (-(X**4 / 4 - X**2 / 2 + THETA * X**2 / 2) + field * X) / T
    law = np.exp(exponent - exponent.max())
    return law / law.sum(), exponent.max() + np.log(law.sum())


def excess(T):
    law, _ = weights(T)
    return THETA * law @ X**2 / T - 1


critical = brentq(excess, 0.2, 2.0, xtol=1e-12)
fixed = brentq(lambda m: weights(1 / 3, THETA * m)[0] @ X - m, 0.3, 1.0, xtol=1e-12)  # θ = 1, T = 1/3


def exact_moments(T, n):
    """⟨m²⟩ and ⟨m⁴⟩ of n particles: the auxiliary variable is m plus a normal number of variance T/(θn)."""
    phi = np.linspace(-2, 2, 2001)
    log = np.array([-n * THETA * p**2 / (2 * T) + n * weights(T, THETA * p)[1] for p in phi])
    law = np.exp(log - log.max())
    law, s = law / law.sum(), T / (THETA * n)
    second = law @ phi**2 - s
    return second, law @ phi**4 - 6 * second * s - 3 * s**2


def free_energy(T):
    """The columns of an ensemble are replicas: neither term couples them."""
    wells = wgf.Potential(lambda x: (x**4 / 4 - x**2 / 2).sum(1), lambda x: x**3 - x)
    return wells + wgf.Interaction(wgf.kernels.QuadraticKernel(THETA)) - T * wgf.Shannon()


def series(n, T, seed):
    """The means (times, replicas) of n particles, at times 0.5 apart, after a while."""
    kept = []

    def spread(mu):
        kept.append(mu.mean().numpy())
        return (kept[-1] ** 2).mean()

    wgf.solve(
        free_energy(T), wgf.Ensemble.gaussian(n, REPLICAS, cov=T, seed=seed), wgf.solvers.LeimkuhlerMatthews(),
        dt=0.05, t_end=LONG, seed=seed, record_every=10, observers={"m2": spread},
    )  # fmt: skip
    return np.array(kept[len(kept) // 10 :])


def relaxation(m):
    """The time in which the correlation of m with itself falls to 1/e."""
    lags = np.arange(0, len(m) // 4)
    correlation = np.array([(m[: len(m) - lag] * m[lag:]).mean() for lag in lags])
    return 0.5 * float(np.interp(-np.exp(-1), -correlation / correlation[0], lags))


means = {n: series(n, critical, seed=n) for n in SIZES}
second = np.array([(m**2).mean() for m in means.values()])
deviation = np.array([(m**2).mean(0).std() / REPLICAS**0.5 for m in means.values()])
ratios = np.array([(m**4).mean() for m in means.values()]) / second**2
times = np.array([relaxation(m) for m in means.values()])
exact = np.array([exact_moments(critical, n) for n in SIZES])
normal_form = gamma(1.25) * gamma(0.25) / gamma(0.75) ** 2
slope, slope_exact, slope_time = (np.polyfit(np.log(SIZES), np.log(y), 1)[0] for y in (second, exact[:, 0], times))

ordered_size = 200 if SMALL else 5000
ordered = wgf.solve(
    free_energy(1 / 3), wgf.Ensemble.gaussian(ordered_size, 10, mean=1.0, seed=5),
    wgf.solvers.LeimkuhlerMatthews(), dt=0.05, t_end=20.0 if SMALL else 60.0, record_every=10,
    observers={"m": lambda mu: mu.mean().mean()},
).ledger  # fmt: skip
found = ordered["m"][len(ordered["m"]) // 4 :].mean()

rows = [
    Row(
        f"the ordered mean at T = 1/3, below T_c = {critical:.5f}",
        f"reference {fixed:.5f}, self-consistent",
        f"{found:.4f}",
        f"{ordered_size} particles in place of ∞, and noise.",
    ),
    Row(
        "at T_c: ⟨m²⟩ √n for n = " + ", ".join(map(str, SIZES)),
        "tends to a constant; exact " + ", ".join(f"{v:.3f}" for v in exact[:, 0] * np.sqrt(SIZES)),
        ", ".join(f"{v:.3f} ± {e:.3f}" for v, e in zip(second * SIZES**ROOT, deviation * SIZES**ROOT, strict=True)),
        f"The power of n is {slope:.3f}, exact {slope_exact:.3f} over these n and −0.5 in the limit.",
    ),
    Row(
        f"at T_c: ⟨m⁴⟩/⟨m²⟩², n = {SIZES[-1]}",
        f"{normal_form:.4f} in the limit; exact {exact[-1, 1] / exact[-1, 0] ** 2:.4f}",
        f"{ratios[-1]:.3f}",
        "n is finite, and so is the run. A normal law has 3.",
    ),
    Row(
        "at T_c: power of n in the time of relaxation",
        "0.5",
        f"{slope_time:.2f}",
        f"Times {times[0]:.1f} to {times[-1]:.1f}, of runs of t = {LONG:g}; corrections of order n^(−1/2).",
    ),
]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.errorbar(SIZES, second, deviation, fmt="o", label="⟨m²⟩, particles")
left.plot(SIZES, exact[:, 0], "k-", label="exact")
left.plot(SIZES, times / 1000, "s", color="C1", label="time of relaxation / 1000")
left.plot(SIZES, times[0] / 1000 * (SIZES / SIZES[0]) ** ROOT, ":", color="C1", label="√n")
left.set(title="At the critical temperature", xlabel="particles n", xscale="log", yscale="log")
left.xaxis.set_minor_formatter("")
left.legend(frameon=False)
sample = means[SIZES[-1]].ravel()
edges = np.linspace(-3, 3, 61) * second[-1] ** 0.5
right.hist(sample, edges, density=True, alpha=0.4, label=f"n = {SIZES[-1]}")
c = gamma(0.75) / gamma(0.25) / second[-1]  # ⟨m²⟩ = Γ(¾)/(Γ(¼)√c) of e^{−cm⁴}
law = np.exp(-((c * edges**2) ** 2))
right.plot(edges, law / law.sum() / (edges[1] - edges[0]), "k-", label="∝ exp(−c m⁴)")
right.plot(edges, np.exp(-(edges**2) / 2 / second[-1]) / np.sqrt(2 * np.pi * second[-1]), "k:", label="normal")
right.set(title="The law of the mean", xlabel="m")
right.legend(frameon=False)
show(__file__, "Desai & Zwanzig 1978, Dawson 1983: the critical point of double wells", rows, figure)
