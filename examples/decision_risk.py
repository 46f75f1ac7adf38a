"""Decision risk: what a linear fit gives up on average to be right about its worst cases.

The same data, with heavy-tailed noise, fitted by the mean loss, by CVaR (the mean of the worst tenth), by entropic risk
and by mean plus variance. Each flow ends lowest in its own measure. Then the level of CVaR rises while the flow runs:
the aversion is a drive, and the ledger books its work.
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf
from wgf import drives

rng = np.random.default_rng(1)
z = rng.normal(size=(200, 3))
y = z @ np.array([1.0, -1.0, 0.5]) + 0.3 * rng.standard_t(3, size=200) * (1 + (z[:, 0] > 1))
risk = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, theta: theta @ z, dim=3))
mu = wgf.Ensemble.gaussian(10, 3, seed=0)

measures = {
    "mean": risk,
    "CVaR": drives.CVaR(risk, 0.9),
    "entropic": drives.EntropicRisk(risk, 0.5),
    "mean-variance": drives.MeanVariance(risk, 0.5),
}
print(f"{'descends':>14}" + "".join(f"{name:>15}" for name in measures))
for name, F in measures.items():
    sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.04, t_end=6.0)
    print(f"{name:>14}" + "".join(f"{float(measure.value(sol.ensemble)):15.4f}" for measure in measures.values()))

F = drives.CVaR(risk, drives.Linear(0.05, 0.9, t0=2.0, t1=4.0))
sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.04, t_end=6.0)
work, released = sol.ledger["work"].sum(), sol.ledger["released"].sum()
print(f"a level that rises from 0.05 to 0.9: work {work:.4f}, released {released:.4f}")
print(f"change of free energy {sol.ledger['free_energy'][-1] - sol.ledger['free_energy'][0]:.4f} = work - released")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["free_energy"], label="free energy")
axis.plot(sol.ledger["t"], sol.ledger["work"].cumsum(), label="work from outside")
axis.plot(sol.ledger["t"], sol.ledger["released"].cumsum(), label="released")
axis.set(title="A level that rises from t = 2 to 4 does work", xlabel="flow time t", ylabel="energy")
axis.legend(frameon=False)
plt.show()
