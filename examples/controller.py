"""A thermostat for the information force: temperature left alone, by a schedule, and by feedback.

Particles follow a well that moves, with the log-determinant entropy. The information force T‖∇S‖ shall stay at half of
the loss force ‖∇E‖ while the well speeds up: only feedback holds it, and where it settles T = r²|c|²/(kd(1 − r²)) is
known. Then the entropy itself is held while the well stiffens (T = k exp(2S/d)), by force and by noise with a sensor.
"""

import math

import matplotlib.pyplot as plt
import numpy as np

import wgf
from wgf import drives

k, d, ratio = 2.0, 2, 0.5
mu = wgf.Ensemble.gaussian(200, d, cov=0.1, seed=0)


def speed(t):
    return drives.Linear(0.5, 2.0, t0=10.0, t1=20.0)(t)


def centre(t):
    """Where a well is that moves at `speed` along the first axis."""
    ramp = min(max(t - 10.0, 0.0), 10.0)
    return np.array([0.5 * t + 0.075 * ramp**2 + 1.5 * max(t - 20.0, 0.0), 0.0])


controlled = drives.Controller(0.1, ratio=ratio, gain=5.0)
schedule = drives.Piecewise([(10.0, 0.02), (20.0, 0.33)])
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, temperature in (("fixed", 0.1), ("schedule", schedule), ("controller", controlled)):
    F = wgf.Quadratic(k, center=centre) - temperature * wgf.LogDet()
    ledger = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=30.0, record_every=50).ledger
    axis.plot(ledger["t"], ledger["force_ratio"], label=name)
    late = [f"{r:.3f}" for t, r in zip(ledger["t"], ledger["force_ratio"], strict=True) if t >= 5.0]
    print(f"{name:>10}: ratio at t = 5, 10, ..., 30: {', '.join(late)}; temperature {ledger['temperature'][-1]:.4f}")
exact = ratio**2 * speed(30.0) ** 2 / (k * d * (1 - ratio**2))
print(f"the temperature that holds the ratio at the end: {exact:.4f}")

held = drives.Controller(0.5, entropy=-1.0, gain=2.0)
F = wgf.Quadratic(drives.Linear(1.0, 4.0, t0=5.0, t1=15.0)) - held * wgf.LogDet()
ledger = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=25.0).ledger
print(f"entropy {ledger['entropy'][-1]:.4f}, wanted -1; temperature {ledger['temperature'][-1]:.4f}, ", end="")
print(f"exact {4.0 * math.exp(-1.0):.4f}")

noisy = drives.Controller(0.5, entropy=-1.0, sensor=wgf.LogDet())
start = wgf.Ensemble.gaussian(2000, d, seed=0)
F = wgf.Quadratic(4.0) - noisy * wgf.Shannon()
sol = wgf.solve(F, start, wgf.solvers.LeimkuhlerMatthews(), dt=0.04, t_end=8.0, record_every=200)
print(f"by noise: log-det entropy {float(wgf.LogDet().value(sol.ensemble)):.2f}, ", end="")
print(f"temperature {sol.ledger['temperature'][-1]:.2f}")

axis.axhline(ratio, color="gray", linestyle="--", label="wanted")
axis.set(title="A controller holds the force ratio", xlabel="flow time t", ylabel="force ratio I/G")
axis.legend(frameon=False)
plt.show()
