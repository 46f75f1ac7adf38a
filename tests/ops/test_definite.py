"""The compiled inverse of positive definite matrices, compared with LAPACK and with matrices of known inverse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wgf.ops import linalg


@pytest.mark.parametrize("d", [9, 16, 17, 75, 130, 256])
def test_inverse_and_log_det_are_those_of_lapack(d):
    rows = np.random.default_rng(d).standard_normal((3 * d, d))
    matrix = rows.T @ rows / len(rows)
    inverse, log_det, condition = linalg.inverse_and_log_det(torch.from_numpy(matrix))
    assert torch.equal(inverse, inverse.T)
    np.testing.assert_allclose(inverse.numpy() @ matrix, np.eye(d), atol=1e-12)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrix)[1], rtol=1e-12)
    np.testing.assert_allclose(condition, np.linalg.norm(matrix) * np.linalg.norm(np.linalg.inv(matrix)), rtol=1e-10)


def test_badly_conditioned_matrices_keep_the_digits_that_they_have():
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((40, 40)))[0]
    spectrum = np.logspace(-9, 0, 40)
    inverse = linalg.inverse_and_log_det(torch.from_numpy(turn * spectrum @ turn.T))[0].numpy()
    want = turn / spectrum @ turn.T
    assert np.linalg.norm(inverse - want) < 1e-6 * np.linalg.norm(want)


@pytest.mark.parametrize("place", [0, 7, 8, 19])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_not_definite_has_no_finite_condition(place, bad):
    matrix = torch.eye(20, dtype=torch.float64)
    matrix[place, place] = bad
    assert not torch.isfinite(linalg.inverse_and_log_det(matrix)[2])
