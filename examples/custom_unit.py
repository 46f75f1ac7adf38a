"""A neuron of one's own: bumps φ(z; θ) = a exp(−3|z − c|²) learn a ring, and an entropy keeps them apart."""

import matplotlib.pyplot as plt
import torch

import wgf


def bump(z, theta):
    """θ = (a, c): a height and a centre in the plane."""
    return theta[0] * torch.exp(-3 * ((z - theta[1:]) ** 2).sum())


points = wgf.Ensemble.uniform(500, 2, low=-2.0, high=2.0, seed=1).x
ring = torch.exp(-4 * (points.norm(dim=1) - 1.2) ** 2)  # 1 at distance 1.2 from the origin, 0 far from there

risk = wgf.NetworkRisk(points[:400], ring[:400], unit=wgf.Unit(bump, dim=3))
F = risk + 1e-4 * wgf.Quadratic() - 1e-4 * wgf.LogDet()
sol = wgf.solve(F, risk.initial(n=256, seed=0), wgf.solvers.Heun(), dt=1.0, t_end=600.0, progress=True)

print(sol.ledger)
error = (risk.predict(sol.ensemble, points[400:]) - ring[400:]).pow(2).mean() / ring[400:].var()
print(f"unexplained variance on held-out points: {float(error):.3f}")

grid = torch.cartesian_prod(*2 * [torch.linspace(-2, 2, 60, dtype=torch.float64)])
figure, axis = plt.subplots(figsize=(4.5, 3.8), layout="constrained")
image = axis.imshow(risk.predict(sol.ensemble, grid).reshape(60, 60).T, extent=(-2, 2, -2, 2), origin="lower")
axis.set(title="The ring that 256 bumps have learned", xlabel="x₁", ylabel="x₂")
figure.colorbar(image, label="output of the network")
plt.show()
