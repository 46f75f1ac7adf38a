"""A scaling law with samples, and the balance of information that might foretell its exponent.

Students of one teacher learn from more and more samples. Their residual risk is fitted by R∞ + c N^{−α}, by an
exponential and by a logarithm. Beside it the information stock I = ½ log det(1 + K/σ²) of the network's kernel is moved
by learning (J) and by weight decay (−γI), each measured by a flow of its own: together they are dI/dt. `wgf study
scaling` does it for neurons and steps too, and compares exponents; it never claims that one follows from the other.
"""

import matplotlib.pyplot as plt
import numpy as np

from wgf.studies.scaling.laws import compare_laws, law_intervals
from wgf.studies.scaling.stock import Task, train

samples, seeds, steps = (16, 32, 64, 128, 256), range(4), 64
task = Task(dim=6, neurons=8, noise=0.1, confinement=3e-3, dt=1.0, pool=1024)
runs = [[train(task, 32, m, seed, (steps,))[0] for seed in seeds] for m in samples]


def mean(row, name):
    return np.mean([getattr(balance, name) for balance in row])


print(f"{'samples':>7} {'R':>10} {'I':>8} {'J':>9} {'γI':>9} {'dI/dt':>9} {'J − γI':>9}")
worst = 0.0
for m, row in zip(samples, runs, strict=True):
    loss = np.mean([b.dissipation * b.stock for b in row])
    rate, foretold = mean(row, "rate"), mean(row, "injection") - loss
    worst = max(worst, abs(rate - foretold) / loss)
    print(
        f"{m:7d} {mean(row, 'residual'):10.5f} {mean(row, 'stock'):8.2f} {mean(row, 'injection'):9.4f} {loss:9.4f} "
        f"{rate:9.4f} {foretold:9.4f}"
    )
print(f"J − γI is dI/dt to {worst:.1e} of γI at the worst size")

residual = [[balance.residual for balance in row] for row in runs]
for law, fit in compare_laws(samples, residual).items():
    print(f"{law:12} χ² = {fit.chi_square:6.2f}, " + ", ".join(f"{k} = {v:.4g}" for k, v in fit.parameters.items()))
alpha = law_intervals("power", samples, residual, paired=True, resamples=100)["exponent"]
print(f"α = {alpha.value:.2f} from {alpha.low:.2f} to {alpha.high:.2f} over {len(seeds)} seeds")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.loglog(samples, residual, "o", color="0.6", markersize=4)
axis.loglog(samples, np.mean(residual, axis=1), "s-", label="mean over seeds")
axis.set(title="Residual risk against samples", xlabel="samples", ylabel="R")
axis.set_xticks(samples, [str(m) for m in samples])
axis.minorticks_off()
axis.set_yticks([0.003, 0.01, 0.03], ["0.003", "0.01", "0.03"])
axis.legend(frameon=False)
plt.show()
