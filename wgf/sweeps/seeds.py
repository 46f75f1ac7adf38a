"""The same configuration under several seeds: one run directory each, and the mean and error of the final numbers."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, require_integer
from ..runs import Config, RunResult, run
from ..runs.config import LARGEST_SEED
from ..runs.directory import choose
from .work import Work

MOST = 1000
"""At most so many seeds."""


def run_seeds(
    config: Config, count: int, directory: str | Path | None = None, progress: bool = True
) -> Generator[RunResult, None, None]:
    """Run a configuration under `count` seeds, one after the other.

    Parameters
    ----------
    config : Config
        The checked configuration, from `load_config`. Its seed is the first.
    count : int
        The number of seeds, from 1 to 1000: seed, seed + 1, …
    directory : str or Path, optional
        A new or empty directory; by default the one in `config`, else runs/<name>-<date>-<time>. Each run is a
        directory in it, such as seed-3.
    progress : bool
        Whether to show the progress of each run.

    Yields
    ------
    RunResult
        The result of each run, when it has ended.

    Raises
    ------
    ConfigError
        If the number of seeds is not in its range, or a seed would be beyond 2⁶⁴ − 1.
    WgfError
        As `run`.

    See Also
    --------
    wgf.runs.run, wgf.sweeps.run_sweep

    Examples
    --------
    >>> import tempfile, wgf
    >>> config = wgf.runs.load_config(None, ["network.neurons=100", "solver.dt=0.1", "solver.t_end=0.2"])
    >>> folder = tempfile.mkdtemp()
    >>> [result.directory.name for result in wgf.sweeps.run_seeds(config, 1, folder, progress=False)]
    ['seed-0']
    """
    require_integer("seeds", count, low=1, high=MOST)
    if config.seed + count - 1 > LARGEST_SEED:
        raise ConfigError(f"seeds = {count} from seed = {config.seed}: wanted seeds up to 2^64 - 1.")
    parent = choose(directory or config.output.directory, config.name)
    tasks = [(seed,) for seed in range(config.seed, config.seed + count)]

    def one(seed: int) -> RunResult:
        return run(config.model_copy(update={"seed": seed}), parent / f"seed-{seed}", progress)

    with closing(Work().ended(f"seeds of {config.name}", one, tasks)) as endings:
        for _, ending in endings:
            if ending.error is not None:
                raise ending.error
            yield ending.value


def spread(summaries: list[dict[str, Any]]) -> dict[str, tuple[float, float, int]]:
    """The final numbers over seeds.

    Parameters
    ----------
    summaries : list of dict
        The content of summary.json of each run.

    Returns
    -------
    dict
        Mean, standard error of the mean, and number of finite values, by the name of the column. A column without a
        finite value is left out. The error is NaN for a single value.
    """
    found = {}
    for name in summaries[0]["final"]:
        values = np.array([summary["final"].get(name) for summary in summaries], dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            error = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
            found[name] = float(values.mean()), error, len(values)
    return found
