"""The door for arrays: what would change on the way in is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wgf
from wgf import drives
from wgf.diagnostics.rates import decay_rate
from wgf.errors import ConfigError, WgfError
from wgf.measure import as_numbers, to_tensor

MU = wgf.Ensemble([[0.0, 0.0], [1.0, 2.0]])
RISK = wgf.NetworkRisk([[0.0], [1.0]], [0.0, 1.0])


def masked(*shape, dtype=float):
    """An array with one masked entry, −9999."""
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    values.flat[-1] = -9999
    return np.ma.masked_equal(values, -9999)


DOORS = {
    "particles": lambda: wgf.Ensemble(masked(2, 2)),
    "rows of particles": lambda: wgf.Ensemble([masked(2), masked(2)]),
    "weights": lambda: wgf.Ensemble([[0.0], [1.0]], masked(2)),
    "ids": lambda: wgf.Ensemble([[0.0], [1.0]], ids=masked(2, dtype=np.int64)),
    "values": lambda: MU.expect(masked(2)),
    "points": lambda: wgf.Quadratic().gradient(MU, masked(2, 2)),
    "rows": lambda: MU.select(masked(2, dtype=np.int64)),
    "mean": lambda: wgf.Ensemble.gaussian(3, 2, mean=masked(2)),
    "covariance": lambda: wgf.Ensemble.gaussian(3, 2, cov=masked(2)),
    "bounds": lambda: wgf.Ensemble.uniform(3, 2, low=masked(2)),
    "centre": lambda: wgf.Quadratic(1.0, masked(2)),
    "data": lambda: wgf.LeastSquares(lambda x: x, masked(2)),
    "covariance of the noise": lambda: wgf.LeastSquares(lambda x: x, [0.0, 0.0], masked(2)),
    "predictions": lambda: wgf.LeastSquares(lambda x: masked(2, 2), [0.0, 0.0]).value(MU),
    "potential": lambda: wgf.Potential(lambda x: masked(2), lambda x: x).value(MU),
    "score": lambda: wgf.KSD(lambda x: masked(2, 2), wgf.kernels.Gaussian(1.0)).value(MU),
    "targets": lambda: wgf.NetworkRisk(np.ones((2, 1)), masked(2)),
    "classes": lambda: wgf.NetworkRisk(np.ones((2, 1)), masked(2, dtype=np.int64), loss="cross_entropy"),
    "inputs": lambda: wgf.NetworkRisk(masked(2, 1), [0.0, 1.0]),
    "new inputs": lambda: RISK.predict(wgf.Ensemble(np.ones((2, 3))), masked(2, 1)),
    "probabilities": lambda: RISK.with_law(masked(2)),
    "domain": lambda: wgf.domains.Box(masked(2), 9.0),
    "points of a domain": lambda: wgf.domains.Box(0.0, 9.0).contains(masked(2, 2)),
    "points of a kernel": lambda: wgf.kernels.Gaussian(1.0)(masked(2, 2)),
    "pairs": lambda: drives.Preferences(RISK, [[0.0]], masked(2, 2, dtype=np.int64)),
    "displacement": lambda: drives.CovariateShift(wgf.NetworkRisk([[0.0]], [0.0]), displacement=masked(1)).at(0.0),
    "a curve": lambda: decay_rate(np.arange(5.0), masked(5)),
    "torch": lambda: wgf.Ensemble(torch.masked.masked_tensor(torch.ones(2, 1), torch.tensor([[True], [False]]))),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*prototype")
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_masked_arrays_are_refused_at_every_door(door):
    with pytest.raises(WgfError, match=r"[Mm]asked"):
        door()


def test_a_masked_array_without_masked_entries_is_an_array():
    whole = np.ma.array([[1.0, 2.0], [3.0, 4.0]])
    assert wgf.Ensemble(whole).x.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert to_tensor(np.ma.masked_equal(whole, -1.0)).tolist() == whole.tolist()


def test_imaginary_parts_are_not_dropped():
    for door in (
        lambda z: wgf.Ensemble.gaussian(3, 2, mean=z),
        lambda z: wgf.Quadratic(1.0, z),
        lambda z: wgf.LeastSquares(lambda x: x, z),
        lambda z: wgf.domains.Box(z, 1.0),
        lambda z: wgf.Quadratic().gradient(MU, z.reshape(1, 2)),
    ):
        with pytest.raises(ConfigError):
            door(np.array([0.0, 1j]))


def test_numbers_of_any_dtype_become_float64():
    for value in ([1, 2], np.array([1, 2], dtype=np.uint16), torch.tensor([1.0, 2.0]), (1.0, 2)):
        assert as_numbers("mean", value).tolist() == [1.0, 2.0]
    given = torch.tensor([1.0], dtype=torch.float64)
    assert as_numbers("mean", given).data_ptr() != given.data_ptr()


def test_layouts_that_are_no_arrays_are_named():
    with pytest.raises(ConfigError, match="dense"):
        wgf.Ensemble(torch.eye(3).to_sparse())
