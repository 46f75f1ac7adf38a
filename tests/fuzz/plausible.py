"""Configurations that may well be right, from the signatures of what is registered: networks, problems, drives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import wgf
from wgf import drives
from wgf.extension import Numbers, Pairs, Rows, settings_of
from wgf.functional import Functional
from wgf.runs import laws
from wgf.runs.terms import models

Table = dict[str, Any]
FEATURES = {"diabetes": 10, "breast-cancer": 30, "teacher": 10}
"""The inputs of the data sets."""
SHARE = 0.3
"""The share of configurations without a network."""


def number(rng: random.Random) -> float:
    return rng.choice([0.5, 1.0, 2.0, 0.1, 3, 1e-3, round(rng.uniform(0.05, 3.0), 3)])


def value_of(kind: Any, rng: random.Random, default: Any) -> Any:
    """A value that a setting of this type may have."""
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        return rng.choice([1, 2, 3, 5, 10])
    if kind is float:
        return number(rng)
    if kind == float | str:
        return rng.choice([number(rng), "silverman"])
    if kind == Numbers:
        return rng.choice([number(rng), number(rng), [number(rng) for _ in range(rng.randint(1, 13))]])
    if kind is wgf.kernels.Kernel:
        return registered("kernel", rng)
    if kind is Functional:
        return registered("cost", rng)
    if kind in (drives.Schedule | float, float | Callable[[float], float]):
        return changing(rng) if rng.random() < 0.5 else number(rng)
    if kind == Iterable[tuple[float, float]]:
        return [[0.0, number(rng)], [0.1, number(rng)], [1, number(rng)]][: rng.randint(1, 3)]
    if kind == Iterable[tuple[float, Functional]]:
        return [{"at": t} | registered("moment", rng) for t in (0.0, 0.01, 0.1)[: rng.randint(1, 3)]]
    if kind == Rows:
        return [[number(rng) for _ in range(rng.choice([2, 10, 10, 30]))] for _ in range(3)]
    if kind == Pairs:
        return [[0, 1], [2, 0]][: rng.randint(1, 2)]
    if kind == Numbers | None:
        return rng.choice([None, [0.0, 0.01]])
    if kind in (Any, Any | Callable[[float], Any], Any | Callable[[float], Any] | None):
        return rng.choice([number(rng), [0.25, 0.75], [changing(rng), number(rng)], changing(rng)])
    if kind is str:
        return default if isinstance(default, str) else rng.choice(["auto", "dense", "features", "silverman"])
    return None


KINDS: dict[str, tuple[Any, str]] = {
    "kernel": (wgf.kernels.REGISTRY, "name"),
    "energy": (wgf.energies.REGISTRY, "term"),
    "cost": (wgf.energies.REGISTRY, "term"),
    "moment": (wgf.energies.REGISTRY, "term"),
    "schedule": (wgf.drives.REGISTRY, "schedule"),
    "drive": (wgf.drives.REGISTRY, "drive"),
    "initial": (laws.REGISTRY, "law"),
    "entropy": (wgf.entropies.REGISTRY, "term"),
    "domain": (wgf.domains.REGISTRY, "kind"),
}


def points(rng: random.Random) -> Any:
    """Rows of two numbers, such as the means of a mixture; sometimes something else."""
    return [[number(rng), number(rng)] for _ in range(3)] if rng.random() < 0.9 else number(rng)


def settings(cls: Any, rng: random.Random) -> Table:
    """Settings of a registered class: those required, and some of the others."""
    table = {}
    for key, setting in settings_of(cls).items():
        must = setting.required or key in getattr(cls, "stated", ())
        if key in getattr(cls, "from_data", ()) or key == getattr(cls, "given_risk", None):
            continue
        value = points(rng) if key in ("means", "x") else value_of(setting.kind, rng, setting.default)
        if value is not None and (must or rng.random() < 0.4):
            table[key] = value
    return table


def registered(kind: str, rng: random.Random) -> Table:
    """The table of a random class of a kind, as a file writes it."""
    registry, tag = KINDS[kind]
    name = rng.choice(sorted(models(kind)))
    return {tag: name} | settings(registry[name], rng)


def changing(rng: random.Random) -> Table:
    """A schedule or a control, as a file writes it; ramps by their length."""
    table = registered("schedule", rng)
    if "t1" in table and rng.random() < 0.7:
        table["time"] = table.pop("t1")
    return table


def amount(rng: random.Random, plain: float) -> Any:
    """A coefficient or a temperature: mostly a number, else a schedule."""
    return changing(rng) if rng.random() < 0.2 else plain


def plausible(rng: random.Random) -> Table:
    """A configuration that may well be right."""
    schemes = sorted(wgf.solvers.REGISTRY)
    name = rng.choice(schemes)
    dt = rng.choice([0.01, 0.1, 0.5])
    table: Table = {
        "seed": rng.randrange(2**32),
        "data": {"source": rng.choice(["diabetes", "diabetes", "breast-cancer", "teacher"])},
        "network": {"neurons": rng.choice([20, 40, 60]), "activation": rng.choice(["tanh", "relu", "erf", "sigmoid"])},
        "solver": {"name": name, "dt": dt, "t_end": 2 * dt},
    }
    if rng.random() < 0.3:
        table["dtype"] = rng.choice(["float32", "float64"])
    if rng.random() < 0.3:
        table["network"]["batch"] = rng.choice([10, 50])
    for key, setting in settings_of(wgf.solvers.REGISTRY[name]).items():
        value = value_of(setting.kind, rng, setting.default)
        if value is not None and (setting.required or rng.random() < 0.2):
            table["solver"][key] = value
    problem = rng.random() < SHARE
    table["energy"] = [
        registered("energy" if problem or rng.random() < 0.02 else "cost", rng) for _ in range(rng.choice([0, 1, 1, 2]))
    ]
    for term in table["energy"]:
        if rng.random() < 0.5:
            term["coefficient"] = amount(rng, number(rng))
    table["entropy"] = [
        registered("entropy", rng) | {"temperature": amount(rng, rng.choice([0.0, 0.01, 0.1]))}
        for _ in range(rng.choice([0, 1, 2]))
    ]
    if rng.random() < 0.2:
        table["domain"] = registered("domain", rng)
    if rng.random() < 0.3:
        table["drive"] = [registered("drive", rng) for _ in range(rng.choice([1, 1, 2]))]
    if problem:
        to_problem(table, rng)
    return table


def to_problem(table: Table, rng: random.Random) -> None:
    """Make a system of particles of a configuration of a network."""
    del table["network"]
    alone = ("Budget", "EvaluationCap", "Swap", "CVaR")
    table["drive"] = [drive for drive in table.get("drive", []) if drive["drive"] in alone]
    posterior = any(term["term"] == "LogisticPosterior" for term in table["energy"])
    if not posterior or rng.random() < 0.05:
        del table["data"]
    table["problem"] = {"particles": rng.choice([10, 40, 100])} if rng.random() < 0.8 else {}
    if not posterior:
        table["problem"]["dim"] = rng.choice([1, 2, 2, 2, 3])
    if rng.random() < 0.5:
        table["problem"]["initial"] = registered("initial", rng)
