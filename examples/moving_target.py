"""An open system: a target that moves at constant speed does work on the ensemble, and all of it is dissipated.

V = k|x − ct|²/2. In the steady state the particles lag behind by |c|/k, and the work that the moving target does per
time, |c|², equals the dissipation; the ledger shows both without being told.
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf

k, c = 2.0, np.array([0.6, 0.8])
F = wgf.Quadratic(k, center=lambda t: c * t)
mu = wgf.Ensemble.gaussian(200, 2, cov=0.5, seed=0)
sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.01, t_end=8.0, record_every=100)

print(sol.ledger)
power = sol.ledger["work"][-1] / (sol.ledger["t"][-1] - sol.ledger["t"][-2])
lag = c * 8.0 - sol.ensemble.mean().numpy()
print(f"lag {np.linalg.norm(lag):.6f}, expected {np.linalg.norm(c) / k:.6f}")
print(f"work per time {power:.6f}, dissipation {sol.ledger['dissipation'][-1]:.6f}, expected {c @ c:.6f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["work"].cumsum(), label="work from outside")
axis.plot(sol.ledger["t"], sol.ledger["released"].cumsum(), label="free energy released")
axis.set(title="After the start, all work is dissipated", xlabel="flow time t", ylabel="energy since the start")
axis.legend(frameon=False)
plt.show()
