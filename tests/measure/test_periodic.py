"""Sums over pairs on a torus: nearest images against a plain loop, and nothing changes when all particles are moved."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, ShapeError, WgfWarning
from wgf.measure import unwrapped

L = 2 * math.pi
TORUS = wgf.domains.PeriodicBox(-math.pi, math.pi)
FADING = [
    K.Gaussian(0.7), K.Matern(0.5, 0.4), K.Matern(1.5, 0.5), K.Matern(2.5, 0.5), K.Laplace(0.4),
    K.InverseMultiquadric(0.1, 2.0), K.Morse(1.0, 0.3, 0.5, 0.6), K.RadialKernel(lambda q: torch.exp(-q)),
    2.0 * K.Gaussian(0.5) - K.Laplace(0.3),
]  # fmt: skip


def cloud(n, d, seed=0):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.5, 1.5, n)
    return rng.uniform(-math.pi, math.pi, (n, d)), w / w.sum()


def by_hand(kernel, x, y, w):
    """Σⱼ wⱼ K(u) and its gradient, u the shortest of the differences to the images of yⱼ, found among 3ᵈ of them."""
    u = x[:, None] - y[None]
    for axis in range(x.shape[1]):
        images = np.stack([u[..., axis] + k * L for k in (-1, 0, 1)])
        u[..., axis] = np.take_along_axis(images, np.abs(images).argmin(0)[None], 0)[0]
    at = torch.from_numpy(u).requires_grad_()
    values = kernel(at)
    (slope,) = torch.autograd.grad(values.sum(), at)
    return (values.detach().numpy() * w).sum(1), np.nansum(slope.numpy() * w[:, None], axis=1)


@pytest.mark.parametrize("kernel", FADING, ids=lambda kernel: type(kernel).__name__)
@pytest.mark.parametrize(("n", "d"), [(60, 1), (60, 2), (60, 3), (40, 16), (5000, 1)])
def test_sums_take_the_nearest_image(kernel, n, d):
    x, w = cloud(n, d)
    some = slice(0, 30)
    value, gradient = wgf.Ensemble(x, w, period=L).kernel_sums(kernel)
    want, slope = by_hand(kernel, x[some], x, w)
    np.testing.assert_allclose(value[some], want, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gradient[some], slope, rtol=1e-10, atol=1e-14)
    at = cloud(7, d, seed=1)[0]
    np.testing.assert_allclose(
        wgf.Ensemble(x, w, period=L).kernel_sums(kernel, at)[0], by_hand(kernel, at, x, w)[0], rtol=1e-12
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_two_particles_at_the_seam_attract_each_other_through_it(dtype):
    """At ±3.1 they are L − 6.2 apart: the force of each is that of the nearest image, towards the seam."""
    mu = wgf.Ensemble([[3.1], [-3.1]], period=L).to(dtype=dtype)
    force = -wgf.Interaction(-1.0 * K.Gaussian(0.5)).gradient(mu).flatten()
    apart = L - 6.2
    want = 0.5 * apart / 0.25 * math.exp(-(apart**2) / (2 * 0.25))
    tolerance = 1e-12 if dtype == "float64" else 2e-5  # 3.1 itself is rounded to 1e-7, the difference to 3e-6
    assert force.tolist() == pytest.approx([want, -want], rel=tolerance)


TERMS = {
    "Interaction": lambda: wgf.Interaction(K.Gaussian(0.5)),
    "Cosine": lambda: wgf.Interaction(K.Cosine(2.0)),
    "Blob": lambda: wgf.Blob(0.4),
    "Blob-rule": lambda: wgf.Blob("silverman"),
    "Power": lambda: wgf.Power(2.0, 0.4),
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("d", [1, 2])
def test_moving_all_particles_along_the_torus_changes_nothing(name, d):
    x, w = cloud(200, d)
    x = 0.8 * x[:, :d]  # a cloud with a centre, so that a rule for the bandwidth has one
    f = TERMS[name]()
    ends = []
    for shift in (0.0, 2.0, -3.0):
        both = f.evaluate(wgf.Ensemble(TORUS.fold(x + shift), w, period=L))
        ends.append((float(both.value), both.gradient))
    for value, gradient in ends[1:]:
        assert value == pytest.approx(ends[0][0], rel=1e-12, abs=1e-13)
        torch.testing.assert_close(gradient, ends[0][1], rtol=1e-10, atol=1e-12)


def test_mmd_compares_with_samples_through_the_seam():
    x, target = TORUS.fold([[3.0], [-3.1]]), TORUS.fold([[3.1], [-3.0], [-2.9]])
    here = wgf.MMD(target, K.Gaussian(0.5)).evaluate(wgf.Ensemble(x, period=L))
    moved = wgf.MMD(TORUS.fold(target + 2.0), K.Gaussian(0.5)).evaluate(wgf.Ensemble(TORUS.fold(x + 2.0), period=L))
    assert float(here.value) == pytest.approx(float(moved.value), rel=1e-12)
    torch.testing.assert_close(here.gradient, moved.gradient, rtol=1e-11, atol=1e-13)
    points = np.concatenate([x, target])
    signs = np.array([1 / 2] * 2 + [-1 / 3] * 3)
    u = points[:, None, 0] - points[None, :, 0]
    u = u - L * np.round(u / L)
    assert float(here.value) == pytest.approx(0.5 * signs @ np.exp(-(u**2) / 0.5) @ signs, rel=1e-12)


@pytest.mark.parametrize(
    "kernel", [K.Log(), K.Log(0.1), K.Riesz(1.0), K.Newtonian(1), K.QuadraticKernel(1.0), K.Gaussian(0.3) - K.Log(0.2)],
    ids=repr,
)  # fmt: skip
def test_what_does_not_fade_has_no_sum_on_a_torus(kernel):
    with pytest.raises(ConfigError, match="does not fade with the distance; wanted a kernel of finite range"):
        wgf.Interaction(kernel).gradient(wgf.Ensemble([[0.1], [0.7]], period=1.0))


def test_kernels_are_held_against_half_a_period_when_a_run_begins():
    mu = wgf.Ensemble([[0.1], [0.7]])
    times = {"dt": 0.01, "t_end": 0.02, "domain": wgf.domains.PeriodicBox(0.0, 1.0)}
    with pytest.raises(ConfigError, match="largest value at half a period"):
        wgf.solve(wgf.Interaction(K.Gaussian(1.0)), mu, wgf.solvers.Euler(), **times)
    with pytest.warns(WgfWarning, match="the force jumps there"):
        wgf.solve(wgf.Interaction(K.Gaussian(0.3)), mu, wgf.solvers.Euler(), **times)
    with pytest.raises(ConfigError, match="repeats after 2π"):
        wgf.solve(wgf.Interaction(K.Cosine()), mu, wgf.solvers.Euler(), **times)
    for kernel, method in ((K.Gaussian(0.05), "fourier"), (K.Laplace(0.05), "sorting")):
        with pytest.raises(ConfigError, match="sums in a periodic domain are over all pairs"):
            wgf.solve(wgf.Interaction(kernel, method=method), mu, wgf.solvers.Euler(), **times)
    for term in (wgf.SlicedWasserstein([[0.0], [1.0]]), wgf.KSD(lambda x: -x, K.Gaussian(0.1))):
        with pytest.raises(ConfigError, match="not defined in a periodic domain"):
            wgf.solve(term, mu, wgf.solvers.Euler(), **times)


@pytest.mark.parametrize(
    "entropy", [wgf.LogDet(), wgf.Variance(), wgf.LogVariance(), wgf.Softmax()], ids=lambda S: S.name
)
def test_entropies_of_coordinates_warn_on_a_torus(entropy):
    mu = wgf.Ensemble.uniform(20, 1)
    with pytest.warns(WgfWarning, match=f"{entropy.name} in a periodic domain depends on"):
        wgf.solve(
            wgf.Quadratic() - 0.1 * entropy, mu, wgf.solvers.Euler(), dt=0.01, t_end=0.01,
            domain=wgf.domains.PeriodicBox(0.0, 1.0),
        )  # fmt: skip


def test_the_period_goes_with_the_ensemble():
    mu = wgf.Ensemble([[0.1, 0.2], [0.7, 0.9]], period=[1.0, 2.0])
    for other in (mu.moved(mu.x), mu.select([1]), mu.reweighted(torch.tensor([0.2, 0.8])), mu.to(dtype="float32")):
        assert other.period.tolist() == [1.0, 2.0]
    assert mu.on(None).period is None
    assert "period=[1.0, 2.0]" in repr(mu)
    sol = wgf.solve(
        wgf.Quadratic(), mu.on(1.0), wgf.solvers.Euler(), dt=0.1, t_end=0.1, domain=wgf.domains.PeriodicBox(0.0, 1.0)
    )
    assert sol.ensemble.period.tolist() == [1.0, 1.0]
    with pytest.raises(ConfigError, match="mu repeats after"):
        wgf.solve(wgf.Quadratic(), sol.ensemble, wgf.solvers.Euler(), dt=0.1, t_end=0.1)
    with pytest.raises(ShapeError, match=r"period: shape \(3,\)"):
        wgf.Ensemble([[0.0, 1.0]], period=[1.0, 1.0, 1.0])
    with pytest.raises(ConfigError, match="wanted positive numbers"):
        wgf.Ensemble([[0.0]], period=0.0)


def test_unwrapped_particles_lie_around_their_circular_mean():
    x = np.random.default_rng(0).normal(size=(500, 2)) * 0.4
    plain = wgf.Ensemble(x).covariance()
    for shift in ([0.0, 0.0], [3.0, -2.0]):
        moved = unwrapped(wgf.Ensemble(TORUS.fold(x + np.array(shift)), period=L))
        assert moved.period is None
        torch.testing.assert_close(moved.covariance(), plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("solver", [wgf.solvers.Langevin(), wgf.solvers.RandomBatch(size=3)], ids=repr)
def test_far_from_the_seam_a_torus_is_the_line(solver):
    """Ornstein–Uhlenbeck with an attraction of short range, 15 standard deviations from the seam."""
    mu = wgf.Ensemble.gaussian(300, 1, seed=2)
    F = wgf.Quadratic() + wgf.Interaction(-1.0 * K.Gaussian(0.3)) - 1.0 * wgf.Shannon()
    times = {"dt": 0.05, "t_end": 2.0, "seed": 3, "record_every": 100}
    line = wgf.solve(F, mu, solver, **times).ensemble.x
    torus = wgf.solve(F, mu, solver, domain=wgf.domains.PeriodicBox(-15.0, 15.0), **times).ensemble.x
    torch.testing.assert_close(torus, line, rtol=0, atol=1e-12)
