"""Mean-field neurons with normalised weights: a network whose neurons move on a sphere finds those of its teacher.

The teacher is the mean of three neurons with directions w on the unit sphere, f(z) = ⅓ Σ (w·z)₊². The student has 200
neurons at uniform directions. Normalisation of the weights is the domain: the gradient is projected on the sphere, so
the ledger books the dissipation of the projected force, and closes.

Without an entropy the student's neurons go to the teacher's directions. An entropy spreads them again, the more the
higher its temperature: then the network fits less well, but it stays an ensemble.
"""

import matplotlib.pyplot as plt
import torch

import wgf
from wgf.diagnostics import geodesic

sphere, dim = wgf.domains.Sphere(), 3


def unit(z, theta):
    """One neuron (θ·z)₊² with the direction θ."""
    return torch.relu(z @ theta).square()


z = wgf.Ensemble.gaussian(600, dim, seed=1).x
teacher = wgf.Ensemble(torch.eye(dim, dtype=torch.float64))
targets = torch.relu(z @ teacher.x.T).square().mean(1)
risk = wgf.NetworkRisk(z[:400], targets[:400], unit=wgf.Unit(unit, dim=dim))
start = sphere.uniform(200, dim, seed=2)
print(f"at the start: W₂ to the teacher along the sphere {geodesic(start, teacher).distance:.3f}")

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), subplot_kw={"projection": "3d"}, layout="constrained")
for axis, temperature in zip(axes, (0.0, 3e-3, 3e-2), strict=True):
    F = risk if temperature == 0 else risk - temperature * wgf.entropies.Uniformity(2.0)
    sol = wgf.solve(F, start, wgf.solvers.Heun(), dt=0.5, t_end=150.0, domain=sphere)
    axis.scatter(*sol.ensemble.x.T, s=4, alpha=0.5)
    axis.scatter(*(1.15 * teacher.x.T), s=60, marker="^", color="tab:red", depthshade=False)
    axis.set(title=f"T = {temperature:g}", xticks=[], yticks=[], zticks=[])
    axis.view_init(25, 45)
    error = (risk.predict(sol.ensemble, z[400:]) - targets[400:]).square().mean() / targets[400:].var()
    distance = geodesic(sol.ensemble, teacher).distance
    print(f"T = {temperature:g}: unexplained on held-out points {float(error):.4f}, "
          f"W₂ to the teacher {distance:.3f}, closure {100 * sol.ledger['closure_total'][-1]:+.3f} %")  # fmt: skip

figure.suptitle("Neurons (dots) and the teacher's (triangles, a little outside)")
plt.show()
