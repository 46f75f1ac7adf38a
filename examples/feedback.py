"""Human feedback: preferences that arrive one by one teach a network to rank.

Thirty items have hidden scores. People compare two at a time and prefer by the law of Bradley and Terry; the network
sees the features of the items and what was preferred so far. Each arrival changes the free energy between two steps,
and the ledger books that as work. The ranking is compared with the hidden one, also for items that nobody has compared.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import kendalltau

import wgf
from wgf import drives

rng = np.random.default_rng(3)
features = rng.normal(size=(60, 4))
hidden = 3 * np.tanh(features[:, 0] - 0.5 * features[:, 1]) + features[:, 2]
known, unseen = slice(0, 30), slice(30, 60)

pairs = np.array([rng.choice(30, 2, replace=False) for _ in range(600)])
first_wins = rng.uniform(size=600) < 1 / (1 + np.exp(hidden[pairs[:, 1]] - hidden[pairs[:, 0]]))
pairs = np.where(first_wins[:, None], pairs, pairs[:, ::-1])
times = np.sort(rng.uniform(0.0, 60.0, size=600))

score = wgf.NetworkRisk(features, np.zeros(60))  # its unit is scored; its targets play no part
told = drives.Preferences(score, features[known], pairs, times)
F = told + 3e-3 * wgf.Quadratic()


def agreement(items):
    """Kendall's τ between the network's ranking of some items and the hidden one."""
    return lambda mu: kendalltau(score.predict(mu, features[items]), hidden[items]).statistic


sol = wgf.solve(
    F, score.initial(256, seed=0), wgf.solvers.Heun(), dt=0.5, t_end=100.0, record_every=20,
    observers={"compared": agreement(known), "unseen": agreement(unseen)},
)  # fmt: skip
print(f"{'t':>5} {'arrived':>8} {'log-likelihood':>15} {'work':>8} {'τ compared':>11} {'τ unseen':>9}")
for row in (sol.ledger.row(k) for k in range(len(sol.ledger["t"]))):
    arrived = int((times <= row["t"] + 1e-9).sum())
    line = f"{row['t']:5.0f} {arrived:8d} {0.0 - row['term:Preferences']:15.4f} {row['work']:8.4f}"
    print(f"{line} {row['compared']:11.3f} {row['unseen']:9.3f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["compared"], label="items that were compared")
axis.plot(sol.ledger["t"], sol.ledger["unseen"], label="unseen items")
axis.axvspan(0, 60, color="0.93", label="preferences arrive")
axis.set(title="Ranking learned from preferences", xlabel="flow time t", ylabel="Kendall's τ with the hidden ranking")
axis.legend(frameon=False, loc="center right")
plt.show()
