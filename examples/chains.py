"""A sampler's trajectory in the tools of statistics: xarray for the data, ArviZ for their quality.

Particles of an Ornstein–Uhlenbeck process at rest are independent Markov chains. Their autocorrelation from frame to
frame is known, ρ = e^{−h}, so the effective number of draws is known too: N (1 − ρ)/(1 + ρ). A start far from rest is
burn-in, which `start=` leaves out. Particles that are born and die carry weights: means are weighted
ones, and ArviZ, which knows no weights, is not given them unasked. A tree of xarray is also a file of netCDF.
"""

import math

import matplotlib.pyplot as plt
import xarray

import wgf

h = 0.25
F = wgf.Quadratic() - 1.0 * wgf.Shannon()
mu = wgf.Ensemble.gaussian(32, 1, seed=1)
sol = wgf.solve(F, mu, wgf.solvers.ExponentialEuler(), dt=h, t_end=1000 * h, trajectory_every=1, record_every=1000)

found = wgf.diagnostics.ess(sol, method="mean")
rho = math.exp(-h)
exact = found.chains * found.draws * (1 - rho) / (1 + rho)
print(f"ESS {found.ess[0]:.0f}, exact {exact:.0f}; R-hat {found.rhat[0]:.3f}")

# a start far from rest is burn-in: it spoils the mean of the draws until it is left out
far = wgf.solve(F, wgf.Ensemble([[8.0]] * 32), wgf.solvers.ExponentialEuler(), dt=h, t_end=40.0, trajectory_every=1)
for start in (0.0, 10.0):
    draws, quality = far.to_arviz(start=start).posterior.x, wgf.diagnostics.ess(far, start=start)
    error = 1.0 / math.sqrt(quality.ess[0])
    print(f"from t = {start:g}: mean {float(draws.mean()):+.3f}, exact 0, standard error {error:.3f}")

# few long chains in place of many short ones: groups of particles, one after the other
grouped = wgf.diagnostics.ess(sol, method="mean", groups=4)
print(f"in {grouped.chains} chains of {grouped.draws}: autocorrelation time {grouped.time[0]:.1f} draws, "
      f"exact {(1 + rho) / (1 - rho):.1f}")  # fmt: skip

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
resampled = weighted.to_arviz(weights="resample", start=1.0)  # means are kept; its ESS would be too large
means = [float(weighted.frame(k).mean()) for k, t in enumerate(weighted.trajectory_times) if t >= 1.0]
drift = float(resampled.posterior.x.mean()) - sum(means) / len(means)
print(f"resampled: {dict(resampled.posterior.sizes)}, mean differs by {drift:+.1e}")

# frames by time, and a file that any tool of the field reads
later = particles.sel(time=slice(1.0, None))
share = (later.weights * (later.x[..., 0] > 0)).sum("particle")
print(f"share of the right well from t = 1 on: {[round(float(part), 3) for part in share]}, exact 0.2")
tree.to_netcdf("run.nc", engine="h5netcdf")
again = xarray.open_datatree("run.nc", engine="h5netcdf")
print("read again:", ", ".join(again.children), "| same numbers:", bool((again["particles"].x == particles.x).all()))
again.close()

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.hist(weighted.ensemble.x[:, 0], bins=20, weights=weighted.ensemble.weights, density=True)
axis.set(title="Birth and death: 80 % of the mass is on the left", xlabel="x", ylabel="density")
plt.show()
