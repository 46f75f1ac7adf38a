"""`wgf bench mine`: work and precision of schemes on the problem of a configuration."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import ConfigError, shown
from ..measure import Ensemble
from ..precision import WorkPrecision, benchmark
from .config import Config
from .jobs import prepare

COARSER = 4.0
"""The coarsest step, as a multiple of the dt of the configuration."""


def bench_config(
    config: Config,
    solvers: list[str] | None = None,
    reference: str = "fine",
    *,
    metric: str | None = None,
    equilibrium: bool = False,
    rounds: int = 1,
    budget: float = 2.0,
) -> WorkPrecision:
    """Measure schemes on the problem of a configuration.

    Parameters
    ----------
    config : Config
        The checked configuration. Steps go from four times its `solver.dt` to an eighth of it.
    solvers : list of str, optional
        The schemes by name. By default every registered one.
    reference : str
        "fine", or the path of a file with samples: .npy (m, d), or .safetensors as `Ensemble.save` writes it.
    metric, equilibrium, rounds, budget
        As for `wgf.benchmark`.

    Returns
    -------
    WorkPrecision
        The result.

    Raises
    ------
    ConfigError
        As `wgf.benchmark`, and where the file holds no samples.
    """
    answer = reference if reference == "fine" else _samples(reference)
    job = prepare(config)
    result = benchmark(
        job.free_energy, job.start, solvers, dt=COARSER * config.solver.dt, t_end=config.solver.t_end, reference=answer,
        metric=metric, equilibrium=equilibrium, domain=config.place(), seed=config.seed, rounds=rounds, budget=budget,
        progress=True,
    )  # fmt: skip
    return WorkPrecision(**{**vars(result), "title": config.name})


def _samples(path: str) -> Ensemble:
    """The samples of a file."""
    if not os.path.isfile(path):
        raise ConfigError(f'reference = {shown(path)}: no such file; wanted "fine" or a file of samples.')
    if Path(path).suffix == ".safetensors":
        return Ensemble.load(path)
    if Path(path).suffix != ".npy":
        raise ConfigError(f"reference = {shown(path)}: wanted a file .npy or .safetensors.")
    try:
        return Ensemble(np.load(path, allow_pickle=False))
    except (ValueError, OSError) as error:
        raise ConfigError(f"reference = {shown(path)}: {error}") from error
