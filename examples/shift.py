"""Distribution shift: a network follows data that drift, and pays for data that are swapped under it.

First the inputs of a regression move at velocity c. The risk of this network is a quadratic well for its mean, so the
answer is exact: it lags behind by |c|, and the shift does the work |c|² per time, all of it dissipated. Then digits
change in frequency, and at t = 30 their inputs are exchanged for inverted ones: the jump of the free energy is work of
that step, and the accuracy on either kind of digits changes hands.
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf
from wgf import drives

# inputs that move at velocity c
c = np.array([0.6, 0.8])
rng = np.random.default_rng(0)
z, y = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
well = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, theta: theta - z, dim=2))
moving = drives.CovariateShift(well, lambda t: c * t)
sol = wgf.solve(moving, wgf.Ensemble.gaussian(100, 2), wgf.solvers.Heun(), dt=0.1, t_end=12.0, record_every=20)
power = sol.ledger["work"][-1] / (sol.ledger["t"][-1] - sol.ledger["t"][-2])
lag = np.linalg.norm((z + y).mean(0) + 12.0 * c - sol.ensemble.mean().numpy())
print(f"lag {lag:.6f}, work per time {power:.6f}, dissipation {sol.ledger['dissipation'][-1]:.6f}, all expected 1")

# classes that change in frequency, then data that are swapped
train, test = wgf.data.load("digits")
few = slice(0, 300)
risk = wgf.NetworkRisk(train.x[few], train.y[few], loss="cross_entropy")
inverted = risk.with_inputs(-risk.inputs)


def priors(t):
    """Digits 0 to 4 fade from half of the data to a tenth by t = 30."""
    share = drives.Linear(0.5, 0.1, t1=30.0)(t)
    return np.repeat([share / 5, (1 - share) / 5], 5)


F = drives.Swap([(0.0, drives.LabelShift(risk, priors)), (30.0, inverted)]) + 1e-3 * wgf.Quadratic()
observers = {
    "upright": lambda mu: risk.accuracy(mu, test.x, test.y),
    "inverted": lambda mu: risk.accuracy(mu, -test.x, test.y),
}
sol = wgf.solve(F, risk.initial(128), wgf.solvers.Heun(), dt=1.0, t_end=60.0, record_every=5, observers=observers)
print(f"{'t':>5} {'free energy':>12} {'work':>9} {'upright':>8} {'inverted':>9}")
for t, free, work, upright, other in zip(
    *(sol.ledger[k] for k in ("t", "free_energy", "work", "upright", "inverted")), strict=True
):
    print(f"{t:5.0f} {free:12.4f} {work:9.4f} {upright:8.3f} {other:9.3f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["upright"], label="digits")
axis.plot(sol.ledger["t"], sol.ledger["inverted"], label="inverted digits")
axis.set(title="Data are swapped at t = 30", xlabel="flow time t", ylabel="accuracy")
axis.legend(frameon=False)
plt.show()
