"""An elliptic inverse problem by the ensemble Kalman sampler: the mean of a Bayesian posterior without derivatives.

Garbuno-Iñigo, Hoffmann, Li & Stuart (2020), Interacting Langevin diffusions, SIAM J. Appl. Dyn. Syst. 19. The field p
obeys −(e^{u₁} p′)′ = 1 on (0, 1) with p(0) = 0 and p(1) = u₂, so that p(x) = u₂x + e^{−u₁}(x − x²)/2. It is measured at
x = ¼ and ¾ as 27.5 and 79.7 with noise of deviation 0.1. The prior is N(0, 10² I), and the particles start at
u₁ ~ N(0, 1), u₂ ~ U(90, 110).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show

import wgf

PAPER, PRIOR, NOISE = (-2.714, 104.346), 100.0, 0.01  # the posterior mean, and variances
PLACES, DATA = torch.tensor([0.25, 0.75], dtype=torch.float64), [27.5, 79.7]
N, LONG = (100, 5.0) if SMALL else (2000, 60.0)
STEPS = ((5e-5, 0.01), (2e-4, 0.1), (2e-3, 0.8), (0.01, LONG))  # the wide start is stiff: small steps first


def field(u):
    """The solution p of the elliptic equation at the two places, (n, 2)."""
    return u[:, 1:] * PLACES + torch.exp(-u[:, :1]) * (PLACES - PLACES**2) / 2


def quadrature(cells=200 if SMALL else 800):
    """Mean and deviations of the posterior, by a sum over a grid."""
    axes = np.linspace(-3.5, -2.0, cells), np.linspace(102.5, 106.5, cells)
    u = torch.as_tensor(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2))
    misfit = ((field(u) - torch.tensor(DATA)) ** 2).sum(1) / (2 * NOISE) + (u**2).sum(1) / (2 * PRIOR)
    density = torch.softmax(-misfit, 0)
    mean = density @ u
    return mean.numpy(), (density @ (u - mean) ** 2).sqrt().numpy(), (*axes, density.reshape(cells, cells).numpy())


def sampled(mu, steps, gradient_free):
    """The means over the second half of the run, with their standard errors, and the last ensemble."""
    # the ledger warns of a closure without gradients: one slope for all particles is the gradient of no F
    F = wgf.LeastSquares(field, DATA, NOISE) + wgf.Quadratic(1 / PRIOR) - wgf.Shannon()
    scheme, t = wgf.solvers.AffineInvariant(gradient_free=gradient_free), 0.0
    observers = {f"u{k}": lambda mu, k=k: mu.mean()[k - 1] for k in (1, 2)}
    for dt, end in steps:
        sol = wgf.solve(F, mu, scheme, dt=dt, t0=t, t_end=end, seed=3, record_every=2, observers=observers)
        mu, t = sol.ensemble, end
    late = sol.ledger["t"] > LONG / 2
    means = np.array([sol.ledger[name][late] for name in ("u1", "u2")])
    blocks = np.array_split(means, 5, axis=1)  # at full size of t = 6 each, long compared with the relaxation
    errors = np.std([block.mean(1) for block in blocks], axis=0, ddof=1) / np.sqrt(len(blocks))
    return means.mean(1), errors, mu


exact, width, (*axes, density) = quadrature()
start = torch.stack([wgf.Ensemble.gaussian(N, 1, seed=1).x[:, 0], 90 + 20 * torch.arange(N) / (N - 1)], 1)
free, free_error, cloud = sampled(wgf.Ensemble(start), STEPS, gradient_free=True)
with_gradients, gradient_error, _ = sampled(cloud, STEPS[-1:], gradient_free=False)


def told(mean, error):
    return f"({mean[0]:.4f} ± {error[0]:.4f}, {mean[1]:.4f} ± {error[1]:.4f})"


paper = f"({PAPER[0]}, {PAPER[1]})"
rows = [
    Row("posterior mean of (u₁, u₂), by quadrature", paper, f"({exact[0]:.5f}, {exact[1]:.5f})", "The same digits."),
    Row(
        f"the same by Langevin particles with gradients, n = {N}, started from the last ensemble of the next row",
        paper,
        told(with_gradients, gradient_error),
        f"Noise, and the time step. The posterior's deviations are {width[0]:.3f} and {width[1]:.3f}.",
    ),
    Row(
        f"the same by the ensemble Kalman sampler, n = {N}",
        paper,
        told(free, free_error),
        f"Off by {abs(free[0] - exact[0]) / width[0]:.2f} and {abs(free[1] - exact[1]) / width[1]:.2f} deviations of "
        "the posterior: one slope for all particles replaces the derivative of the field, which is not affine.",
    ),
]

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.contour(*axes, density.T, levels=6, colors="k", linewidths=0.7)
axis.plot(*cloud.x[:1000].T, ".", ms=2, label="ensemble Kalman sampler")
axis.plot(*PAPER, "r+", ms=12, label="mean of the paper")
axis.set(title="Posterior (lines) and particles", xlabel="u₁", ylabel="u₂", xlim=(-3.3, -2.2), ylim=(103, 105.8))
axis.legend(frameon=False)
show(__file__, "Garbuno-Iñigo, Hoffmann, Li & Stuart 2020: an elliptic inverse problem", rows, figure)
