"""Propagation of chaos: how far n particles are from their mean-field limit, and why common noise makes it visible.

V = a|x|²/2 and W = b|u|²/2 at temperature T: n particles have E x² = s(a)/n + (1 − 1/n) s(a + b), so the bias against
the limit s(a + b) is exactly (s(a) − s(a + b))/n. Beside each ensemble runs its twin: n particles of the limit itself
on the same Brownian paths, whose mean is known. Their difference shows the bias that the particles alone would hide.
"""

import matplotlib.pyplot as plt

import wgf.studies

study = wgf.studies.load("chaos", seeds=5, sizes=(8, 16, 32, 64), columns=64, dt=0.1, every=5, t_settle=6.0, t_end=13.0)
sweep = study.sweep("linear", wgf.studies.Work())

exact = study.stationary(study.confinement) - sweep.limit
print(f"{'n':>5} {'bias':>10} {'exact':>10} {'variance reduction':>20}")
for n, bias, factor in zip(sweep.sizes, sweep.bias.mean(axis=1), sweep.reduction(), strict=True):
    print(f"{n:5d} {bias:10.6f} {exact / n:10.6f} {factor:20.1f}")

law, swing, limit = sweep.bias_law(), sweep.fluctuation_law(), sweep.extrapolated(twin=True)
print(f"exponent of the bias        {law.exponent.value:.3f} ± {law.exponent.half_width:.3f}, expected -1")
print(f"exponent of the fluctuation {swing.exponent.value:.3f} ± {swing.exponent.half_width:.3f}, expected -0.5")
print(f"E x² at n → ∞               {limit.limit.value:.5f} ± {limit.limit.half_width:.5f}, expected {sweep.limit:.5f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.loglog(sweep.sizes, abs(sweep.bias.mean(axis=1)), "o", label="bias of E x²")
axis.loglog(sweep.sizes, [abs(exact) / n for n in sweep.sizes], "k--", label="exact, 1/n")
axis.set(title="The bias of n particles falls by 1/n", xlabel="particles n", ylabel="distance to the limit")
axis.set_xticks(sweep.sizes, [str(n) for n in sweep.sizes])
axis.set_yticks([0.005, 0.01, 0.02, 0.04], ["0.005", "0.01", "0.02", "0.04"])
axis.minorticks_off()
axis.legend(frameon=False)
plt.show()
