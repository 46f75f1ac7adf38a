"""What the information of a noisy representation says of the generalisation gap, and what it does not.

Z = f(X) + σξ knows at most B = ½ log det(I + Cov f(X)/σ²) of its input. The more noise, the less information; yet a
nearest neighbour memorises random labels at any noise. √(2σ_ℓ²B/n) holds only where the weights know no more of the
sample than B, which memorised labels break; the bound that counts the labels holds. (Xu & Raginsky 2017.)
"""

import math

import matplotlib.pyplot as plt
import numpy as np

from wgf.diagnostics import channel_information, gap_bounds, information_bound
from wgf.studies.generalisation.decoders import DECODERS, measure

# The Gaussian channel: with f(X) Gaussian, B is the information itself.
rng = np.random.default_rng(0)
x = rng.normal(size=(4000, 2)) * [2.0, 0.5]
print("sigma        B   exact   I(X; Z) of these 4000 points")
for sigma in (0.5, 1.0, 2.0):
    exact = 0.5 * sum(math.log1p(v / sigma**2) for v in (4.0, 0.25))
    information = channel_information(x, sigma, draws=1000)
    estimate = f"{information.value:8.3f} ± {information.standard_error:.3f}"
    print(f"{sigma:5.1f} {information_bound(x, sigma):8.4f} {exact:7.4f} {estimate}")

# Digits: gaps of three decoders on the principal components of images, beside the bounds.
noises, samples = (0.3, 1.0, 3.0), (128,)
found = measure(seed=0, noises=noises, samples=samples, components=8, draws=500)
print("\nsigma      B  assumed  labelled  gap: " + ", ".join(DECODERS))
for s, sigma in enumerate(noises):
    bounds = gap_bounds(found["bound"][s], samples[0], label_entropy=float(found["labels"]))
    gaps = found["gap"][:, s, 0]
    print(
        f"{sigma:5.1f} {found['bound'][s]:6.2f} {bounds['assumed'].value:8.3f} {bounds['labelled'].value:9.3f}  "
        + ", ".join(f"{gap:.3f}" for gap in gaps)
    )
for bound in bounds.values():
    print(f"{bound.name}: {bound.assumption}")
memorised = found["gap"][DECODERS.index("memorised"), -1, 0]
print(f"random labels, memorised: gap {memorised:.3f}, assumed bound {bounds['assumed'].value:.3f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, gap in zip(DECODERS, found["gap"], strict=True):
    axis.semilogx(noises, gap[:, 0], "o-", label=f"gap: {name}")
limits = [gap_bounds(b, samples[0], label_entropy=float(found["labels"])) for b in found["bound"]]
axis.semilogx(noises, [one["assumed"].value for one in limits], "k--", label="bound, if its assumption held")
axis.set(title="Memorised labels break the assumed bound", xlabel="noise σ", ylabel="generalisation gap")
axis.set_xticks(noises, [f"{sigma:g}" for sigma in noises])
axis.minorticks_off()
axis.legend(frameon=False, fontsize=8)
plt.show()
