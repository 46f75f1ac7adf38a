"""Does an entropy act? The force report of four surrogates in one potential, and the collapse index beside it.

V = |x|²/2 in the plane, a correlated cloud off centre, F = E − T·S. The loss pushes with G = ‖∇_W E‖ and the entropy
with I = T‖∇_W S‖. For the log-determinant tr C⁻¹ ≥ d²/tr C, so I/G never falls below

    c₀ ≥ T d / (max(tr C₀, T d) + |m₀|²),

known before the run; hotter than its confinement the variance runs away; softmax over features, a potential in
disguise, draws the particles together and is weak where it saturates; and at a tiny temperature the run cannot be told
from plain loss minimisation. (Human-Centered Learning Mechanics, arXiv:2605.22940.)
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf
from wgf.diagnostics import Thresholds, force_report, reference_alignment

d, dt, t_end = 2, 0.02, 2.0
mu = wgf.Ensemble.gaussian(300, d, mean=0.2, cov=[[1.0, 0.6], [0.6, 1.0]], seed=0)
apart = np.where(np.arange(300) % 2, 1.0, -1.0)[:, None] * [25.0, -25.0]
wide = wgf.Ensemble(mu.x.numpy() + apart)  # two clusters with logits 50 apart: softmax is one-hot
E = wgf.Quadratic()
CASES = {
    "log-det": (E - 0.5 * wgf.LogDet(), mu),
    "variance, T > k": (E - 1.5 * wgf.Variance(), mu),
    "softmax": (E - 0.5 * wgf.Softmax(), mu),
    "softmax, saturated": (E - 0.5 * wgf.Softmax(), wide),
    "log-det, T tiny": (E - 1e-6 * wgf.LogDet(), mu),
}

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, (F, start) in CASES.items():
    sol = wgf.solve(F, start, wgf.solvers.Heun(), dt=dt, t_end=t_end)
    axis.plot(sol.ledger["t"], sol.ledger["force_ratio"], label=name)
    collapse = wgf.collapse_index(F, start, wgf.solvers.Heun(), dt=dt, t_end=t_end, records=5)
    report = force_report(sol, collapse=collapse)
    print(f"{name}: {report.verdict}; c = {float(collapse):.2g}")

F, _ = CASES["log-det"]
sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=dt, t_end=t_end, trajectory_every=50)
report = force_report(sol, window=0.5, thresholds=Thresholds(weak=1e-2))
spread, offset = float(mu.covariance().trace()), float(mu.mean() @ mu.mean())
bound = 0.5 * d / (max(spread, 0.5 * d) + offset)
print(f"\n{report}\n\nlog-det: c0 = {report.c0:.4f}, at least {bound:.4f} was predicted")
early = report.bounds(tau=0.5)
print(f"up to t = 0.5: {early[0]:.4f} ≤ I/G ≤ {early[1]:.4f}; degenerate regimes: {len(report.spans)}")

# Another reference entropy, from the frames of a trajectory: how softmax stands to the variance.
frames = wgf.solve(E - 0.5 * wgf.Softmax(), mu, wgf.solvers.Heun(), dt=dt, t_end=t_end, trajectory_every=50)
cosines = [reference_alignment(wgf.Softmax(), frames.frame(k), wgf.Variance()) for k in range(len(frames.trajectory))]
print("softmax beside the variance:", np.array2string(np.array(cosines), precision=3))

axis.set(title="Force ratio of five surrogates", xlabel="flow time t", ylabel="force ratio I/G", yscale="log")
axis.legend(frameon=False)
plt.show()
