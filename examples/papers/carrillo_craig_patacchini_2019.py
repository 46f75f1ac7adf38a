"""Diffusion by blobs: the order of convergence of the heat equation and of porous media, as the particles become many.

Carrillo, Craig & Patacchini (2019), A blob method for diffusion, Calc. Var. 58. Particles start on a grid of spacing h
with masses of the initial density, and follow the flow of the entropy of μ smoothed by a Gaussian of width ε = h^0.95.
For the heat equation (m = 1) the start is the heat kernel at t₀, for porous media, ρ_t = Δρ^m, the profile of
Barenblatt at t₀. The error is that of the smoothed particles at the end against the exact density.

The paper shows the errors as lines in figures. The reference here is what smoothing alone costs: ε² where the density
is smooth, and at a front, where it is as s^{1/(m−1)} in the distance s, ε^{1/(m−1)} in L∞ and ε times that in L¹.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show
from scipy.special import gamma
from scipy.stats import norm

import wgf

POWER = 0.95  # ε = h^POWER
SIZES = (25, 50, 100) if SMALL else (50, 100, 200, 400, 800)
START, LONG = 0.05, 0.05  # the time t₀ of the start, and how long the flow is followed


def exact(m, t, x):
    """The density of mass 1 that starts in one point at t = 0."""
    if m == 1:
        return norm.pdf(x, scale=np.sqrt(2 * t))
    power = 1 / (m + 1)
    k = power * (m - 1) / (2 * m)
    beta = gamma(1 / (m - 1) + 1) * np.sqrt(np.pi / k) / gamma(1 / (m - 1) + 1.5)  # ∫(1 − kx²)₊^{1/(m−1)}
    c = beta ** (-2 * (m - 1) / (m + 1))
    return t**-power * np.maximum(c - k * x**2 * t ** (-2 * power), 0) ** (1 / (m - 1))


def entropy(m, width):
    """The entropy whose flow is ρ_t = Δρ^m; of the paper's F = ∫ρ^m/(m − 1) the minus sign is in F = −S."""
    return wgf.Blob(width) if m == 1 else wgf.Power(m, width)


def error(m, n):
    """Spacing, and the errors in L¹ and in L∞ at the end, of n particles."""
    edge = 1.5 if m == 1 else 1.0
    x = (np.arange(n) + 0.5) / n * 2 * edge - edge
    h, mass = 2 * edge / n, exact(m, START, x)
    x, mass = x[mass > 1e-12], mass[mass > 1e-12]
    mu = wgf.Ensemble(torch.as_tensor(x[:, None]), weights=torch.as_tensor(mass / mass.sum()))
    width = h**POWER
    scheme = wgf.solvers.BogackiShampine(rtol=1e-6, atol=1e-8)
    sol = wgf.solve(-entropy(m, width), mu, scheme, dt=1e-5, t_end=LONG)
    fine = np.linspace(-2, 2, 4001)
    found = norm.pdf(fine[:, None], sol.ensemble.x[:, 0].numpy(), width) @ sol.ensemble.weights.numpy()
    away = np.abs(found - exact(m, START + LONG, fine))
    return h, away.sum() * (fine[1] - fine[0]), away.max()


def order(errors):
    """The slope of the logarithms."""
    h, first, largest = np.log(errors).T
    return np.polyfit(h, first, 1)[0], np.polyfit(h, largest, 1)[0]


rows, errors = [], {m: np.array([error(m, n) for n in SIZES]) for m in (1, 2, 3)}
expected = {m: (POWER * min(2, 1 + 1 / (m - 1)), POWER * min(2, 1 / (m - 1))) for m in (2, 3)} | {1: (2 * POWER,) * 2}
for m, found in errors.items():
    name = "heat equation" if m == 1 else f"porous medium, m = {m}"
    first, largest = order(found)
    rows.append(
        Row(
            f"{name}: orders in h of the errors in L¹ and L∞",
            "reference: {:.2f} and {:.2f}".format(*expected[m]),
            f"{first:.2f} and {largest:.2f}",
            f"Fitted from h = {found[0, 0]:.3f} to {found[-1, 0]:.4f}. "
            + ("Smooth: the order of ε²." if m == 1 else "The kink of the profile at its front limits the order."),
        )
    )

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained", sharex=True)
for axis, column, norm_name in zip(axes, (1, 2), ("L¹", "L∞"), strict=True):
    for k, m in enumerate(errors):
        h = errors[m][:, 0]
        axis.loglog(h, errors[m][:, column], "o", color=f"C{k}", label=f"m = {m}")
        axis.loglog(h, errors[m][0, column] * (h / h[0]) ** expected[m][column - 1], ":", color=f"C{k}")
    axis.set(title=f"Error in {norm_name}, and the reference's order (lines)", xlabel="spacing h")
    axis.xaxis.set_minor_formatter("")
    axis.legend(frameon=False)
show(__file__, "Carrillo, Craig & Patacchini 2019: diffusion by blobs", rows, figure)
