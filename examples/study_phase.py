"""Order out of noise: double wells that attract each other, cooled through their critical temperature.

V = x⁴/4 − x²/2 and W = |u|²/2. Above T_c = 0.45695 the mean is zero; below, the particles agree on a side. The
transition is continuous, so a sweep down and up in temperature encloses less the slower it goes. The ratio
⟨m⁴⟩/⟨m²⟩² of finitely many particles crosses at T_c for all sizes, up to O(1/n): a rough T_c from little work.
"""

import matplotlib.pyplot as plt

import wgf.studies
from wgf.studies.phase.critical import area, loop

print("duration    area enclosed")
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for duration in (30.0, 90.0):
    T, cooling, heating = loop("wells", duration, n=200, columns=12, dt=0.125, records=20, seed=0)
    axis.plot([*T, *T[::-1]], [*cooling, *heating[::-1]], label=f"loop of duration {duration:g}")
    print(f"{duration:8g} {area(T, cooling, heating):16.4f}")

study = wgf.studies.load("phase", quick=True)
scaling = study.scaling("wells", wgf.studies.Work())
print("\nratio    " + "".join(f"  T = {T:.3f}" for T in scaling.temperatures))
for n, row in zip(scaling.sizes, scaling.ratios.mean(axis=2), strict=True):
    print(f"n = {n:4d} " + "".join(f"{value:11.3f}" for value in row))
critical, _ = scaling.critical()
print(f"T_c = {critical.value:.4f} ± {critical.half_width:.4f}, exact {scaling.model.critical:.4f}")

axis.set(title="Cooled and heated through the transition", xlabel="temperature T", ylabel="order |m|")
axis.legend(frameon=False)
plt.show()
