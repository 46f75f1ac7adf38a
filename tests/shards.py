"""Runs of an ensemble that is divided among processes, for the tests: what each runs, and how they are started."""

from __future__ import annotations

import math
import time
import warnings
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing

import wgf
from wgf.errors import WgfError
from wgf.flow import gear
from wgf.measure import ShardedEnsemble
from wgf.summation import Summation
from wgf.summation.methods import PROBES

S = wgf.solvers
SIZES = (1, 2, 3)
"""Numbers of processes."""


class Local(wgf.Functional):
    """A term whose force is not finite at one particle, which one process has, once it is left of a point."""

    integrates = True

    def __init__(self, end=float("inf")):
        self.end = end

    def _value(self, mu):
        return mu.mean()[0]

    def _first_variation(self, mu, at):
        return mu.points(at)[:, 0]

    def _gradient(self, mu, at):
        force = torch.ones_like(mu.points(at))
        force[(mu.ids == 900) & (mu.x[:, 0] < self.end)] = torch.nan
        return force


def network(batch=None):
    made = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 5, generator=made, dtype=torch.float64)
    return wgf.NetworkRisk(inputs, inputs[:, :1].tanh(), batch=batch)


def cases():
    """(name, F, ensemble, scheme) of every run that is compared."""
    normal = wgf.Ensemble.gaussian
    stiff = torch.eye(12, dtype=torch.float64) + 0.1
    yield "default", wgf.Quadratic() - 0.5 * wgf.LogDet(), normal(1001, 3, seed=1, cov=2.0), S.Heun()
    yield "noise", wgf.Quadratic([1.0, 2.0]) - 0.5 * wgf.Shannon(), normal(1001, 2, seed=1), S.Langevin()
    yield "wide", wgf.Quadratic(stiff) - 0.5 * wgf.LogDet(), normal(1001, 12, seed=1), S.RungeKutta4()
    surrogates = 0.5 * wgf.LogVariance(ridge=0.1) + 0.1 * wgf.Variance()
    yield "float32", wgf.DoubleWell() - surrogates, normal(1001, 9, seed=1, dtype="float32"), S.Euler()
    inertial = wgf.Quadratic() - 0.1 * wgf.SpectralEntropy() - 0.1 * wgf.CodingRate(1.0)
    yield "inertial", inertial, normal(500, 3, seed=1), S.Accelerated()
    yield "adaptive", wgf.Quadratic() - 0.1 * wgf.LogDet(), normal(500, 3, seed=1), S.BogackiShampine()
    yield "affine", wgf.Quadratic([1.0, 100.0]) - wgf.Shannon(), normal(500, 2, seed=1), S.AffineInvariant()
    risk = network()
    yield "network", risk - 1e-3 * wgf.Shannon(), risk.initial(500, seed=0), S.Langevin()
    risk = network(batch=20)
    yield "minibatch", risk + 1e-3 * wgf.Quadratic(), risk.initial(500, seed=0), S.Heun()
    cloud, K = normal(500, 2, seed=1), wgf.kernels
    yield "pairs", wgf.Quadratic() + wgf.Interaction(K.Gaussian(0.5) + K.QuadraticKernel(0.1), "dense"), cloud, S.Heun()
    transformed = wgf.Interaction(K.Gaussian(0.5), "fourier", 1e-6)
    yield "fourier", wgf.Quadratic() + transformed - 0.1 * wgf.Shannon(), cloud, S.Langevin()
    yield "singular", wgf.Quadratic() + 0.1 * wgf.Interaction(K.Log()), normal(300, 2, seed=1), S.Euler()
    yield "blob", wgf.Quadratic() - wgf.Blob("silverman"), normal(300, 2, seed=1), S.Euler()
    yield "samples", wgf.MMD(normal(100, 2, seed=2), K.Gaussian(1.0)), normal(300, 2, seed=1), S.Euler()
    yield "stein", wgf.Quadratic() - wgf.Shannon(), normal(300, 2, seed=1), S.Stein()
    matern = S.Stein(K.Matern(2.5, 1.0) + 0.5 * K.Linear())
    yield "steins", wgf.Quadratic() - wgf.Shannon(), normal(300, 2, seed=1), matern
    teleport = S.BirthDeath(rate=40.0, ess_threshold=0.95)
    yield "teleport", wgf.DoubleWell() - 0.5 * wgf.Shannon(), normal(300, 2, seed=1), teleport
    batches = S.RandomBatch(S.Heun(), size=4)
    yield "batches", wgf.Quadratic() + wgf.Interaction(K.Gaussian(0.5), "dense"), cloud, batches


OTHER_DRAWS = ("teleport", "batches")
"""Cases in which a plain run draws otherwise: copies in the order of their ids, and other random batches."""

REFUSED = {
    "SlicedWasserstein": lambda mu: (wgf.SlicedWasserstein(mu), S.Heun()),
    "KoLeo": lambda mu: (wgf.Quadratic() - wgf.KoLeo(), S.Heun()),
    "Score": lambda mu: (wgf.Quadratic() - wgf.Score(), S.Heun()),
    "from_function": lambda mu: (wgf.from_function(lambda x, w: (w[:, None] * x).sum()), S.Heun()),
    "JKO": lambda mu: (wgf.Quadratic(), S.JKO()),
    "Grid": lambda mu: (wgf.Quadratic() - wgf.Shannon(), S.Grid(32)),
}


def solved(F, mu, solver, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wgf.solve(F, mu, solver, **({"dt": 0.01, "t_end": 0.05, "record_every": 5} | more))


def result(solution):
    """Particles in the order of their ids, weights, ledger and the bytes sent."""
    mu, sent = solution.ensemble, {}
    if isinstance(mu, ShardedEnsemble):
        sent = dict(mu.group.sent)
        mu = mu.gathered()
    order = torch.argsort(mu.ids)
    table = {name: solution.ledger[name].tolist() for name in solution.ledger.columns}
    return {"x": mu.x[order], "weights": mu.weights[order], "table": table, "sent": sent}


def error_of(call):
    try:
        call()
    except WgfError as error:
        return type(error).__name__, str(error)
    return None


def spent(processes):
    """Bytes sent for one evaluation, and the formula, by what is summed; `ring` is per sum over all pairs."""
    found: dict[int, Any] = {}
    for n in (1000, 4000):
        mu: Any = wgf.Ensemble.gaussian(n, 3).shard(processes=processes, blocks=8)
        group, tree = mu.group, mu.tree

        def by(call, kind, group=group):
            before = group.sent[kind]
            call()
            return group.sent[kind] - before

        following = mu.layout.span((group.rank + 1) % group.size)
        rows = n - (following[1] - following[0]) if group.size > 1 else 0
        gauss, wide = wgf.kernels.Gaussian(1.0), torch.Generator().manual_seed(0)
        inputs = torch.randn(3000, 2, generator=wide, dtype=torch.float64)
        risk = wgf.NetworkRisk(inputs, torch.arange(3000) % 10, loss="cross_entropy")
        neurons = risk.initial(n, seed=0).shard(processes=processes, blocks=8)
        found[n] = {
            "moments": (by(mu.moments, "sums"), tree.sent(1 + 3 + 6)),
            "mean": (by(mu.mean, "sums"), tree.sent(3)),
            "fourier": _fourier(n, processes),
            "ring": (by(partial(mu.kernel_sums, gauss), "ring"), rows * 8 * (3 + 1)),
            "network": (
                by(partial(risk.evaluate, neurons), "sums", neurons.group),
                neurons.tree.sent(3000 * 10),
            ),
        }
    return found


def _fourier(n, processes):
    """Bytes sent for sums by Fourier transforms, and the formula."""
    x = wgf.Ensemble.uniform(n, 2, seed=1).x
    x[0], x[1] = 0.0, 1.0  # one box, whatever n
    mu: Any = wgf.Ensemble(x).shard(processes=processes, blocks=8)
    parts, kernel, how = mu.parts(), wgf.kernels.Gaussian(0.2), Summation("fourier", 1e-6)
    modes = math.prod(parts._plan(kernel, parts.cloud(kernel), how).modes)
    before = mu.group.sent["sums"]
    mu.kernel_sums(kernel, None, None, how.method, how.rtol)
    ends = (mu.layout.size - 1) * 2 * 2 * 8
    return mu.group.sent["sums"] - before, sum(map(mu.tree.sent, (PROBES * 2, PROBES * 3, 1, 2 * modes))) + ends


def by_step(processes):
    """Messages, bytes sent and their formula for one step between records, by what is run."""
    found, risk = {}, network()
    mu, neurons = wgf.Ensemble.gaussian(1000, 3), risk.initial(1000, seed=0)
    both = 1 + 3 + 6, 1 + 7 + 28
    runs = {
        "moments": (wgf.Quadratic() - 0.5 * wgf.LogDet(), S.Euler(), mu, (1, 1, both[0])),
        "network": (risk - 1e-3 * wgf.LogDet(1e-3), S.Euler(), neurons, (1, 50, both[1])),
        "noise": (wgf.Quadratic() - 0.5 * wgf.Shannon(), S.Langevin(), mu, (1,)),
    }
    for name, (F, scheme, whole, sums) in runs.items():
        made, sent = [], []
        for steps in (4, 12):
            divided: Any = whole.shard(processes=processes)
            solved(F, divided, scheme, t_end=0.01 * steps, record_every=100)
            made.append(sum(divided.group.calls.values()))
            sent.append(divided.group.sent["sums"])
        formula = sum(divided.tree.sent(count) for count in sums)
        found[name] = ((made[1] - made[0]) / 8, (sent[1] - sent[0]) / 8, formula)
    return found


def geared(processes):
    """Runs in the second gear and in the first one, by the name of the scheme."""
    F, mu = wgf.Quadratic([1.0, 2.0]), wgf.Ensemble.gaussian(1001, 2)
    for scheme in (S.Heun(), S.Underdamped(), S.Langevin()):
        noise = 0.5 if scheme.stochastic else 0.0
        for second in (True, False):
            with gear.forced(second):
                run = solved(F - noise * wgf.Shannon() if noise else F, mu.shard(processes=processes), scheme)
            yield (scheme.name, second), result(run)


def work(processes):
    """Everything that a group of processes is asked for."""
    found = {name: result(solved(F, mu.shard(processes=processes), scheme)) for name, F, mu, scheme in cases()}
    mu = wgf.Ensemble.gaussian(1000, 2).shard(processes=processes)
    found["refused"] = {name: error_of(lambda made=made: solved(*_put(made(mu), mu))) for name, made in REFUSED.items()}
    found["bytes"] = spent(processes)
    found["lost"] = error_of(lambda: solved(Local(), mu, S.Heun()))
    end = wgf.Ensemble.gaussian(1000, 2).x[900, 0] - 0.025
    found["lost later"] = error_of(lambda: solved(Local(end), mu, S.Euler()))
    found["by step"], found["geared"] = by_step(processes), dict(geared(processes))
    return found


def _put(pair, mu):
    return pair[0], mu, pair[1]


def apart(rank):
    """What only three processes show: ensembles that differ, and one that does not come."""
    found = {"differ": error_of(lambda: wgf.Ensemble.gaussian(100, 2, seed=rank // 2).shard())}
    mu = wgf.Ensemble.gaussian(100, 2).shard(timeout=1.5)
    dist.barrier()
    begun = time.monotonic()
    found["silent"] = None if rank == 2 else error_of(mu.mean)
    found["waited"] = time.monotonic() - begun
    dist.barrier()
    return found


KEPT = {"dt": 0.01, "t_end": 0.2, "record_every": 4}


def kept():
    """The run that is stored: a scheme with a memory, and noise."""
    return wgf.Quadratic([1.0, 2.0]) - 0.5 * wgf.Shannon(), wgf.Ensemble.gaussian(500, 2, seed=3), S.Underdamped()


def stored(rank, folder):
    """A run that two processes begin and three go on with, and the same run unbroken."""
    F, mu, scheme = kept()
    if rank < 2:
        error_of(lambda: solved(F, mu.shard(processes=[0, 1]), scheme, **KEPT, store=folder / "run", max_steps=9))
    dist.barrier()
    gone_on = wgf.resume(folder / "run", max_steps=4, throw=False)
    return {
        "broken": result(gone_on),
        "unbroken": result(solved(F, mu.shard(), scheme, **KEPT, max_steps=13, throw=False)),
    }


def process(rank, folder):
    torch.set_num_threads(1)
    where = {"init_method": f"file://{folder}/meeting", "rank": rank, "world_size": 3}
    dist.init_process_group("gloo", timeout=timedelta(seconds=60), **where)
    for size in SIZES:
        if rank < size:
            torch.save(work(list(range(size))), folder / f"{size}-{rank}")
    dist.barrier()
    torch.save(stored(rank, folder), folder / f"stored-{rank}")
    torch.save(apart(rank), folder / f"apart-{rank}")
    dist.destroy_process_group()


def compile_all(_rank):
    """Fill the cache of compiled functions. Code that is compiled and code that is loaded may round otherwise."""
    torch.set_num_threads(1)
    for _, F, mu, scheme in cases():
        solved(F, mu.shard(), scheme, t_end=0.01)


def start(folder: Path):
    """Start three processes once, and give what each found, by (number of processes, process)."""
    torch.multiprocessing.spawn(compile_all, nprocs=1)
    torch.multiprocessing.spawn(process, (folder,), nprocs=3)
    names: list[Any] = [(size, rank) for size in SIZES for rank in range(size)]
    names += [(name, rank) for name in ("apart", "stored") for rank in range(3)]
    found = {name: torch.load(folder / "{}-{}".format(*name), weights_only=False) for name in names}
    return found | {"folder": folder}
