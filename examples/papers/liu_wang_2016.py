"""Stein variational gradient descent on a mixture of two Gaussians: from far away it finds both, in the right shares.

Liu & Wang (2016), Stein variational gradient descent, NeurIPS 29, section 5. The target is ⅓ N(−2, 1) + ⅔ N(2, 1), the
particles start at N(−10, 1). The paper draws n = 100 particles at some iterations, and the mean squared errors of the
means of x, x² and cos(ωx + b), ω ~ N(0, 1) and b uniform, over n. Curves of the paper have no numbers; the exact values
of the target are the reference.
"""

import matplotlib.pyplot as plt
import numpy as np
from comparison import SMALL, Row, show
from scipy.stats import norm

import wgf

target = wgf.GaussianMixture([-2.0, 2.0], weights=[1 / 3, 2 / 3])
SIZES, SEEDS, LONG = ((10, 40), 2, 200.0) if SMALL else ((10, 20, 40, 100, 250), 10, 1500.0)
rng = np.random.default_rng(0)
OMEGA, PHASE = rng.normal(size=20), rng.uniform(0, 2 * np.pi, size=20)
parts = ((1 / 3, -2.0), (2 / 3, 2.0))
EXACT = {
    "x": 2 / 3,
    "x²": 5.0,
    "cos": sum(p * np.exp(-(OMEGA**2) / 2) * np.cos(OMEGA * m + PHASE) for p, m in parts),
    "left": sum(p * norm.cdf(-m) for p, m in parts),
}


def means(x):
    """The means over particles of x, x², cos(ωx + b), and the share of particles left of 0."""
    return {
        "x": x.mean(),
        "x²": (x**2).mean(),
        "cos": np.cos(np.outer(x, OMEGA) + PHASE).mean(0),
        "left": (x < 0).mean(),
    }


def stein(n, seed, **settings):
    """The run of n particles from N(−10, 1)."""
    start = wgf.Ensemble.gaussian(n, 1, mean=-10.0, seed=seed)
    return wgf.solve(target - wgf.Shannon(), start, wgf.solvers.Stein(), dt=0.5, t_end=LONG, record_every=4, **settings)


def drawn(n, seed):
    """n independent draws of the target."""
    x = wgf.Ensemble.gaussian(n, 1, seed=1000 + seed).x[:, 0].numpy()
    return x + np.where(np.random.default_rng(seed).uniform(size=n) < 1 / 3, -2.0, 2.0)


def squared_errors(samples):
    """The mean squared error of each function over several ensembles."""
    found = [means(x) for x in samples]
    return {name: np.mean([(one[name] - EXACT[name]) ** 2 for one in found]) for name in ("x", "x²", "cos")}


ours = {n: squared_errors([stein(n, seed).ensemble.x[:, 0].numpy() for seed in range(SEEDS)]) for n in SIZES}
# many draws for the errors of independent samples: they cost nothing
monte_carlo = {n: squared_errors([drawn(n, seed) for seed in range(200)]) for n in SIZES}
picture = stein(100, seed=0, trajectory_every=4)
last, n = means(picture.ensemble.x[:, 0].numpy()), SIZES[-1]
slope = np.polyfit(np.log(SIZES), [np.log(monte_carlo[k]["x"]) for k in SIZES], 1)[0]

rows = [
    Row(
        "share of the particles on the left, n = 100",
        f"both modes found (figure 1); exact {EXACT['left']:.4f}",
        f"{last['left']:.2f}",
        "Shares of 100 particles are multiples of 0.01.",
    ),
    Row(
        "means of x and x², n = 100",
        "reference: 0.6667 and 5",
        f"{last['x']:.4f} and {last['x²']:.4f}",
        f"The fixed point of few particles, and a run that ends at t = {LONG:g}.",
    ),
    Row(
        f"mean squared error of the mean of x, n = {n}, over that of independent draws",
        "far below 1 (figure 2)",
        f"{ours[n]['x'] / monte_carlo[n]['x']:.1e}",
        "The paper shows curves. Steps are constant here, by AdaGrad there.",
    ),
    Row(
        f"the same for x² and for cos(ωx + b), n = {n}",
        "below 1 (figure 2)",
        f"{ours[n]['x²'] / monte_carlo[n]['x²']:.1e} and {ours[n]['cos'] / monte_carlo[n]['cos']:.1e}",
        f"As above. Independent draws have the slope {slope:.2f} in n, exact −1.",
    ),
]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
x = np.linspace(-13, 6, 400)
left.plot(x, sum(p * norm.pdf(x, m) for p, m in parts), "k--", label="target")
for k in (0, 2, 10, 50, len(picture.trajectory) - 1):
    frame = picture.frame(k)
    cloud = frame.x[:, 0].numpy()
    left.plot(x, norm.pdf(x[:, None], cloud, 0.3).mean(1), label=f"t = {picture.trajectory_times[k]:g}")
left.set(title="100 particles, smoothed", xlabel="x")
left.legend(frameon=False)
for name, colour in (("x", "C0"), ("x²", "C1"), ("cos", "C2")):
    right.loglog(SIZES, [ours[k][name] for k in SIZES], f"{colour}o-", label=f"{name}, particles")
    right.loglog(SIZES, [monte_carlo[k][name] for k in SIZES], f"{colour}:", label=f"{name}, independent draws")
right.set(title="Mean squared errors", xlabel="n")
right.legend(frameon=False, fontsize="small")
show(__file__, "Liu & Wang 2016: Stein variational gradient descent on a mixture", rows, figure)
