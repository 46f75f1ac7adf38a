"""Particles that repel by −log|x| in a quadratic well: their equilibrium is the zeros of a Hermite polynomial.

W = |x|²/2 − log|x| in one dimension, without noise. With n particles the minimum of the energy is x = z/√n, where z are
the zeros of Hₙ (Stieltjes 1885): an exact answer for a singular interaction.
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf

n = 16
W = wgf.kernels.QuadraticKernel(1.0) + wgf.kernels.Log()
F = wgf.Interaction(W)
start = wgf.Ensemble(np.linspace(-1.0, 1.0, n)[:, None])
sol = wgf.solve(F, start, wgf.solvers.RungeKutta4(), dt=0.01, t_end=20.0)

x = np.sort(sol.ensemble.x.numpy()[:, 0])
hermite = np.sort(np.polynomial.hermite.hermgauss(n)[0]) / np.sqrt(n)
print("particles    ", np.round(x, 6))
print("Hermite zeros", np.round(hermite, 6))
print(f"largest difference {np.abs(x - hermite).max():.1e}")
print(f"mean square {np.mean(x**2):.10f}, exact {(n - 1) / (2 * n):.10f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(hermite, "o", mfc="none", markersize=9, label="Hermite zeros")
axis.plot(x, ".", label="particles")
axis.set(title="Sixteen particles at rest", xlabel="number", ylabel="x")
axis.legend(frameon=False)
plt.show()
