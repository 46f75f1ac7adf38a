"""Names that people try: numpy arrays of ensembles, columns as attributes, and the names of other libraries."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import ConfigError

mu = wgf.Ensemble.gaussian(20, 2)
F = wgf.Quadratic() - 0.1 * wgf.LogDet()
sol = wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.1, t_end=0.5, observers={"own": lambda m: 1.0})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_ensemble_as_an_array_is_its_particles(dtype):
    given = mu.to(dtype=dtype)
    array: np.ndarray = np.asarray(given)
    assert array.dtype == dtype
    assert np.array_equal(array, given.x.numpy())
    array[:] = 0.0  # a copy: the ensemble is immutable
    assert float(given.x.abs().max()) > 0
    assert np.asarray(given, dtype=np.float16).dtype == np.float16
    assert np.array(given, copy=True).shape == (20, 2)
    assert torch.equal(wgf.Ensemble(given).x, given.x)
    assert np.array_equal(np.concatenate([given, given])[20:], given.x.numpy())


def test_an_array_that_would_lose_weights_is_refused():
    weighted = wgf.Ensemble([[0.0], [1.0]], [0.25, 0.75])
    for ask in (np.asarray, np.array, lambda m: np.stack([m, m])):
        with pytest.raises(ConfigError, match=r"lose its weights: take mu\.x and mu\.weights"):
            ask(weighted)
    with pytest.raises(TypeError):
        np.float64(2.0) * mu  # type: ignore[operator]


@pytest.mark.parametrize("column", ["t", "free_energy", "closure", "own"])
def test_a_column_as_an_attribute_says_how_it_is_read(column):
    with pytest.raises(AttributeError, match=rf'write ledger\["{column}"\]'):
        getattr(sol.ledger, column)
    assert not hasattr(sol.ledger, column)
    assert sol.ledger[column].shape == (6,)


@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [
        (sol, "x", "write sol.ensemble.x"),
        (sol, "particles", "write sol.ensemble.x"),
        (sol, "mu", "write sol.ensemble"),
        (sol, "t", r'write sol.ledger\["t"\]'),
        (sol, "free_energy", r'write sol.ledger\["free_energy"\]'),
        (sol, "success", "write sol.status.ok"),
        (sol, "history", "write sol.ledger"),
        (sol, "trajektory", "did you mean 'trajectory'"),
        (sol, "qqq", "has no attribute 'qqq'"),
        (mu, "shape", "write mu.x.shape, mu.n and mu.dim"),
        (mu, "cov", r"write mu.covariance\(\)"),
        (mu, "positions", "write mu.x"),
        (mu, "numpy", r"write mu.x.cpu\(\).numpy\(\)"),
        (mu, "wieghts", "did you mean 'weights'"),
        (sol.ledger, "colums", "did you mean 'columns'"),
    ],
)
def test_other_names_say_what_to_write(owner, name, said):
    with pytest.raises(AttributeError, match=said) as refused:
        getattr(owner, name)
    assert len(str(refused.value)) < 300
    assert getattr(owner, name, None) is None


def test_a_record_asked_for_by_number():
    for index in (0, -1, slice(0, 2)):
        with pytest.raises(KeyError, match=r"a record is ledger\.row"):
            sol.ledger[index]  # type: ignore[index]


def test_copies_are_not_disturbed():
    for make in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert torch.equal(make(mu).x, mu.x)
        assert np.array_equal(make(sol.ledger)["t"], sol.ledger["t"])
    assert torch.equal(copy.copy(sol).ensemble.x, sol.ensemble.x)
