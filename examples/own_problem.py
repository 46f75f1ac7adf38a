"""Which scheme, and which step, for a problem of one's own?

Particles sit in a ring-shaped potential, written in torch, and repel each other. Nobody knows the answer in closed
form, so the same particles with very fine steps serve as the answer. A scheme of one's own takes part beside those of
the package: the midpoint rule. The table says what each error costs, and which steps are not usable.
"""

from dataclasses import dataclass

import wgf
from wgf.protocol import Solver, Step


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
