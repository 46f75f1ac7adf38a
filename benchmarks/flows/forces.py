"""Flows without noise: a quadratic potential, pairs that repel with a log-det entropy, and a double well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import solvers
from ...functional import Functional
from ...measure import Ensemble
from ...protocol import Solver
from ..frame.case import Arrays, Body, Case, Floor, Target, power, relative_error
from ..frame.machine import FMA64
from ..frame.processes import ALONE
from . import ours
from .ours import ENDS, OURS_ALONE, PIECES
from .peers import JAX, TORCH, counted, jax64
from .potentials import AGGREGATION, AUTOGRAD, DOUBLE_WELL, QUADRATIC, WIDTH, Flow, H, cloud, end

# ------------------------------------------------------------------------------------------- bodies


def setup(flow: Flow, arrays: Arrays) -> tuple[Functional, Ensemble, Solver]:
    return flow.functional(), Ensemble(arrays["x"]), solvers.Euler()


def _pieces(flow: Flow, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Value and gradient of F, as the steps need them, and the update."""
    F, mu, _ = setup(flow, arrays)

    def call() -> torch.Tensor:
        now = mu
        for _ in range(steps):
            now = now.moved(now.x - H * F.evaluate(now).gradient)
        return now.x

    return call


def _torch(flow: Flow, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Pairs by |x|² + |y|² − 2x·y and a product with the matrix of the kernel."""
    start = torch.from_numpy(arrays["x"])
    n = len(start)
    c = flow.pairs / (WIDTH**2 * n)

    def call() -> torch.Tensor:
        x = start
        for _ in range(steps):
            g = flow.slope(x)
            if flow.pairs:
                half = (x * x).sum(1).mul_(-0.5 / WIDTH**2)
                k = torch.addmm(half, x, x.T, alpha=1 / WIDTH**2).add_(half[:, None]).exp_()
                g = torch.addmm(g - c * k.sum(1)[:, None] * x, k, x, alpha=c)
            if flow.temperature:
                away = x - x.mean(0)
                g = torch.addmm(g, away, torch.linalg.inv(away.T @ away / n), alpha=-flow.temperature)
            x = x.sub(g, alpha=H)
        return x

    return call


def _autograd(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The potential of `AUTOGRAD` with its gradient by torch."""
    start = torch.from_numpy(arrays["x"])

    def call() -> torch.Tensor:
        x = start
        for _ in range(steps):
            x = x.detach().requires_grad_()
            (g,) = torch.autograd.grad(0.5 * (x * x).sum(), x)
            x = x.detach().sub(g, alpha=H)
        return x

    return call


def _inverse(jnp: Any, cov: Any) -> Any:
    """The inverse of a covariance; in the plane by its formula, as XLA calls LAPACK else."""
    if cov.shape != (2, 2):
        return jnp.linalg.inv(cov)
    a, b, c = cov[0, 0], cov[0, 1], cov[1, 1]
    return jnp.array([[c, -b], [-b, a]]) / (a * c - b * b)


def _jax(flow: Flow, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """A scan under jit. Coordinate by coordinate, so that XLA fuses differences, kernel and sums."""
    jax = jax64()
    jnp = jax.numpy
    start = jnp.asarray(arrays["x"])
    n, d = start.shape
    c = flow.pairs / (WIDTH**2 * n)

    def step(x: Any) -> Any:
        g = flow.slope(x)
        if flow.pairs:
            u = [x[:, k, None] - x[None, :, k] for k in range(d)]
            k = jnp.exp(sum(part * part for part in u) * (-0.5 / WIDTH**2))
            g = g - c * jnp.stack([(k * part).sum(1) for part in u], axis=1)
        if flow.temperature:
            away = x - x.mean(0)
            g = g - flow.temperature * away @ _inverse(jnp, away.T @ away / n)
        return x - H * g

    walk = counted(step, steps, start)
    return lambda: np.asarray(walk())


def _jax_products(flow: Flow, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """The same with matrix products for the pairs, which are faster where there are many."""
    jax = jax64()
    jnp = jax.numpy
    start = jnp.asarray(arrays["x"])
    n = len(start)
    c = flow.pairs / (WIDTH**2 * n)

    def step(x: Any) -> Any:
        half = (x * x).sum(1) * (-0.5 / WIDTH**2)
        k = jnp.exp(x @ x.T / WIDTH**2 + half[:, None] + half[None, :])
        away = x - x.mean(0)
        entropy = flow.temperature * away @ _inverse(jnp, away.T @ away / n)
        return x - H * (flow.slope(x) - c * (k.sum(1)[:, None] * x - k @ x) - entropy)

    walk = counted(step, steps, start)
    return lambda: np.asarray(walk())


def _keops(flow: Flow, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """KeOps for the pairs, numpy for the rest."""
    from pykeops.numpy import Genred

    start = arrays["x"]
    n, d = start.shape
    variables = ["p=Pm(0,1)", f"x=Vi(1,{d})", f"y=Vj(2,{d})"]
    reduce = Genred("Exp(-p*SqDist(x,y))*(x-y)", variables, reduction_op="Sum", axis=1)
    p, c = np.array([0.5 / WIDTH**2]), flow.pairs / (WIDTH**2 * n)

    def call() -> np.ndarray:
        x = start
        for _ in range(steps):
            away = x - x.mean(0)
            entropy = flow.temperature * away @ np.linalg.inv(away.T @ away / n)
            x = x - H * (flow.slope(x) - c * reduce(p, x, x, backend="CPU") - entropy)
        return x

    return call


def diffrax_euler(slope: Callable[[Any], Any], steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Its Euler scheme with fixed steps, under jit."""
    jax = jax64()
    import diffrax

    start = jax.numpy.asarray(arrays["x"])

    @jax.jit
    def walk(y: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: -slope(y)), diffrax.Euler(), 0.0, steps * H, H, y,
            adjoint=diffrax.DirectAdjoint(), max_steps=steps + 1,
        ).ys[-1]  # fmt: skip

    return lambda: np.asarray(walk(start))


# ------------------------------------------------------------------------------------------- cases


def case(flow: Flow, n: int, d: int, steps: int, targets: Sequence[Target], family: str = "forces") -> Case:
    """One flow of n particles."""
    bodies: dict[str, Body] = ours.bodies(partial(setup, flow), H, steps)
    bodies[PIECES] = partial(_pieces, flow, steps)
    bodies[TORCH] = partial(_autograd, steps) if flow is AUTOGRAD else partial(_torch, flow, steps)
    bodies[JAX] = partial(_jax, flow, steps)
    floors = {}
    if flow.pairs:
        if n > 100:
            bodies[f"{JAX}: products"] = partial(_jax_products, flow, steps)
            bodies["KeOps"] = partial(_keops, flow, steps)
        # |u|² and the force need d multiply-adds each, the exponential 11; one |u|² serves both particles of a pair
        floors["FMA pipes, pairs once"] = Floor(FMA64, steps * n * n * (3.0 * d + 11))
    else:
        bodies["diffrax"] = partial(diffrax_euler, flow.slope, steps)
        floors["FMA pipes"] = Floor(FMA64, steps * n * d * 4.0)
    return Case(
        name=f"{flow.title}, d = {d}, n = {power(n)}, {steps} Euler steps",
        family=family,
        arrays=partial(cloud, n, d),
        bodies=bodies,
        oracle=partial(end, flow, steps),
        bound=1e-9,
        floors=floors,
        targets=targets,
        gap=GAP_SMALL if n < 100 else GAP,
        error=relative_error,
        unit="distance of the particles from the same steps in numpy, relative",
        steps=steps,
        checked=ENDS,
    )


def _busy(made: Case, flow: Flow, steps: int, programs: int) -> Case:
    """The same flow with one thread and with all, while other programs spin. JAX is in its faster form."""
    alone = partial(ours.run, partial(setup, flow), H, steps, lambda x: x, steps)
    faster = f"{JAX}: products" if f"{JAX}: products" in made.bodies else JAX
    return replace(
        made,
        name=f"{made.name}, with {programs} busy programs",
        family="threads",
        bodies={
            ENDS: made.bodies[ENDS],
            OURS_ALONE: alone,
            faster: made.bodies[faster],
            f"{JAX}{ALONE}": made.bodies[faster],
        },
        targets=[ours.THREADS],
        busy=programs,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of flows without noise."""
    if quick:
        return [
            case(AGGREGATION, 32, 2, 20, [Target("step", (), 12e-6, ours=ENDS)], "small"),
            case(AUTOGRAD, 32, 2, 20, [], "small"),
            case(DOUBLE_WELL, 150, 2, 10, []),
        ]
    few, many, n = 2000, 100, 1000
    hand = (TORCH, JAX)
    stretch = Target("faster", hand, None, 1.0, ENDS)
    wide = Target("faster", (*hand, f"{JAX}: products", "KeOps"), 4.0, 8.0, ENDS)
    single = case(QUADRATIC, 32, 2, few, [Target("step", (), 2e-6, ours=ENDS), stretch], "small")
    small = case(AGGREGATION, 32, 2, few, [Target("step", (), 12e-6, ours=ENDS), stretch], "small")
    pairs = case(AGGREGATION, n, 2, many, [wide])
    return [
        single,
        _busy(single, QUADRATIC, few, 2),
        small,
        _busy(small, AGGREGATION, few, 2),
        case(AUTOGRAD, 32, 2, few, [Target("step", (), 60e-6, 30e-6, ENDS)], "small"),
        case(QUADRATIC, n, 2, few, []),
        pairs,
        _busy(pairs, AGGREGATION, many, 2),
        case(DOUBLE_WELL, 32, 2, few, []),
        case(DOUBLE_WELL, n, 2, many, []),
    ]


GAP_SMALL = (
    "The arithmetic of a step takes well below a microsecond. The rest is what Python does for a step: the call of "
    "each operation, the check that value and gradient are finite, and the booking of the dissipation. Of a step "
    "along a torch potential, its function and the backward pass of torch take three fifths."
)
GAP = (
    "The floor visits each pair once for both of its particles and counts multiply-adds alone, with an exponential by "
    "a polynomial of degree 11. The sums over pairs take nearly all the time; the rest is what Python does for a step. "
    "On an EPYC with two 512-bit multiply-add units, the loop over eight pairs (float64, d = 2) needs 18 multiply-adds "
    "and products, 9 cycles, and takes 15; sixteen pairs in float32 take 10."
)
