"""A measured rate of decay is not a certified one: the free energy of two starts in one parabola, and of a double well.

The certificate of Bakry and Émery for V = k|x|²/2 is 2k, from every start. A displaced Gaussian decays at exactly that
rate, one that is only too wide at up to twice of it. For a double well Holley and Stroock still certify a rate, far
below what is measured. The density is followed on a grid; the particles with the log-determinant entropy beside it show
the parabola's rate to rounding and the time step, as their moments obey the same equations.
"""

import matplotlib.pyplot as plt

from wgf.diagnostics.rates import decay_rate
from wgf.studies.dissipation.relaxation import CASES, density, surrogate

print(f"{'start':24} {'certified':>10} {'by':>16} {'early':>8} {'late':>8}")
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for case in CASES[:3]:
    run = density(case, cells=160, dt=0.005, t_end=2.0, every=20)
    gap = run["free_energy"] - case.infimum_on(160)
    early, late = (decay_rate(run["t"], gap, span=span).rate for span in ((0.0, 0.5), (1.5, 2.0)))
    axis.semilogy(run["t"], gap, label=case.name)
    certificate = case.certificate
    print(f"{case.name:24} {certificate.rate:10.4f} {certificate.name:>16} {early:8.4f} {late:8.4f}")
    if case.name == "parabola, displaced":
        closure = run["closure_total"][-1]

log_det = surrogate(CASES[0], "LogDet", n=300, dt=0.02, t_end=6.0, every=10, seed=0)
rate = decay_rate(log_det["t"], log_det["free_energy"] - log_det["free_energy"][-1], span=(0.0, 1.0)).rate
print(f"with log-det entropy, displaced: {rate:.4f}, exact 2")
print(f"closure of the density's ledger, displaced: {closure:+.4f}")

axis.set(title="The free energy decays, at rates of its own", xlabel="flow time t", ylabel="F − F*", ylim=(1e-5, None))
axis.legend(frameon=False)
plt.show()
