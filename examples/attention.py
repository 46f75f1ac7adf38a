"""Tokens of self-attention on a sphere: they form clusters, which merge, the later the sharper attention is.

With queries, keys and values equal to the tokens, layer after layer of attention is a flow in time (Geshkovski et al.
2023). Its unnormalised form is the gradient flow, on the sphere, of

    F[μ] = −(1/2β) ∬ e^{β(x·y − 1)} dμ dμ,

and on the sphere e^{β(x·y − 1)} is the Gaussian kernel of bandwidth β^{−1/2}. In three dimensions and more all tokens
meet in one point. For large β they first form clusters that live long: their number falls step by step while F falls.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.csgraph import connected_components

import wgf

TOKENS, DIM, NEAR, LONG = 40, 3, 0.3, 400.0  # tokens closer than NEAR belong to one cluster
sphere = wgf.domains.Sphere()


def clusters(mu):
    """The number of groups that are connected by steps shorter than NEAR."""
    x = mu.x.numpy()
    return connected_components(np.linalg.norm(x[:, None] - x[None], axis=2) < NEAR)[0]


def clustered(beta, seed=0):
    """The run of one β, until all tokens have met, or to t = LONG."""
    F = -(1.0 / beta) * wgf.Interaction(wgf.kernels.Gaussian(beta**-0.5))
    scheme = wgf.solvers.BogackiShampine(rtol=1e-3, atol=1e-5)
    return wgf.solve(
        F, sphere.uniform(TOKENS, DIM, seed), scheme, dt=0.01, t_end=LONG, domain=sphere, record_every=2,
        observers={"clusters": clusters}, until=lambda row: row["clusters"] == 1,
    )  # fmt: skip


figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for beta in (1.0, 2.0, 4.0, 16.0):
    ledger = clustered(beta).ledger
    count, t = ledger["clusters"].astype(int), ledger["t"]
    axis.step(t, count, where="post", label=f"β = {beta:g}")
    last = {k: t[count == k][-1] for k in (8, 6, 4, 2) if (count == k).any()}
    lived = ", ".join(f"{k} until t = {end:.3g}" for k, end in last.items())
    fate = f"all tokens have met at t = {t[-1]:.3g}" if count[-1] == 1 else f"{count[-1]} clusters at t = {t[-1]:.3g}"
    print(f"β = {beta:2.0f}: {fate}; clusters on the way: {lived}")
    print(f"        F from {ledger['free_energy'][0]:.4f} to {ledger['free_energy'][-1]:.4f}, "
          f"closure {100 * ledger['closure_total'][-1]:+.3f} %")  # fmt: skip

axis.set(title="Clusters of tokens merge", xlabel="flow time t", ylabel="clusters", xscale="symlog")
axis.legend(frameon=False)
plt.show()
