"""Two isotropic Gaussians and neurons with a ramp: the optimum in closed form, and training against the radial flow.

Mei, Montanari & Nguyen (2018), A mean field view of the landscape of two-layer neural networks, PNAS 115. The labels
y = ±1 are equally likely, and x ~ N(0, (1 ± Δ)² I) in dimension d. A neuron is σ(w·x), where σ is −2.5 below ½, 7.5
above 3/2 and linear between. The risk is R = E (y − mean of σ(w·x))².

In dimension ∞ only the radius r = |w| counts, and for Δ = 0.4 the optimum is one radius. In dimension d the law of a
flow that starts isotropic stays isotropic, so that the radii follow a flow of their own. It is solved here by scipy,
without this library, and compared with N = 800 neurons in d = 40, trained by minibatches at Δ = 0.8.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from comparison import SMALL, Row, show
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize_scalar
from scipy.stats import chi

import wgf

PAPER, RISK = 1.6259, 0.02557  # the radius of the optimum at Δ = 0.4, and its risk
DIM, NEURONS, DELTA, START = 40, 800, 0.8, 0.8  # weights start as N(0, START²/d I)
POOL, BATCH, LONG = (1000, 100, 1.0) if SMALL else (50_000, 500, 30.0)


def ramp(t):
    return -2.5 + 10 * (torch.relu(t - 0.5) - torch.relu(t - 1.5))


def mean_ramp(s):
    """E σ(sG) of a standard normal G, in torch."""
    normal = torch.distributions.Normal(0.0, 1.0)

    def above(t):
        return s * torch.exp(normal.log_prob(t / s)) - t * (1 - normal.cdf(t / s))

    return -2.5 + 10 * (above(0.5) - above(1.5))


# d = ∞: two inputs, the classes' scales 1 ± Δ, and neurons that are radii
def risk_of_one_radius(r, delta=0.4):
    f = mean_ramp(torch.tensor([(1 + delta) * r, (1 - delta) * r]))
    return float(((f - torch.tensor([1.0, -1.0])) ** 2).mean())


best = minimize_scalar(risk_of_one_radius, bounds=(0.5, 4.0), method="bounded", options={"xatol": 1e-9})
scales = wgf.NetworkRisk(
    [[1.4], [0.6]], [1.0, -1.0], unit=wgf.Unit(lambda z, r: mean_ramp(torch.abs(r[0] * z[0])), dim=1)
)
radii = wgf.Ensemble.uniform(100, 1, 0.5, 3.0, seed=1)
limit = wgf.solve(2 * scales, radii, wgf.solvers.BogackiShampine(), dt=0.01, t_end=10.0 if SMALL else 100.0)

# d = 40: the flow of radii by scipy
nodes = (np.arange(200) + 0.5) / 200
cosines, weights = np.polynomial.legendre.leggauss(400)
weights = weights * (1 - cosines**2) ** ((DIM - 3) / 2)  # the law of one coordinate of a uniform direction
grid = np.linspace(0, 60, 3000)
ramped = -2.5 + 10 * np.clip(np.outer(grid, cosines) - 0.5, 0, 1)
smooth = CubicSpline(grid, ramped @ weights / weights.sum())
lengths = np.concatenate([(1 + DELTA) * chi.ppf(nodes, DIM), (1 - DELTA) * chi.ppf(nodes, DIM)])
labels = np.repeat([1.0, -1.0], len(nodes))


def radial_residual(r):
    return smooth(np.outer(lengths, r)).mean(1) - labels


def radial_velocity(t, r):
    return -((radial_residual(r) * lengths) @ smooth(np.outer(lengths, r), 1)) / len(lengths)


times = np.linspace(0, LONG, 13)
flow = solve_ivp(
    radial_velocity, (0, LONG), START / np.sqrt(DIM) * chi.ppf(nodes, DIM), t_eval=times, rtol=1e-6, atol=1e-8
)
radial_risk = [float((radial_residual(r) ** 2).mean()) for r in flow.y.T]


# d = 40: neurons and data
def data(count, seed):
    """Equally many inputs of both classes, and their labels."""
    x = wgf.Ensemble.gaussian(count, DIM, seed=seed).x
    y = 1.0 - 2.0 * (torch.arange(count) % 2)
    return (1 + DELTA * y)[:, None] * x, y


risk = wgf.NetworkRisk(*data(POOL, 1), unit=wgf.Unit(lambda z, w: ramp(w @ z), dim=DIM), batch=BATCH)
fresh, fresh_labels = data(2000 if SMALL else 10_000, 2)


def tested(mu):
    return (risk.predict(mu, fresh) - fresh_labels).square().mean()


neurons = wgf.Ensemble.gaussian(NEURONS, DIM, cov=START**2 / DIM, seed=3)
dt = LONG / (48 if SMALL else 1200)
every = round(LONG / dt / 12)
trained = wgf.solve(
    risk, neurons, wgf.solvers.Euler(), dt=dt, t_end=LONG, record_every=every, trajectory_every=every,
    observers={"tested": tested},
)  # fmt: skip
found = np.sort(np.linalg.norm(trained.ensemble.x, axis=1))
distance = np.abs(np.quantile(found, nodes) - np.sort(flow.y[:, -1])).mean()

rows = [
    Row(
        "Δ = 0.4, d = ∞: radius and risk of the optimum, in closed form",
        f"{PAPER} and {RISK}",
        f"{best.x:.4f} and {best.fun:.5f}",
        "The same digits.",
    ),
    Row(
        "the same, reached by 100 radii from U(0.5, 3)",
        f"{PAPER} and {RISK}",
        f"{float(limit.ensemble.mean()):.4f} ± {float(limit.ensemble.covariance().sqrt()):.0e} and "
        f"{float((2 * scales).value(limit.ensemble)):.5f}",
        "± is the spread of the radii, which still goes down.",
    ),
    Row(
        f"Δ = 0.8, d = {DIM}, N = {NEURONS}: risk at t = {LONG:g}, from {radial_risk[0]:.4f}",
        f"on the curve of the radial flow; reference {radial_risk[-1]:.4f}",
        f"{trained.ledger['tested'][-1]:.4f}",
        f"N neurons in place of ∞, and {POOL} inputs in minibatches of {BATCH}, where the paper draws fresh ones. On "
        f"these inputs the risk is {2 * trained.ledger['free_energy'][-1]:.4f}.",
    ),
    Row(
        "the same: mean radius of the neurons",
        f"on the curve of the radial flow; reference {flow.y[:, -1].mean():.3f}",
        f"{found.mean():.3f}",
        f"As above. The radii's W₁ distance to those of the radial flow is {distance:.3f}.",
    ),
]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.semilogy(times, radial_risk, "k--", label="radial flow")
left.semilogy(trained.ledger["t"], trained.ledger["tested"], "o", label=f"{NEURONS} neurons, d = {DIM}")
left.set(title="Risk on fresh inputs, Δ = 0.8", xlabel="flow time t")
left.legend(frameon=False)
shown = (0, len(times) // 3, len(times) - 1)
for colour, k in zip(("C0", "C1", "C2"), shown, strict=True):
    right.hist(np.linalg.norm(trained.frame(k).x, axis=1), 40, density=True, color=colour, alpha=0.4)
    right.hist(flow.y[:, k], 20, density=True, histtype="step", color=colour, label=f"t = {times[k]:g}")
right.set(title="Radii: neurons (filled), radial flow (lines)", xlabel="|w|")
right.legend(frameon=False)
show(__file__, "Mei, Montanari & Nguyen 2018: two isotropic Gaussians", rows, figure)
