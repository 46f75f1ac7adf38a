"""Langevin dynamics against its exact law: the variance of an Ornstein–Uhlenbeck process, and the ledger's error bars.

V = k|x|²/2 with the Shannon entropy at temperature T. Euler–Maruyama with step h follows a law that is known in closed
form, with the stationary variance T/(k(1 − kh/2)); the estimate from n particles has the standard error v √(2/n).
"""

import math

import matplotlib.pyplot as plt

import wgf

k, T, h, n = 1.0, 0.5, 0.05, 20_000
F = wgf.Quadratic(k) - T * wgf.Shannon()
mu = wgf.Ensemble.gaussian(n, 1, cov=4.0, seed=0)
sol = wgf.solve(
    F, mu, wgf.solvers.Langevin(), dt=h, t_end=4.0, record_every=1, observers={"variance": lambda mu: mu.covariance()}
)

stationary = T / (k * (1 - k * h / 2))
print(f"{'t':>6} {'variance':>10} {'exact':>10} {'standard errors':>16}")
columns = (sol.ledger[name][::8] for name in ("t", "step", "variance"))
for t, step, variance in zip(*columns, strict=True):
    exact = stationary + (4.0 - stationary) * (1 - k * h) ** (2 * step)
    print(f"{t:6.2f} {variance:10.4f} {exact:10.4f} {(variance - exact) / (exact * math.sqrt(2 / n)):16.2f}")

last = sol.ledger.row(-1)
print(f"\nclosure of the ledger over the run: {last['closure']:+.3f} ± {last['closure_error']:.3f}")
print("estimators:", sol.ledger.notes["entropy"])

t, step = sol.ledger["t"], sol.ledger["step"]
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(t, sol.ledger["variance"], label="20 000 particles")
axis.plot(t, stationary + (4.0 - stationary) * (1 - k * h) ** (2 * step), "k--", label="exact")
axis.set(title="Variance of an Ornstein–Uhlenbeck process", xlabel="flow time t")
axis.legend(frameon=False)
plt.show()
