"""Whole runs compared with other libraries: Langevin dynamics of an Ornstein–Uhlenbeck ensemble, and SVGD."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ... import solvers
from ...energies import Quadratic
from ...entropies import Shannon
from ...flow import solve
from ...measure import Ensemble
from ..frame.case import OURS, Arrays, Case, Target, Unavailable, power

H, TEMPERATURE, STIFFNESS = 0.01, 1.0, 2.0
_SCALE = math.sqrt(2 * H * TEMPERATURE)


# ------------------------------------------------------------------------------------------- Langevin


def ensemble(n: int, d: int) -> Arrays:
    """Particles from N(1, 1), float64."""
    return {"x": 1.0 + np.random.default_rng(0).standard_normal((n, d))}


def summary(x: Any) -> np.ndarray:
    """Mean and variance of all coordinates together. These are comparable between different random numbers."""
    x = np.asarray(x)
    return np.array([x.mean(), x.var()])


def law(steps: int, arrays: Arrays) -> np.ndarray:
    """The expected mean and variance after Euler–Maruyama steps on V = k|x|²/2 from this start."""
    x = arrays["x"]
    decay = (1 - STIFFNESS * H) ** steps
    rest = TEMPERATURE / (STIFFNESS * (1 - STIFFNESS * H / 2))
    return np.array([x.mean() * decay, rest + (x.var() - rest) * decay**2])


def _wgf(steps: int, arrays: Arrays, dtype: str = "float64") -> Callable[[], Any]:
    mu = Ensemble(arrays["x"]).to(dtype=getattr(torch, dtype))
    F = Quadratic(STIFFNESS) - TEMPERATURE * Shannon()

    def call() -> np.ndarray:
        return summary(solve(F, mu, solvers.Langevin(), dt=H, t_end=steps * H, record_every=steps, seed=1).ensemble.x)

    return call


def _torch(steps: int, arrays: Arrays) -> Callable[[], Any]:
    start = torch.from_numpy(arrays["x"])

    def call() -> np.ndarray:
        x = start
        for _ in range(steps):
            x = torch.randn(x.shape, dtype=x.dtype).mul_(_SCALE).add_(x, alpha=1 - STIFFNESS * H)
        return summary(x)

    return call


class _Process(torch.nn.Module):
    """dx = −kx dt + √(2T) dB in the form that torchsde needs."""

    noise_type, sde_type = "diagonal", "ito"

    def f(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return -STIFFNESS * x

    def g(self, t: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.full_like(x, math.sqrt(2 * TEMPERATURE))


def _torchsde(steps: int, arrays: Arrays) -> Callable[[], Any]:
    import torchsde

    x, times = torch.from_numpy(arrays["x"]), torch.tensor([0.0, steps * H], dtype=torch.float64)

    def call() -> np.ndarray:
        with torch.no_grad():
            return summary(torchsde.sdeint(_Process(), x, times, method="euler", dt=H)[-1])

    return call


def _jax_in_float64() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)  # global, but each peer has its own process
    return jax


def _jax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """A plain loop under jit: the best that a library on JAX could reach."""
    jax = _jax_in_float64()
    start = jax.numpy.asarray(arrays["x"])

    @jax.jit
    def walk(x: Any, key: Any) -> Any:
        def step(k: Any, x: Any) -> Any:
            noise = jax.random.normal(jax.random.fold_in(key, k), x.shape, x.dtype)
            return x * (1 - STIFFNESS * H) + _SCALE * noise

        return jax.lax.fori_loop(0, steps, step, x)

    return lambda: summary(walk(start, jax.random.key(1)))


def _diffrax(steps: int, arrays: Arrays) -> Callable[[], Any]:
    """Euler under jit, with its fastest Brownian path, which stores nothing."""
    jax = _jax_in_float64()
    import diffrax
    import lineax

    start = jax.numpy.asarray(arrays["x"]).reshape(-1)
    shape = jax.ShapeDtypeStruct(start.shape, start.dtype)

    @jax.jit
    def walk(y: Any, key: Any) -> Any:
        path = diffrax.UnsafeBrownianPath(shape=shape, key=key)
        diffusion = jax.numpy.full_like(y, math.sqrt(2 * TEMPERATURE))
        terms: Any = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, y, args: -STIFFNESS * y),
            diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(diffusion), path),
        )
        return diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, steps * H, H, y, adjoint=diffrax.DirectAdjoint(), max_steps=steps + 1
        ).ys[-1]

    return lambda: summary(walk(start, jax.random.key(1)))


def _blackjax(kind: str, steps: int, arrays: Arrays) -> Callable[[], Any]:
    """n chains by its unadjusted Langevin (`sgld`, on all particles at once) or by MALA (mapped over the chains)."""
    jax = _jax_in_float64()
    import blackjax

    start = jax.numpy.asarray(arrays["x"])
    if kind == "sgld":
        algorithm = blackjax.sgld(lambda x, batch: -STIFFNESS * x)

        def step(x: Any, key: Any) -> Any:
            return algorithm.step(key, x, 0.0, H, TEMPERATURE), None
    else:
        algorithm = blackjax.mala(lambda x: -0.5 * STIFFNESS * (x @ x), H)

        def step(x: Any, key: Any) -> Any:
            return jax.vmap(algorithm.step)(jax.random.split(key, len(start)), x)[0], None

    @jax.jit
    def walk(key: Any) -> Any:
        first = start if kind == "sgld" else jax.vmap(algorithm.init)(start)
        last, _ = jax.lax.scan(step, first, jax.random.split(key, steps))
        return last if kind == "sgld" else last.position

    return lambda: summary(walk(jax.random.key(1)))


def _langevin(n: int, d: int, steps: int) -> Case:
    return Case(
        name=f"Ornstein–Uhlenbeck, Euler–Maruyama, d = {d}, f64, n = {power(n)}, {steps} steps",
        family="langevin",
        arrays=partial(ensemble, n, d),
        bodies={
            OURS: partial(_wgf, steps),
            "wgf: float32": partial(_wgf, steps, dtype="float32"),
            "torchsde": partial(_torchsde, steps),
            "diffrax": partial(_diffrax, steps),
            "BlackJAX Langevin": partial(_blackjax, "sgld", steps),
            "BlackJAX MALA": partial(_blackjax, "mala", steps),
            "JAX by hand": partial(_jax, steps),
            "torch by hand": partial(_torch, steps),
        },
        oracle=partial(law, steps),
        bound=6 * math.sqrt(2 / (n * d)),
        targets=[
            Target("faster", ("torchsde",), 20),
            Target("faster", ("diffrax",), None, 1),
            Target("faster", ("BlackJAX Langevin",), None, 1),
        ],
        gap=GAP_LANGEVIN,
    )


# ------------------------------------------------------------------------------------------- SVGD

LENGTH, STEPS = 2.0, 10
"""Both use the kernel exp(−|u|²/(2·LENGTH)), and a call makes STEPS steps of SVGD."""


def cloud(n: int, d: int) -> Arrays:
    """Particles from N(1, 1), float32."""
    return {"x": 1.0 + np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)}


def stein_oracle(rows: slice, arrays: Arrays) -> np.ndarray:
    """The exact particles on some rows after STEPS steps for V = |x|²/2, in float64."""
    x = arrays["x"].astype(np.float64)
    for _ in range(STEPS):
        moved = np.empty_like(x)
        for first in range(0, len(x), 500):
            y = x[first : first + 500]
            k = np.exp(-((y[:, None] - x) ** 2).sum(2) / (2 * LENGTH))
            moved[first : first + 500] = (k @ (-x - x / LENGTH) + y * (k.sum(1)[:, None] / LENGTH)) / len(x)
        x = x + H * moved
    return x[rows]


def _wgf_stein(arrays: Arrays) -> Callable[[], Any]:
    if "Stein" not in solvers.REGISTRY:
        raise Unavailable("the registry has no Stein")
    solver = solvers.REGISTRY["Stein"](kernel=math.sqrt(LENGTH))  # type: ignore[call-arg]
    mu, F = Ensemble(arrays["x"]), Quadratic(1.0) - 1.0 * Shannon()
    return lambda: solve(F, mu, solver, dt=H, t_end=STEPS * H, record_every=STEPS).ensemble.x


def _blackjax_svgd(arrays: Arrays) -> Callable[[], Any]:
    """Its SVGD kernel with a plain step. It holds all pairs × d at once, which fits for n = 10⁴ in the plane."""
    import jax
    import optax
    from blackjax.vi import svgd

    x, optimizer = jax.numpy.asarray(arrays["x"]), optax.sgd(H)
    kernel = svgd.build_kernel(optimizer)
    state = svgd.init(x, {"length_scale": 2.0 * LENGTH}, optimizer)
    step = jax.jit(lambda state: kernel(state, lambda p: -p, svgd.rbf_kernel))

    def call() -> Any:
        now = state
        for _ in range(STEPS):
            now = step(now)
        return now.particles

    return call


def _svgd(n: int, d: int) -> Case:
    rows = slice(None, None, max(1, n // 200))
    return Case(
        name=f"SVGD, d = {d}, f32, n = {power(n)}, {STEPS} steps",
        family="stein",
        arrays=partial(cloud, n, d),
        bodies={OURS: _wgf_stein, "BlackJAX": _blackjax_svgd},
        oracle=partial(stein_oracle, rows),
        rows=rows,
        bound=2e-5,
        targets=[Target("faster", ("BlackJAX",), 20)],
        gap=GAP_SVGD,
    )


def cases(quick: bool) -> list[Case]:
    """The rows of whole runs."""
    if quick:
        return [_langevin(2000, 10, 50), _svgd(2000, 2)]
    return [_langevin(20_000, 10, 200), _langevin(100_000, 2, 200), _svgd(10_000, 2)]


GAP_LANGEVIN = (
    "A run does more than its steps: gradient and value of F at every step for the ledger, checks that both are "
    "finite, and records at both ends. Up to d = 8 each record estimates the entropy and its score on 5000 particles, "
    "which costs as much as tens of steps. In higher dimensions it does not."
)
GAP_SVGD = "The sum over pairs takes nearly all the time: see the Stein direction in the bench of kernels."
