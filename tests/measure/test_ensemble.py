"""The measure: what it accepts, what it integrates, and that nothing changes it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.errors import BackendError, CheckpointError, ConfigError, ShapeError


def test_it_copies_unless_told_otherwise():
    x = np.arange(6.0).reshape(3, 2)
    mu, view = wgf.Ensemble(x), wgf.Ensemble(x, copy=False)
    x[0, 0] = 100.0
    assert float(mu.x[0, 0]) == 0.0
    assert float(view.x[0, 0]) == 100.0
    with pytest.raises(AttributeError):
        setattr(mu, "x", x)  # noqa: B010  by name, so that no type checker refuses what the class must


def test_numpy_lists_and_tensors_come_in():
    for x in ([[1.0, 2.0]], np.array([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]], dtype=torch.float64)):
        mu = wgf.Ensemble(x)
        assert (mu.n, mu.dim, mu.dtype) == (1, 2, torch.float64)
    assert wgf.Ensemble(np.ones((2, 2), dtype=np.float32)).dtype == torch.float32
    transposed = np.arange(6.0).reshape(2, 3).T
    assert wgf.Ensemble(transposed).x.is_contiguous()


def test_integrals_against_numpy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(50, 3)), rng.uniform(size=50)
    w /= w.sum()
    mu = wgf.Ensemble(x, w)
    np.testing.assert_allclose(mu.mean(), w @ x, rtol=1e-13)
    np.testing.assert_allclose(mu.covariance(), np.cov(x.T, aweights=w, ddof=0), rtol=1e-12)
    np.testing.assert_allclose(mu.expect(x[:, 0] ** 2), w @ x[:, 0] ** 2, rtol=1e-13)
    np.testing.assert_allclose(mu.expect(x[:, :, None] * x[:, None]), np.einsum("i,ij,ik->jk", w, x, x), rtol=1e-12)
    gram = np.exp(-((x[:, None] - x[None]) ** 2).sum(-1) / 2)
    np.testing.assert_allclose(mu.convolve(K.Gaussian(1.0)), gram @ w, rtol=1e-12)
    with pytest.raises(ShapeError, match=r"wanted \(50, \.\.\.\)"):
        mu.expect(x[:5])
    with pytest.raises(ShapeError, match=r"wanted \(m, 3\)"):
        mu.convolve(K.Gaussian(1.0), x[:, :2])


def test_a_far_centre_costs_no_digits():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    near, far = wgf.Ensemble(x).covariance(), wgf.Ensemble(x + 1e6).covariance()
    torch.testing.assert_close(near, far, rtol=1e-9, atol=1e-9)
    force = wgf.Interaction(K.QuadraticKernel(1.0)).gradient(wgf.Ensemble(x + 1e6))
    np.testing.assert_allclose(force, x - x.mean(0), atol=1e-8)


def test_float32_sums_are_accumulated_in_float64():
    x = np.full((1_000_000, 1), 0.1, dtype=np.float32)
    assert float(wgf.Ensemble(x).mean()) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_gaussian_and_uniform_samples():
    """Moments at 5 standard errors (false alarm 6e-7)."""
    n = 20_000
    cov = np.array([[2.0, 0.6], [0.6, 0.5]])
    mu = wgf.Ensemble.gaussian(n, 2, mean=[1.0, -1.0], cov=cov, seed=3)
    np.testing.assert_allclose(mu.mean(), [1.0, -1.0], atol=5 * math.sqrt(2.0 / n))
    np.testing.assert_allclose(mu.covariance(), cov, atol=5 * 2.0 * math.sqrt(2.0 / n))
    again, other = (wgf.Ensemble.gaussian(n, 2, mean=[1.0, -1.0], cov=cov, seed=s) for s in (3, 4))
    assert torch.equal(mu.x, again.x)
    assert not torch.equal(mu.x, other.x)
    first = wgf.Ensemble.gaussian(10, 2, mean=[1.0, -1.0], cov=cov, seed=3)
    assert torch.equal(first.x, mu.x[:10])  # noise is keyed by the particle, not by how many there are
    np.testing.assert_allclose(wgf.Ensemble.gaussian(n, 2, cov=[4.0, 0.0]).covariance().diagonal(), [4, 0], atol=0.2)
    box = wgf.Ensemble.uniform(n, 2, low=[-1, 0], high=[1, 5], seed=1)
    assert (box.x.min(0).values > torch.tensor([-1.0, 0.0])).all()
    assert (box.x.max(0).values <= torch.tensor([1.0, 5.0])).all()
    np.testing.assert_allclose(box.mean(), [0.0, 2.5], atol=5 * math.sqrt(25 / 12 / n))
    assert wgf.Ensemble.gaussian(3, 1, dtype="float32").dtype == torch.float32


def test_saving_is_exact_and_damage_is_found(tmp_path):
    mu = wgf.Ensemble(np.random.default_rng(0).normal(size=(5, 2)), [0.1, 0.2, 0.3, 0.2, 0.2], ids=torch.arange(5) + 7)
    path = tmp_path / "mu.safetensors"
    mu.save(path)
    back = wgf.Ensemble.load(path)
    assert torch.equal(back.x, mu.x)
    assert torch.equal(back.weights, mu.weights)
    assert torch.equal(back.ids, mu.ids)
    assert [p.name for p in tmp_path.iterdir()] == ["mu.safetensors"]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(CheckpointError, match="cannot read"):
        wgf.Ensemble.load(path)
    with pytest.raises(CheckpointError, match="missing"):
        wgf.Ensemble.load(tmp_path / "missing")
    with pytest.raises(CheckpointError, match="cannot write"):
        mu.save(tmp_path / "no" / "such" / "folder")


def test_selection_keeps_identities():
    mu = wgf.Ensemble([[0.0], [1.0], [2.0]], [0.5, 0.25, 0.25])
    part = mu.select([2, 0])
    assert part.ids.tolist() == [2, 0]
    torch.testing.assert_close(part.weights, torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(3), ShapeError, r"shape \(3,\); wanted \(n, d\).*use shape \(3, 1\)"),
        (np.zeros((0, 2)), ShapeError, "at least one particle"),
        (np.zeros((2, 0)), ShapeError, "at least one dimension"),
        (np.zeros((2, 2, 2)), ShapeError, r"wanted \(n, d\)"),
        (np.zeros((2, 2), dtype=int), ConfigError, "dtype int64; wanted float64 or float32"),
        (np.zeros((2, 2), dtype=complex), ConfigError, "dtype complex128"),
        (np.zeros((2, 2), dtype=bool), ConfigError, "dtype bool"),
        ([[1.0], [1.0, 2.0]], ShapeError, "rectangular"),
        ([["a"]], ShapeError, "numbers"),
        ([[0.0, 1.0], [0.0, math.nan]], ConfigError, "nan at row 1, column 1"),
        ([[0.0, 1.0], [-math.inf, 0.0]], ConfigError, "-inf at row 1, column 0"),
    ],
)
def test_bad_particles(x, error, message):
    with pytest.raises(error, match=message):
        wgf.Ensemble(x)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([0.5, 0.6], ConfigError, r"sum to 1\.1; wanted 1"),
        ([1.5, -0.5], ConfigError, "-0.5 at particle 1; wanted weights ≥ 0"),
        ([1.0], ShapeError, r"shape \(1,\); wanted \(2,\)"),
        ([math.nan, 1.0], ConfigError, "nan at row 0"),
        ([1, 0], ConfigError, "dtype int64"),
    ],
)
def test_bad_weights(weights, error, message):
    with pytest.raises(error, match=message):
        wgf.Ensemble([[0.0], [1.0]], weights)


def test_bad_samples_and_devices():
    for n in (0, -1, 1.5, True, "3"):
        with pytest.raises(ConfigError, match=r"n = .*integer ≥ 1"):
            wgf.Ensemble.gaussian(n, 2)
    with pytest.raises(ConfigError, match="seed = -1"):
        wgf.Ensemble.gaussian(2, 2, seed=-1)
    with pytest.raises(ConfigError, match="variances must be ≥ 0"):
        wgf.Ensemble.gaussian(2, 2, cov=-1.0)
    with pytest.raises(ConfigError, match="eigenvalue -1"):
        wgf.Ensemble.gaussian(2, 2, cov=[[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ConfigError, match="not symmetric"):
        wgf.Ensemble.gaussian(2, 2, cov=[[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(ConfigError, match="low < high"):
        wgf.Ensemble.uniform(2, 2, 1.0, 0.0)
    with pytest.raises(ShapeError, match="mean"):
        wgf.Ensemble.gaussian(2, 2, mean=[0.0, 0.0, 0.0])
    mu = wgf.Ensemble([[0.0]])
    with pytest.raises(ConfigError, match="wanted float64 or float32"):
        mu.to(dtype=torch.float16)
    with pytest.raises(ConfigError, match="device = 'gpu'"):
        mu.to("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(BackendError, match="sees no CUDA"):
            mu.to("cuda")


def test_any_numpy_layout_comes_in():
    x = np.arange(6.0).reshape(3, 2)
    mu = wgf.Ensemble(x)
    assert wgf.Ensemble(x[::-1]).x.tolist() == x[::-1].tolist()
    assert torch.equal(wgf.Ensemble(x.astype(">f8")).x, mu.x)
    assert float(mu.expect(x[::-1, 0])) == pytest.approx(2.0)
    assert wgf.Quadratic().gradient(mu, x[::-1]).tolist() == x[::-1].tolist()


def test_complex_values_are_integrated_whole():
    mu = wgf.Ensemble([[0.0], [math.pi / 2]])
    order = mu.expect(torch.exp(1j * mu.x[:, 0]))
    assert complex(order) == pytest.approx(0.5 + 0.5j)


def test_particles_taken_twice_get_ids_of_their_own():
    mu = wgf.Ensemble([[0.0], [1.0], [2.0]], ids=torch.tensor([4, 9, 7]))
    again = mu.select([1, 1, 0, 1])
    assert again.ids.tolist()[:3:2] == [9, 4]
    assert len(set(again.ids.tolist())) == 4
    sol = wgf.solve(wgf.Quadratic() - wgf.Shannon(), again, wgf.solvers.Langevin(), dt=0.1, t_end=0.2)
    assert float(sol.ensemble.x[0]) != float(sol.ensemble.x[1])
    with pytest.raises(ConfigError, match="ids: 3 is given twice"):
        wgf.Ensemble([[0.0], [1.0]], ids=torch.tensor([3, 3]))
    with pytest.raises(ShapeError, match="rows from 9 to 9; there are 3 particles"):
        mu.select([9])


@pytest.mark.parametrize("bad", ["1.0", None, ["a", "b"], [math.nan, 1.0]])
def test_samples_need_numbers(bad):
    with pytest.raises(ConfigError, match="cov"):
        wgf.Ensemble.gaussian(3, 2, cov=bad)
    with pytest.raises(ConfigError, match="mean"):
        wgf.Ensemble.gaussian(3, 2, mean=bad)


def test_stored_ensembles_are_readable_by_whoever_may_read_new_files(tmp_path):
    (tmp_path / "plain").write_text("")
    wgf.Ensemble([[0.0]]).save(tmp_path / "mu")
    assert (tmp_path / "mu").stat().st_mode == (tmp_path / "plain").stat().st_mode
