"""Generation: particles flow from noise to images of digits, under four distances and their sums with entropies.

Images are reduced to their 16 principal coordinates. Each distance pulls the particles to the same samples. W₂ to
images that were held out says how good they are, against flow time. Transport (Sinkhorn, sliced) pulls from anywhere;
the force of MMD has the range of its kernel. An entropy keeps particles apart where a distance puts them on samples.
"""

import matplotlib.pyplot as plt
import numpy as np

import wgf

train, test = wgf.data.load("digits")
images = np.concatenate([train.x, test.x])
rng = np.random.default_rng(0)
order = rng.permutation(len(images))
mean = images.mean(0)
basis = np.linalg.svd(images - mean, full_matrices=False)[2][:16]
coordinates = (images - mean) @ basis.T
scale = np.sqrt((coordinates**2).sum(1).mean() / 16)  # variance 1 in the mean of the coordinates
samples, held = coordinates[order[:400]] / scale, wgf.Ensemble(coordinates[order[400:700]] / scale)
start = wgf.Ensemble.gaussian(300, 16, seed=1)

sinkhorn = wgf.SinkhornDivergence(samples, epsilon=1.0, tolerance=1e-3)
mmd = wgf.MMD(samples, wgf.kernels.Gaussian(4.0))
sliced = 16 * wgf.SlicedWasserstein(samples, projections=64)
flows = {
    "Sinkhorn": sinkhorn,
    "MMD": 20 * mmd,
    "sliced": sliced,
    "Sinkhorn + sliced": 0.5 * sinkhorn + 0.5 * sliced,
    "Sinkhorn − 0.02 LogDet": sinkhorn - 0.02 * wgf.LogDet(),
    "Sinkhorn − Uniformity": sinkhorn - 0.1 * wgf.Uniformity(0.05),
}
figure, (axis, picture) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
floor = float(wgf.diagnostics.wasserstein(wgf.Ensemble(samples[:300]), held))
print(f"W₂ of as many true samples to the held-out images: {floor:.3f}")
ends = {}
for name, F in flows.items():
    sol = wgf.solve(
        F, start, wgf.solvers.Heun(), dt=0.25, t_end=6.0, record_every=4,
        observers={"W2": lambda mu: float(wgf.diagnostics.wasserstein(mu, held))},
    )  # fmt: skip
    ends[name] = sol
    axis.plot(sol.ledger["t"], sol.ledger["W2"], label=name)
    first, last = sol.ledger["W2"][0], sol.ledger["W2"][-1]
    print(f"{name:22} W₂ {first:.3f} -> {last:.3f}, closure {sol.ledger['closure'][-1]:+.1%}")
axis.axhline(floor, color="k", lw=0.8, ls=":", label="true samples")
axis.set(title="Distance to held-out images", xlabel="flow time t", ylabel="W₂")
axis.legend(frameon=False, fontsize=7)

digits = (ends["Sinkhorn"].ensemble.x[:40].numpy() * scale) @ basis + mean
rows = [np.hstack([image.reshape(8, 8) for image in digits[k : k + 8]]) for k in range(0, 40, 8)]
picture.imshow(np.vstack(rows), cmap="gray_r", vmin=0, vmax=np.quantile(rows, 0.99))
picture.set(title="Forty particles under Sinkhorn, as images", xticks=[], yticks=[])
plt.show()
