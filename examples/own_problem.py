"""Which scheme, and which step, for a problem of one's own?

Particles sit in a ring-shaped potential, written in torch, and repel each other. Nobody knows the answer in closed
form, so the same particles with very fine steps serve as the answer. A scheme of one's own takes part beside those of
the package: the midpoint rule. The table says what each error costs, and which steps are not usable. Then the error is
one's own number, the answer is a law at rest, and the problem is a file, as for `wgf bench mine FILE`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import wgf
from wgf.protocol import Solver, Step
from wgf.runs import load_config
from wgf.runs.bench import bench_config


@dataclass(frozen=True)
class Midpoint(Solver):
    """The explicit midpoint rule: half a step of Euler, and the force from there for the whole step."""

    order = 2

    def step(self, dynamics, state, h, noise):
        half = state.mu.moved(state.mu.x - 0.5 * h * state.evaluation.gradient)
        force = dynamics.evaluate(half, state.t + 0.5 * h, state.step).gradient
        return Step(state.mu.moved(state.mu.x - h * force), state.mu.inner(force, force))


ring = wgf.Potential(lambda x: (x.square().sum(1) - 1.0).square())
F = ring.named("ring") + 0.3 * wgf.Interaction(wgf.kernels.Gaussian(0.5))
mu = wgf.Ensemble.gaussian(100, 2, cov=0.25, seed=0)

schemes = {"Euler": wgf.solvers.Euler(), "midpoint": Midpoint(), "RungeKutta4": wgf.solvers.RungeKutta4(),
           "BogackiShampine": wgf.solvers.BogackiShampine()}  # fmt: skip
result = wgf.benchmark(F, mu, schemes, dt=[0.4, 0.1, 0.05, 0.025], t_end=2.0, budget=5.0)
figure = result.plot()
figure.savefig("work-precision.png")

print(result.answer)
for row in result.rows():
    if "error" in row:
        print(f"{row['solver']:<16} {row['kind']} = {row['effort']:<8.4g} error {row['error']:.2e}", end="  ")
        print(f"{row['evaluations']} evaluations")
for name, reasons in result.unusable().items():
    print(f"not usable: {name}: {'; '.join(reasons)}")
print(f"an error of 1e-4 is cheapest by {result.cheapest(1e-4)}")


# an error of one's own: how far the mean radius is from that of the answer
def radius(found, answer):
    return abs(float(found.x.norm(dim=1).mean() - answer.x.norm(dim=1).mean()))


own = wgf.benchmark(F, mu, ["Euler", "Heun"], dt=[0.1, 0.05], t_end=2.0, metric=radius, budget=5.0)
for row in own.rows():
    print(f"radius, {row['solver']:<6} h = {row['effort']:<5g} error {row['error']:.1e}")

# noise: the answer is the law at rest, N(0, diag(1, 1/4)). Two schemes of equal cost have very different biases.
at_rest = wgf.benchmark(
    wgf.Quadratic([1.0, 4.0]) - 1.0 * wgf.Shannon(),
    wgf.Ensemble.gaussian(20_000, 2, cov=[1.0, 0.25], seed=1),
    ["Langevin", "LeimkuhlerMatthews"],
    dt=[0.2],
    t_end=4.0,
    reference=(np.zeros(2), np.diag([1.0, 0.25])),
    equilibrium=True,
    budget=10.0,
)
print(at_rest.answer)
for row in at_rest.rows():
    print(f"at rest, {row['solver']:<18} h = {row['effort']:g} error {row['error']:.3f}")

# the same from a file: `wgf bench mine wells.toml --solvers Euler,Heun`
Path("wells.toml").write_text("""
[problem]
particles = 100
initial = { law = "gaussian", cov = 0.25 }
[[energy]]
term = "DoubleWell"
barrier = 2.0
[solver]
name = "Heun"
dt = 0.1
t_end = 1.0
""")
config = load_config("wells.toml", ["problem.dim=2"])
mine = bench_config(config, ["Euler", "Heun"], budget=5.0)
print(f"from a file: {mine.equation}; 1e-3 is cheapest by {mine.cheapest(1e-3)}")
