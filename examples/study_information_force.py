"""Does log-det exert a stronger and steadier force than softmax? A few runs of the study `wgf study information-force`.

An encoder of digits learns with F = E − T·S on its representations, at temperatures such that all surrogates begin with
the same force ratio r₀ = I/G, I = T‖∇S‖ and G = ‖∇E‖. What is seen is what becomes of it: the least ratio c₀, how much
I varies over the run, which regimes it goes through, and what is left of the representation's rank. The study does it
at four r₀ and at matched dissipation, on neurons, on a table and without labels too, with accuracies and intervals.
(Human-Centered Learning Mechanics, arXiv:2605.22940.)
"""

import matplotlib.pyplot as plt

from wgf.studies.information_force.representations import train_encoder
from wgf.studies.information_force.surrogates import NONE, SURROGATES

ratio, seed, sizes = 1.0, 0, (200, 200, 60)  # training images, test images, steps
plain = train_encoder(NONE, 0.0, seed, sizes, None)

print(f"all begin at I/G = {ratio:g}; rank without entropy {plain.rank:.2f}, accuracy {plain.accuracy['clean']:.3f}")
print(f"{'surrogate':<24}{'T':>10}{'c0':>8}{'mean I/G':>10}{'variation':>11}{'rank':>7}{'accuracy':>10}  regimes")
runs = {name: train_encoder(name, ratio, seed, sizes, plain) for name in SURROGATES}
for name, run in runs.items():
    regimes = ", ".join(f"{regime} {share:.0%}" for regime, share in run.regimes.items() if share > 0) or "none"
    print(
        f"{SURROGATES[name]:<24}{run.temperature:10.3g}{run.c0:8.3f}{run.typical:10.3f}{run.varies:11.3f}"
        f"{run.rank:7.2f}{run.accuracy['clean']:10.3f}  {regimes}"
    )

least = min(run.ratio[0] for run in runs.values()), max(run.ratio[0] for run in runs.values())
print(f"ratios at the start: {least[0]:.9f} to {least[1]:.9f}")
log_det, softmax = runs["LogDet"], runs["SoftmaxFeatures"]
print(f"rank of log-det less that of softmax over features: {log_det.rank - softmax.rank:+.2f}")

figure, axis = plt.subplots(figsize=(8, 3.5), layout="constrained")
for name, run in runs.items():
    axis.semilogy(run.ratio, label=SURROGATES[name])
axis.set(title="From one ratio at the start", xlabel="record", ylabel="force ratio I/G")
axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()
