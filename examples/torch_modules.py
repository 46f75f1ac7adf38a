"""A network between torch and the flow: train with torch, go on as a flow, and hand it back as plain layers.

`risk.from_module` reads the neurons of a two-layer torch network as particles; `risk.to_module` makes a module of
particles. With n neurons, a step of gradient descent with learning rate η on all data is an Euler step of the flow of
length η/n, to rounding. A flow adds what the optimiser does not tell: the ledger, and whether an entropy acts.
"""

import matplotlib.pyplot as plt
import torch
from torch import nn

import wgf

torch.manual_seed(0)
train, test = wgf.data.load("diabetes")
x, y = train.x, train.y[:, None]


def descend(module: nn.Module, rate: float, steps: int) -> float:
    """Gradient descent on all data; the loss at the end."""
    optimiser = torch.optim.SGD(module.parameters(), lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = 0.5 * (module(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    return float(0.5 * (module(x) - y).detach().square().mean())


# a network as torch makes it, with a bias at the output: the unit that carries one is a σ(w·z + b) + c
net = nn.Sequential(nn.Linear(10, 64), nn.Tanh(), nn.Linear(64, 1)).double()
risk = wgf.NetworkRisk(train.x, train.y, activation="tanh", bias=True)
print(f"torch: loss {descend(net, rate=0.05, steps=50):.4f}")
mu = risk.from_module(net)
print(f"read as {mu.n} particles: risk {float(risk.value(mu)):.4f}")

# the flow goes on from there, with an entropy, and says how well its steps resolved it
F = risk + 1e-2 * wgf.Quadratic() - 1e-3 * wgf.LogDet(ridge=1e-3)
sol = wgf.solve(F, mu, wgf.solvers.BogackiShampine(rtol=1e-3, atol=2e-3), dt=0.1, t_end=10.0)
print(f"flow: risk {float(risk.value(sol.ensemble)):.4f}, closure {sol.ledger['closure_total'][-1]:+.3f}")

# and back: the same outputs, the same bits, layers that torch.export and torch.onnx.export take
module = risk.to_module(sol.ensemble)
gap = float((module(test.x)[:, 0] - risk.predict(sol.ensemble, test.x)).detach().abs().max())
same = torch.equal(risk.from_module(module).x, sol.ensemble.x)
print(f"module: largest difference of outputs {gap:.1e}, same bits back: {same}")
program = torch.export.export(module, (test.x,))
print("exported:", ", ".join(sorted({str(n.target) for n in program.graph.nodes if n.op == "call_function"})))

# one flow, two ways: Euler steps of length h, and gradient descent with the rate h·n
h, steps = 0.1, 20
flow = wgf.solve(risk, mu, wgf.solvers.Euler(), dt=h, t_end=h * steps)
twin = risk.to_module(mu)
descend(twin, rate=h * mu.n, steps=steps)
print(f"Euler and descent differ by {float((risk.from_module(twin).x - flow.ensemble.x).abs().max()):.1e}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(sol.ledger["t"], sol.ledger["term:NetworkRisk"])
axis.set(title="A network of torch goes on as a flow", xlabel="flow time t", ylabel="risk")
plt.show()
