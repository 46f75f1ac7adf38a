"""A sampler's trajectory in the tools of statistics: xarray for the data, ArviZ for their quality.

Particles of an Ornstein–Uhlenbeck process at rest are independent Markov chains. Their autocorrelation from frame to
frame is known, ρ = e^{−h}, so the effective number of draws is known too: N (1 − ρ)/(1 + ρ). Particles that are born
and die carry weights: means are weighted ones, and ArviZ, which knows no weights, is not given them unasked.
"""

import math

import matplotlib.pyplot as plt

import wgf

h = 0.25
F = wgf.Quadratic() - 1.0 * wgf.Shannon()
mu = wgf.Ensemble.gaussian(32, 1, seed=1)
sol = wgf.solve(F, mu, wgf.solvers.ExponentialEuler(), dt=h, t_end=1000 * h, trajectory_every=1, record_every=1000)

found = wgf.diagnostics.ess(sol, method="mean")
rho = math.exp(-h)
exact = found.chains * found.draws * (1 - rho) / (1 + rho)
print(f"ESS {found.ess[0]:.0f}, exact {exact:.0f}; R-hat {found.rhat[0]:.3f}")

data = sol.to_arviz(start=10.0)  # an InferenceData: arviz.plot_trace(data), arviz.summary(data)
print(f"variance of the draws {float(data.posterior.x.var()):.3f}, exact 1")

target = wgf.GaussianMixture([[-2.0], [2.0]], [0.8, 0.2]) - 1.0 * wgf.Shannon()
weighted = wgf.solve(
    target, wgf.Ensemble.gaussian(200, 1, seed=2), wgf.solvers.BirthDeath(), dt=0.02, t_end=2.0, trajectory_every=20
)
tree = weighted.to_xarray()
particles = tree["particles"]
mean = (particles.x * particles.weights).sum("particle")
gap = abs(float(mean[-1, 0]) - float(weighted.frame(-1).mean()))
print(f"weighted mean {float(mean[-1, 0]):.3f}, that of the ensemble differs by {gap:.1e}")
print(f"free energy in {tree['ledger']['free_energy'].attrs['units']}; made by wgf {tree.attrs['version_wgf']}")
try:
    weighted.to_arviz()
except wgf.errors.ConfigError as error:
    print("refused:", error)

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.hist(weighted.ensemble.x[:, 0], bins=20, weights=weighted.ensemble.weights, density=True)
axis.set(title="Weighted particles of birth and death: 0.8 of the mass is left", xlabel="x", ylabel="density")
plt.show()
