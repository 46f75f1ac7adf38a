"""Numbers that set the size of an array are checked before it is made: what does not fit is refused at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

import wgf
from wgf.errors import ConfigError, ResourceError
from wgf.measure import require_room
from wgf.ops.memory import machine_memory, require_memory, written
from wgf.runs.config import validate
from wgf.studies.frame.statistics import bootstrap_interval, power_law

X = torch.linspace(-1.0, 1.0, 12, dtype=torch.float64).reshape(6, 2)
mu = wgf.Ensemble(X)
RISK = wgf.NetworkRisk(X, X[:, 0])
HEUN = wgf.solvers.Heun()


def in_cells(n: int) -> Any:
    box = wgf.domains.Box(-9.0, 9.0)
    return wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Grid(n), dt=0.1, t_end=1.0, domain=box)


def run(steps: int, **settings: Any) -> Any:
    return wgf.solve(wgf.Quadratic(), mu, HEUN, dt=1.0 / 64, t_end=steps / 64, max_steps=10**13, **settings)


SIZES: dict[str, Callable[[int], Any]] = {
    "Ensemble.gaussian": lambda n: wgf.Ensemble.gaussian(n, 2),
    "Ensemble.gaussian, dim": lambda n: wgf.Ensemble.gaussian(2, n),
    "Ensemble.uniform": lambda n: wgf.Ensemble.uniform(n, 2),
    "Ensemble.uniform, dim": lambda n: wgf.Ensemble.uniform(2, n),
    "risk.initial": RISK.initial,
    "Unit.initial": lambda n: wgf.NetworkRisk(X, X[:, 0], unit=wgf.Unit(lambda z, p: p[0] * z[0], dim=n)).initial(4),
    "SlicedWasserstein": lambda n: wgf.SlicedWasserstein(X, n).value(mu),
    "wasserstein": lambda n: wgf.diagnostics.wasserstein(mu, mu, method="sliced", projections=n),
    "teacher_student, samples": lambda n: wgf.data.teacher_student(n, 2),
    "teacher_student, dim": lambda n: wgf.data.teacher_student(2, n),
    "teacher_student, neurons": lambda n: wgf.data.teacher_student(2, 2, neurons=n),
    "channel_information": lambda n: wgf.diagnostics.channel_information(X, 1.0, draws=n),
    "bootstrap_interval": lambda n: bootstrap_interval([1.0, 2.0, 4.0], resamples=n),
    "power_law": lambda n: power_law([1, 2, 4, 8], [[3 / k, 3.1 / k] for k in (1, 2, 4, 8)], resamples=n),
    "Grid": lambda n: in_cells(min(n, 2**20)),
    "a trajectory": lambda n: run(n, trajectory_every=1, record_every=n),
    "records": lambda n: run(n, record_every=1),
    "collapse_index": lambda n: wgf.collapse_index(
        wgf.Quadratic() - 0.1 * wgf.LogDet(), mu, HEUN, dt=1.0 / 64, t_end=n / 64, records=n
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_beyond_memory_are_refused_at_once(name):
    """10¹² of anything is beyond the memory of this machine; the message says how much there is and what to change."""
    started = time.perf_counter()
    with pytest.raises(ResourceError, match=r"need [0-9.e+]+ [TP]iB of memory, and there are .* here: \w+") as refused:
        SIZES[name](10**12)
    assert time.perf_counter() - started < 10.0  # a first call may import POT and matplotlib
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("name", sorted(set(SIZES) - {"Grid", "a trajectory", "records", "collapse_index"}))
@pytest.mark.parametrize("n", [10**18, 10**40, 10**400, 10**5000], ids=["18", "40", "400", "5000"])
def test_sizes_beyond_any_counter_are_refused(name, n):
    with pytest.raises(ResourceError, match=r"about 10\^\d+ .* here: \w+") as refused:
        SIZES[name](n)
    assert len(str(refused.value)) < 300


def test_what_fits_is_not_refused():
    """Sizes that are large and fit, such as a run of many steps with few records, and one that `until` may end."""
    run(10**3, record_every=10**3, trajectory_every=500)
    machine = machine_memory()
    assert 2**28 < machine <= 2**42
    require_memory("arrays", machine, "nothing")
    with pytest.raises(ResourceError):
        require_memory("arrays", machine + 1, "nothing")
    seen = run(10**12, record_every=1, until=lambda row: row["t"] > 0.1)
    assert seen.status == "CONVERGED" or seen.status.name == "CONVERGED"


@pytest.mark.parametrize("dim", [10**5, 10**6])
def test_covariances_that_no_memory_holds(dim):
    """d² numbers: the covariance of d = 10⁵ takes 80 GB, that of 10⁶ takes 8 TB. The Gram form of log-det does not."""
    wide = wgf.Ensemble(torch.zeros(2, dim, dtype=torch.float64))
    if 16 * dim**2 > machine_memory():
        for ask in (wide.covariance, lambda: wgf.diagnostics.effective_rank(wide)):
            with pytest.raises(ResourceError, match=rf"covariances in {dim} dimensions need"):
                ask()
    assert float(wgf.LogDet(1.0).value(wide)) == 0.0


def test_the_estimate_counts_bytes():
    """n particles in d dimensions: their coordinates twice, once as drawn and once as placed, weights and ids."""
    limit = machine_memory()
    most = limit // (16 * 4)
    require_room(most, 3)
    with pytest.raises(ResourceError):
        require_room(most + 1, 3)
    assert [written(size) for size in (3, 2048, 5 * 2**20, 3 * 2**40, 7 * 2**60)] == [
        "3 bytes", "2 KiB", "5 MiB", "3 TiB", "7 EiB"
    ]  # fmt: skip
    assert written(10**400).endswith("EiB")


@pytest.mark.parametrize("neurons", [10**12, 10**15, 2**63, 10**30])
def test_neurons_of_a_configuration(neurons):
    table = {
        "data": {"source": "diabetes"},
        "network": {"neurons": neurons},
        "solver": {"dt": 0.1, "t_end": 1.0},
    }
    with pytest.raises(ConfigError, match=r"network.neurons.*of memory, and there are"):
        validate(table)
