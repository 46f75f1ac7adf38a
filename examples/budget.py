"""Resource constraints: a weight norm and transport that must not exceed a budget, priced by dual ascent.

A network learns while ½∫|θ|² dμ stays below a limit: the multiplier rises until the norm is at the limit. Where a limit
is never reached its price is 0, so price times slack is 0 in both cases (complementary slackness). Then particles are
drawn to a distant target with transport ½∫|x − x(0)|² dμ to spend, where the price is known in closed form. Last, a run
stops when its gradient evaluations are used up.
"""

import math

import matplotlib.pyplot as plt

import wgf
from wgf import drives

train, test = wgf.data.load("diabetes")
risk = wgf.NetworkRisk(train.x, train.y)
mu = risk.initial(128, seed=0)
norm = wgf.Quadratic()
print(f"weight norm at the start {float(norm.value(mu)):.3f}")
for limit in (0.9, 50.0):
    F = risk + drives.Budget(norm, limit=limit, rate=0.05, damping=0.1)
    sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.5, t_end=100.0)
    price, slack = sol.ledger["drive:Budget"][-1], limit - float(norm.value(sol.ensemble))
    print(
        f"limit {limit:4.1f}: price {price:.4f}, slack {slack:8.5f}, price × slack {abs(price * slack):.1e}, "
        f"risk {float(risk.value(sol.ensemble)):.4f}"
    )

# transport to spend on the way to a target at distance: λ = k (√(∫|c − x(0)|²/2b) − 1)
k, c, limit = 1.0, 3.0, 0.5
start = wgf.Ensemble.gaussian(200, 2, seed=1)
F = wgf.Quadratic(k, center=c) + drives.Budget(drives.Displacement(), limit=limit, rate=8.0, damping=2.0)
sol = wgf.solve(F, start, wgf.solvers.Heun(), dt=0.05, t_end=20.0)
exact = k * (math.sqrt(float(((c - start.x) ** 2).sum(1).mean()) / (2 * limit)) - 1)
spent = float(drives.Displacement(start).value(sol.ensemble))
print(f"price {sol.ledger['drive:Budget'][-1]:.6f}, exact {exact:.6f}; spent {spent:.6f} of {limit}")

capped = wgf.solve(risk, mu, wgf.solvers.Heun(), dt=0.5, t_end=150.0, record_every=1, until=drives.EvaluationCap(101))
print(f"{capped.ledger['evaluations'][-1]:.0f} gradient evaluations took it to t = {capped.ledger['t'][-1]:g}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["drive:Budget"], label="price")
axis.axhline(exact, color="gray", linestyle="--", label="exact")
axis.set(title="The price of transport rises until the budget holds", xlabel="flow time t", ylabel="price λ")
axis.legend(frameon=False)
plt.show()
