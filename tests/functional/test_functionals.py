"""One contract for every term and kernel: derivatives are finite differences of the value, weights count."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
import torch

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, ShapeError, WgfError


def data(d):
    rng = np.random.default_rng(11)
    return rng.normal(size=(9, 2)), rng.normal(size=9), rng.normal(size=(5, d))


def smooth_unit(z, theta):
    return theta[0] * torch.sin(theta[-1] * z.sum()) + theta.sum() * z[0]


def unit_risk(d):
    return wgf.NetworkRisk(*data(d)[:2], unit=wgf.Unit(smooth_unit, d))


def wide_unit(z, theta):
    return torch.stack([theta[0] * z[0], torch.tanh(theta[-1] + z[1]), theta.sum() * z[1]])


def network(d, loss, activation="tanh"):
    """A built-in two-layer risk whose particles have dimension d (needs d ≥ 3)."""
    inputs = np.random.default_rng(5).normal(size=(9, d - 2))
    _, y, _ = data(d)
    return wgf.NetworkRisk(inputs, y > 0 if loss == "logistic" else y, activation=activation, loss=loss)


KERNELS = {
    "Gaussian": lambda d: K.Gaussian(0.7),
    "Matern": lambda d: K.Matern(2.5, 0.7),
    "Matern32": lambda d: K.Matern(1.5, 0.7),
    "Laplace": lambda d: K.Laplace(0.7),
    "InverseMultiquadric": lambda d: K.InverseMultiquadric(0.7),
    "QuadraticKernel": lambda d: K.QuadraticKernel(-2.0),
    "Morse": lambda d: K.Morse(1.0, 0.5, 0.5, 2.0),
    "Log": lambda d: K.Log(),
    "Log-softened": lambda d: K.Log(0.3),
    "Riesz": lambda d: K.Riesz(1.5),
    "Riesz-softened": lambda d: K.Riesz(0.5, softening=0.2),
    "Newtonian": lambda d: K.Newtonian(d),
    "Cosine": lambda d: K.Cosine(2.0),
    "Linear": lambda d: K.Linear(),
    "RadialKernel": lambda d: K.RadialKernel(lambda q: torch.exp(-q.sqrt())),
    "sum": lambda d: 2.0 * K.Gaussian(1.0) - K.Log(),
}

TERMS = {
    "Potential": lambda d: wgf.Potential(lambda x: (x**4).sum(1) / 4),
    "Potential-grad": lambda d: wgf.Potential(lambda x: (x**2).sum(1), grad=lambda x: 2 * x),
    "Quadratic": lambda d: wgf.Quadratic(2.0, 0.5),
    "Quadratic-matrix": lambda d: wgf.Quadratic(np.eye(d) + 0.3, np.arange(d)),
    "MMD": lambda d: wgf.MMD(data(d)[2], K.Gaussian(1.0)),
    "KSD-Gaussian": lambda d: wgf.KSD(lambda x: -x - torch.sin(x), K.Gaussian(0.9)),
    "KSD-InverseMultiquadric": lambda d: wgf.KSD(lambda x: 0.3 - x**3, K.InverseMultiquadric(0.8, 0.7)),
    "KSD-Matern": lambda d: wgf.KSD(lambda x: -x.flip(1), K.Matern(2.5, 0.8)),
    "KSD-Matern32": lambda d: wgf.KSD(lambda x: -x, K.Matern(1.5, 1.8)),
    "KSD-sum": lambda d: wgf.KSD(torch.cos, 0.5 * K.Riesz(1.0, 0.9) + 2.0 * K.RadialKernel(lambda q: 1 / (1 + q))),
    "LeastSquares": lambda d: wgf.LeastSquares(torch.sin, np.arange(d), np.eye(d) + 0.3),
    "LeastSquares-wide": lambda d: wgf.LeastSquares(lambda x: x[:, :1] ** 2 * x.new_ones(3), [1.0, 0.0, -1.0], 0.5),
    "SlicedWasserstein": lambda d: wgf.SlicedWasserstein(data(d)[2], projections=9),
    "from_function": lambda d: wgf.from_function(lambda x, w: (w @ torch.sin(x)).pow(2).sum()),
    "unit": unit_risk,
    "unit-classes": lambda d: wgf.NetworkRisk(
        data(d)[0], np.arange(9) % 3, loss="cross_entropy", unit=wgf.Unit(wide_unit, d)
    ),
    "CVaR": lambda d: wgf.drives.CVaR(unit_risk(d), 0.4),
    "EntropicRisk": lambda d: wgf.drives.EntropicRisk(wgf.drives.CovariateShift(unit_risk(d), [0.1, 0.2]), 0.6),
    "MeanVariance": lambda d: wgf.drives.MeanVariance(unit_risk(d), 0.6),
    "Preferences": lambda d: wgf.drives.Preferences(unit_risk(d), data(d)[0], [[0, 1], [2, 1], [8, 0]]).at(0.0),
    "LogDet": lambda d: wgf.LogDet(),
    "LogDet-ridge": lambda d: wgf.LogDet(0.3),
    "Variance": lambda d: wgf.Variance(),
    "LogVariance": lambda d: wgf.LogVariance(0.1),
    "Softmax-features": lambda d: wgf.Softmax(0.7),
    "Softmax-particles": lambda d: wgf.Softmax(0.7, axis="particles"),
    "Blob": lambda d: wgf.Blob(0.8),
    "Power-2": lambda d: wgf.Power(2.0, 0.8),
    "Power-half": lambda d: wgf.Power(0.5, 0.8),
    "Power-3": lambda d: wgf.Power(3.0, 0.8),
    "sum": lambda d: wgf.Quadratic() + 0.5 * wgf.Interaction(K.Gaussian(1.0)) - 0.1 * wgf.LogDet(),
    **{f"Interaction-{name}": lambda d, make=make: wgf.Interaction(make(d)) for name, make in KERNELS.items()},
}
NETWORKS = {
    f"NetworkRisk-{loss}-{activation}": lambda d, loss=loss, activation=activation: network(d, loss, activation)
    for loss, activation in [
        ("squared", "tanh"), ("huber", "softplus"), ("logistic", "sigmoid"), ("squared", "erf"),
        ("squared", "identity"), ("squared", "relu"),
    ]
}  # fmt: skip
CASES = [(name, make, d) for name, make in TERMS.items() for d in (1, 3)] + [(n, m, 4) for n, m in NETWORKS.items()]
cases = pytest.mark.parametrize(("make", "d"), [pytest.param(m, d, id=f"{n}-d{d}") for n, m, d in CASES])
# Softmax over one feature is constant (H = 0): its value and force vanish and a relative error has no meaning.
varying = pytest.mark.parametrize(
    ("make", "d"), [pytest.param(m, d, id=f"{n}-d{d}") for n, m, d in CASES if (n, d) != ("Softmax-features", 1)]
)


def ensemble(d, weighted, n=7, dtype=torch.float64):
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(n, d))).to(dtype)
    w = rng.uniform(0.2, 1.0, n)
    return wgf.Ensemble(x, w / w.sum() if weighted else None)


def difference(f, mu, direction, weight_direction=None, eps=1e-4):
    """Fourth-order central difference of the value along a direction in x (or in the weights)."""

    def value(s):
        x = mu.x + s * direction
        w = mu.weights if weight_direction is None else mu.weights + s * weight_direction
        return float(f.value(wgf.Ensemble(x, w / w.sum())))

    return (8 * (value(eps) - value(-eps)) - (value(2 * eps) - value(-2 * eps))) / (12 * eps)


@varying
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_is_the_finite_difference_of_the_value(make, d, weighted):
    f, mu = make(d), ensemble(d, weighted)
    gradient = f.gradient(mu)
    numeric = torch.zeros_like(gradient)
    for i in range(mu.n):
        for c in range(d):
            e = torch.zeros_like(mu.x)
            e[i, c] = 1.0
            numeric[i, c] = difference(f, mu, e) / float(mu.weights[i])
    assert float((gradient - numeric).norm()) <= 1e-6 * float(numeric.norm())


@varying
@pytest.mark.parametrize("weighted", [False, True])
def test_first_variation_is_the_finite_difference_in_the_weights(make, d, weighted):
    f, mu = make(d), ensemble(d, weighted)
    direction = torch.from_numpy(np.random.default_rng(8).normal(size=mu.n)) * mu.weights
    direction = direction - mu.weights * direction.sum()  # mass stays one
    numeric = difference(f, mu, torch.zeros_like(mu.x), direction)
    assert float(f.first_variation(mu).double() @ direction) == pytest.approx(numeric, rel=1e-6, abs=1e-10)


@varying
def test_gradient_is_the_derivative_of_the_first_variation_elsewhere(make, d):
    f, mu = make(d), ensemble(d, True)
    at = torch.from_numpy(np.random.default_rng(4).normal(size=(4, d)))
    gradient, numeric, eps = f.gradient(mu, at), torch.zeros_like(at), 1e-4
    for c in range(d):
        e = torch.zeros(d, dtype=torch.float64)
        e[c] = eps
        one = f.first_variation(mu, at + e) - f.first_variation(mu, at - e)
        two = f.first_variation(mu, at + 2 * e) - f.first_variation(mu, at - 2 * e)
        numeric[:, c] = (8 * one - two) / (12 * eps)
    assert float((gradient - numeric).norm()) <= 1e-6 * max(float(numeric.norm()), 1e-6)


@cases
def test_permutation_and_evaluate_agree(make, d):
    f, mu = make(d), ensemble(d, True)
    before = mu.x.clone()
    order = torch.randperm(mu.n, generator=torch.Generator().manual_seed(0))
    permuted = wgf.Ensemble(mu.x[order], mu.weights[order])
    assert float(f.value(permuted)) == pytest.approx(float(f.value(mu)), rel=1e-12, abs=1e-13)
    torch.testing.assert_close(f.gradient(permuted), f.gradient(mu)[order], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(f.first_variation(permuted), f.first_variation(mu)[order], rtol=1e-10, atol=1e-11)
    both = f.evaluate(mu)
    assert float(both.value) == pytest.approx(float(f.value(mu)), rel=1e-14, abs=1e-15)
    torch.testing.assert_close(both.gradient, f.gradient(mu), rtol=1e-13, atol=1e-15)
    assert torch.equal(mu.x, before)
    assert both.gradient.data_ptr() != mu.x.data_ptr()


@cases
def test_a_split_particle_is_the_same_measure(make, d):
    """Weight w at x equals w/3 and 2w/3 at the same x, except where kernels are infinite at u = 0."""
    f, mu = make(d), ensemble(d, True)
    if isinstance(f, wgf.Interaction) and f.kernel.singular:
        with pytest.raises(DivergenceError, match="particle 0 and particle 7 coincide"):
            f.gradient(wgf.Ensemble(torch.cat([mu.x, mu.x[:1]])))
        return
    x = torch.cat([mu.x, mu.x[:1]])
    w = torch.cat([mu.weights, mu.weights[:1] / 3])
    w[0] *= 2 / 3
    split = wgf.Ensemble(x, w)
    assert float(f.value(split)) == pytest.approx(float(f.value(mu)), rel=1e-11, abs=1e-12)
    torch.testing.assert_close(f.gradient(split)[:-1], f.gradient(mu), rtol=1e-9, atol=1e-11)


@cases
def test_float32_follows_float64(make, d):
    f, mu = make(d), ensemble(d, True)
    single = wgf.Ensemble(mu.x.float(), mu.weights)
    assert f.value(single).dtype == torch.float64
    gradient = f.gradient(single)
    assert gradient.dtype == torch.float32
    assert f.first_variation(single).dtype == torch.float32
    assert float((gradient - f.gradient(mu)).norm()) <= 1e-4 * max(float(f.gradient(mu).norm()), 1e-2)


@cases
def test_one_particle(make, d):
    """n = 1 works, or is refused by a typed error that says what to do (a covariance without ridge)."""
    f, mu = make(d), ensemble(d, False, n=1)
    if repr(f) in ("LogDet(ridge=0.0)", "Quadratic + 0.5 * Interaction - 0.1 * LogDet"):
        with pytest.raises(ConfigError, match="give a ridge"):
            f.gradient(mu)
        return
    assert f.gradient(mu).shape == (1, d)
    assert math.isfinite(float(f.value(mu)))


@cases
def test_nan_is_an_error_not_a_number(make, d):
    f, mu = make(d), ensemble(d, False)
    x = mu.x.clone()
    x[2, 0] = math.nan
    broken = mu.moved(x)  # an Ensemble would refuse it; this is what a diverged step makes
    for call in (f.value, f.gradient, f.first_variation):
        with pytest.raises(WgfError):
            call(broken)


@cases
def test_same_bits_with_one_and_two_threads(make, d):
    f, mu = make(d), ensemble(d, True, n=2003)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            both = f.evaluate(mu)
            results.append((both.value, both.gradient, f.first_variation(mu)))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


# ------------------------------------------------------------------------------------- values against numpy


KERNEL_PARAMETERS = {
    "Gaussian": {"h": 0.7}, "Matern": {"nu": 2.5, "h": 0.7}, "InverseMultiquadric": {"h": 0.7, "p": 0.5},
    "QuadraticKernel": {"strength": 2.0}, "Morse": {"Cr": 1.0, "lr": 0.5, "Ca": 0.5, "la": 2.0}, "Log": {},
    "Riesz": {"s": 1.5}, "Cosine": {"strength": 2.0}, "Newtonian": {},
}  # fmt: skip


@pytest.mark.parametrize("name", KERNEL_PARAMETERS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_kernels_against_numpy(name, d):
    p = KERNEL_PARAMETERS[name]
    kernel = K.Newtonian(d) if name == "Newtonian" else getattr(K, name)(**p)
    mu = ensemble(d, True, n=30)
    x, w = mu.x.numpy(), mu.weights.numpy()
    u = x[:, None] - x[None]
    matrix = naive.kernel(name, u, **p)
    want = naive.interaction(matrix, x, w, with_self=not kernel.singular)
    assert float(wgf.Interaction(kernel).value(mu)) == pytest.approx(want, rel=1e-12)
    off = ~np.eye(30, dtype=bool)
    np.testing.assert_allclose(kernel(torch.from_numpy(u))[off], matrix[off], rtol=1e-12)
    at = np.random.default_rng(0).normal(size=(4, d))
    np.testing.assert_allclose(mu.convolve(kernel, at), naive.kernel(name, at[:, None] - x[None], **p) @ w, rtol=1e-12)


def test_newtonian_is_the_fundamental_solution():
    """−Δ of the kernel vanishes away from 0, and the flux of −∇W through a sphere is 1."""
    for d in (1, 2, 3, 5):
        origin, e = wgf.Ensemble(np.zeros((1, d))), np.eye(1, d)
        _, gradient = origin.kernel_sums(K.Newtonian(d), 1.7 * e)
        area = 2 * math.pi ** (d / 2) / math.gamma(d / 2) * 1.7 ** (d - 1)
        assert -float(gradient[0, 0]) * area == pytest.approx(1.0, rel=1e-13)


ENTROPIES = {
    "LogDet": (wgf.LogDet(0.2), {"ridge": 0.2}), "Variance": (wgf.Variance(), {}),
    "LogVariance": (wgf.LogVariance(0.1), {"ridge": 0.1}), "Softmax-features": (wgf.Softmax(0.7), {"tau": 0.7}),
    "Softmax-particles": (wgf.Softmax(0.7, "particles"), {"tau": 0.7}), "Blob": (wgf.Blob(0.6), {"h": 0.6}),
    "Power": (wgf.Power(2.0, 0.6), {"h": 0.6, "m": 2.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTROPIES)
def test_entropies_against_numpy(name):
    entropy, p = ENTROPIES[name]
    mu = ensemble(3, True, n=40)
    assert float(entropy.value(mu)) == pytest.approx(
        naive.entropy(name, mu.x.numpy(), mu.weights.numpy(), **p), rel=1e-12
    )


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "cross_entropy"])
@pytest.mark.parametrize("activation", naive.ACTIVATIONS)
def test_network_risk_against_numpy(loss, activation):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(40, 3))
    y = {"cross_entropy": rng.integers(0, 4, 40), "logistic": rng.integers(0, 2, (40, 2))}.get(
        loss, rng.normal(size=(40, 2))
    )
    risk = wgf.NetworkRisk(z, y, activation=activation, loss=loss)
    mu = risk.initial(25, seed=3)
    f = naive.network(mu.x.numpy(), mu.weights.numpy(), z, 4 if loss == "cross_entropy" else 2, activation)
    np.testing.assert_allclose(risk.predict(mu, z), f, rtol=1e-11, atol=1e-13)
    assert float(risk.value(mu)) == pytest.approx(naive.loss(loss, f, y), rel=1e-12)
    assert risk.loss_on(mu, z, y) == pytest.approx(naive.loss(loss, f, y), rel=1e-12)
    if loss == "cross_entropy":
        assert risk.accuracy(mu, z, y) == pytest.approx((f.argmax(1) == y).mean())
    if loss == "logistic":
        assert risk.accuracy(mu, z, y) == pytest.approx(((f > 0) == (y == 1)).all(1).mean())


def test_user_unit_equals_the_built_in_one():
    """The same φ through torch.func and in closed form."""
    z, y, _ = data(4)
    built_in = wgf.NetworkRisk(z, y, activation="tanh")
    own = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] * torch.tanh(t[1:-1] @ z + t[-1]), dim=4))
    mu = built_in.initial(600, seed=1)
    assert float(own.value(mu)) == pytest.approx(float(built_in.value(mu)), rel=1e-12)
    torch.testing.assert_close(own.gradient(mu), built_in.gradient(mu), rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(own.first_variation(mu), built_in.first_variation(mu), rtol=1e-10, atol=1e-13)


def test_initial_ensemble_has_the_stated_scales():
    """a, b ~ N(0, 1), w ~ N(0, 1/D); 5 standard errors at n = 4000 (false alarm 6e-7)."""
    risk = wgf.NetworkRisk(np.zeros((5, 16)) + np.arange(16), np.arange(5) % 3, loss="cross_entropy")
    mu = risk.initial(4000, seed=1)
    assert risk.dim == mu.dim == 3 + 16 + 1
    variance = mu.covariance().diagonal().numpy()
    expected = np.array([1.0] * 3 + [1 / 16] * 16 + [1.0])
    assert np.abs(variance / expected - 1).max() < 5 * math.sqrt(2 / 4000)
    assert not torch.equal(mu.x, risk.initial(4000, seed=2).x)


def test_minibatches_are_seeded_and_unbiased():
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    risk, full = wgf.NetworkRisk(z, y, batch=10), wgf.NetworkRisk(z, y)
    mu, noise = full.initial(20, seed=0), wgf.Noise(4)
    torch.testing.assert_close(risk.gradient(mu), full.gradient(mu))  # undrawn, it is the full risk
    values = torch.stack([risk.draw(noise, step).value(mu) for step in range(400)])
    assert torch.equal(risk.draw(noise, 3).gradient(mu), risk.draw(noise, 3).gradient(mu))
    assert not torch.equal(risk.draw(noise, 3).gradient(mu), risk.draw(noise, 4).gradient(mu))
    error = float(values.std()) / math.sqrt(len(values))
    assert abs(float(values.mean() - full.value(mu))) < 5 * error


# ------------------------------------------------------------------------------------------------- algebra


def test_a_free_energy_reads_as_on_paper():
    mu = ensemble(2, True)
    quadratic, interaction, entropy = wgf.Quadratic(2.0), wgf.Interaction(K.Gaussian(1.0)), wgf.LogDet()
    F = quadratic / 2 + np.float64(0.5) * interaction - 0.1 * entropy - 0.2 * wgf.LogDet() - (-1.0) * wgf.Quadratic()
    assert [t.name for t in F.terms] == ["Quadratic", "Interaction", "LogDet", "LogDet_2", "Quadratic_2"]
    want = 2.0 * float(wgf.Quadratic().value(mu)) + 0.5 * float(interaction.value(mu)) - 0.3 * float(entropy.value(mu))
    assert float(F.value(mu)) == pytest.approx(want, rel=1e-13)
    assert F.temperature == pytest.approx(0.3)
    assert [t.name for t in (wgf.Quadratic().named("weight decay") - entropy).terms] == ["weight decay", "LogDet"]
    assert "0.1 * LogDet" in repr(F)
    with pytest.raises(ConfigError, match="name its terms"):
        F.named("all")
    with pytest.raises(ConfigError, match="no term"):
        F["Shannon"]


def test_coefficients_may_be_callables_of_time():
    mu = ensemble(2, True)
    F = (lambda t: 1 + t) * wgf.Quadratic() - (lambda t: 0.1 * t) * wgf.LogDet()
    with pytest.raises(ConfigError, match="depends on t"):
        F.value(mu)
    want = 3 * float(wgf.Quadratic().value(mu)) - 0.2 * float(wgf.LogDet().value(mu))
    assert float(F.at(2.0).value(mu)) == pytest.approx(want, rel=1e-13)
    with pytest.raises(ConfigError, match=r"temperature -0\.1 of LogDet at t = -1"):
        F.at(-1.0)
    with pytest.raises(ConfigError, match="nan at t = 0"):
        ((lambda t: math.nan) * wgf.Quadratic()).at(0.0)
    with pytest.raises(ConfigError, match="wanted a finite number or a callable"):
        "2" * wgf.Quadratic()
    with pytest.raises(TypeError):
        wgf.Quadratic() + 1.0


def test_moving_quadratic_is_frozen_by_at():
    mu = ensemble(2, True)
    moving = wgf.Quadratic(2.0, center=lambda t: [t, 0.0])
    assert moving.varies
    assert float(moving.at(3.0).value(mu)) == pytest.approx(float(wgf.Quadratic(2.0, [3.0, 0.0]).value(mu)))
    with pytest.raises(ConfigError, match="depends on t"):
        moving.value(mu)


def test_bandwidth_rules():
    """Silverman's factor against SciPy's on equal variances."""
    from scipy.stats import gaussian_kde

    mu = wgf.Ensemble.gaussian(500, 2, seed=1)
    sigma = math.sqrt(float(mu.covariance().diagonal().mean()))
    for rule, factor in (("silverman", "silverman_factor"), ("scott", "scotts_factor")):
        resolved = wgf.Blob(rule).prepare(mu)
        kde = gaussian_kde(mu.x.numpy().T)
        assert resolved.bandwidth == pytest.approx(sigma * getattr(kde, factor)(), rel=1e-12)
    assert wgf.Blob(0.3).prepare(mu).bandwidth == 0.3


def test_logdet_needs_fewer_particles_than_dimensions_only_with_a_ridge():
    """The Gram form equals the plain one, and never builds a (d, d) matrix."""
    rng = np.random.default_rng(0)
    mu = wgf.Ensemble(rng.normal(size=(6, 20)))
    with pytest.raises(ConfigError, match=r"singular \(rank 5\); give a ridge"):
        wgf.LogDet().gradient(mu)
    c = mu.covariance().numpy() + 0.1 * np.eye(20)
    at = rng.normal(size=(3, 20))
    np.testing.assert_allclose(
        wgf.LogDet(0.1).gradient(mu, at), np.linalg.solve(c, (at - mu.x.numpy().mean(0)).T).T, rtol=1e-10
    )
    assert float(wgf.LogDet(0.1).value(mu)) == pytest.approx(0.5 * np.linalg.slogdet(c)[1], rel=1e-12)
    wide = wgf.Ensemble(rng.normal(size=(8, 50_000)))
    assert wgf.LogDet(1.0).gradient(wide).shape == (8, 50_000)


def test_logdet_force_identities():
    """∫(x−m)·C⁻¹(x−m)dμ = d, and ‖∇_W S‖² = tr C⁻¹ ≥ d²/tr C."""
    mu = ensemble(3, True)
    force, c = wgf.LogDet().gradient(mu), mu.covariance()
    assert float(mu.expect((force * (mu.x - mu.mean())).sum(1))) == pytest.approx(3.0, rel=1e-12)
    norm = float(mu.expect((force**2).sum(1)))
    assert norm == pytest.approx(float(torch.linalg.inv(c).trace()), rel=1e-10)
    assert norm >= 9 / float(c.trace())


@pytest.mark.parametrize("ratio", [1e-17, 1e-15, 6e-15, 8e-15, 2e-14, 1e-13, 1e-9])
def test_a_covariance_is_singular_where_its_eigenvalues_say_so(ratio):
    """C = diag(½, ½·ratio) exactly; rounding is 32 ε = 7.1e-15, and Cholesky, which goes through, does not decide."""
    mu = wgf.Ensemble([[1.0, 0.0], [-1.0, 0.0], [0.0, math.sqrt(ratio)], [0.0, -math.sqrt(ratio)]])
    if ratio < 7.1e-15:
        with pytest.raises(ConfigError, match=r"4 particles in dimension 2 is singular \(rank 1\)"):
            wgf.LogDet().gradient(mu)
    else:
        want = mu.x * torch.tensor([2.0, 2.0 / ratio], dtype=torch.float64)
        torch.testing.assert_close(wgf.LogDet().gradient(mu), want, rtol=1e-12, atol=0.0)
        assert float(wgf.LogDet().value(mu)) == pytest.approx(0.5 * math.log(0.25 * ratio), rel=1e-12)


@pytest.mark.parametrize(("n", "d", "ridge"), [(40, 5, 0.0), (40, 5, 0.1), (6, 20, 1e-3), (6, 20, 10.0), (1, 3, 0.5)])
def test_logdet_by_cholesky_and_by_eigenvectors(n, d, ridge, monkeypatch):
    """Two algorithms, one answer: value, force and first variation, weights and two equal particles included."""
    mu = ensemble(d, True, n=n)
    mu = mu.select([*range(n), 0]) if n > 1 else mu
    f = wgf.LogDet(ridge)
    one = f.value(mu), f.gradient(mu), f.first_variation(mu)
    monkeypatch.setattr("wgf.entropies.covariance.checks.holds", lambda condition: False)
    two = wgf.entropies.covariance._Precision(mu, ridge)
    assert two._inverse is None
    torch.testing.assert_close(one[0], 0.5 * two.log_det(), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(one[1], two.apply(None), rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(one[2], 0.5 * (two.apply(None) * (mu.x - two.mean)).sum(1), rtol=1e-11, atol=1e-12)


# ------------------------------------------------------------------------------------------------- bad input


def test_terms_refuse_what_they_cannot_take():
    mu = ensemble(2, False)
    with pytest.raises(ShapeError, match=r"fn returned shape \(7, 2\) for 7 particles; wanted \(7,\)"):
        wgf.Potential(lambda x: x).value(mu)
    with pytest.raises(DivergenceError, match="fn returned nan at particle 0"):
        wgf.Potential(lambda x: x[:, 0] * math.nan).value(mu)
    with pytest.raises(ConfigError, match="pass grad="):
        wgf.Potential(lambda x: torch.zeros(len(x), dtype=x.dtype)).gradient(mu)
    with pytest.raises(ShapeError, match=r"grad returned shape \(7,\)"):
        wgf.Potential(lambda x: x[:, 0], grad=lambda x: x[:, 0]).gradient(mu)
    with pytest.raises(ShapeError, match=r"center has shape \(3,\), the particles have dimension 2"):
        wgf.Quadratic(1.0, [0, 0, 0]).value(mu)
    with pytest.raises(ConfigError, match="wanted a symmetric"):
        wgf.Quadratic([[1.0, 2.0], [0.0, 1.0]])
    with pytest.raises(ConfigError, match="stiffness = '1'"):
        wgf.Quadratic("1")
    with pytest.raises(ConfigError, match="wanted a kernel"):
        wgf.Interaction("Gaussian")
    with pytest.raises(ConfigError, match="did you mean 'dense'"):
        wgf.Interaction(K.Gaussian(1.0), method="dens")
    with pytest.raises(ShapeError, match=r"use Newtonian\(2\)"):
        wgf.Interaction(K.Newtonian(3)).value(mu)
    with pytest.raises(ConfigError, match="finite at 0"):
        wgf.MMD(mu, K.Log())
    with pytest.raises(ShapeError, match=r"returned \(2,\); wanted a torch scalar"):
        wgf.from_function(lambda x, w: w @ x).value(mu)
    with pytest.raises(ConfigError, match="zero variance"):
        wgf.LogVariance().value(wgf.Ensemble([[0.0, 1.0], [1.0, 1.0]]))
    with pytest.raises(ConfigError, match="did you mean 'silverman'"):
        wgf.Blob("silvermann")
    with pytest.raises(ConfigError, match="did you mean 'particles'"):
        wgf.Softmax(axis="particle")
    with pytest.raises(ConfigError, match="use Blob"):
        wgf.Power(1.0, 0.1)
    with pytest.raises(ConfigError, match="h = 0"):
        K.Gaussian(0)
    with pytest.raises(ConfigError, match=r"wanted 0\.5, 1\.5 or 2\.5"):
        K.Matern(1.0, 1.0)
    with pytest.raises(ConfigError, match="ridge = -1"):
        wgf.LogDet(-1)
    with pytest.raises(ConfigError, match=r"LogDet, Variance"):
        wgf.Shannon().gradient(mu)
    with pytest.raises(ShapeError, match="fn returned shape"):
        wgf.Interaction(K.RadialKernel(lambda q: q.sum())).value(mu)


@pytest.mark.parametrize("kernel", [K.Log(), K.Riesz(1.0), K.Newtonian(2)], ids=repr)
def test_coincident_particles_under_a_singular_kernel(kernel):
    mu = wgf.Ensemble([[0.0, 0.0], [1.0, 2.0], [3.0, 3.0], [1.0, 2.0]])
    with pytest.raises(DivergenceError, match=r"particle 1 and particle 3 coincide at \[1.0, 2.0\].*softening"):
        wgf.Interaction(kernel).gradient(mu)
    with pytest.raises(DivergenceError, match="particle 0 and point 1 of `at` coincide"):
        wgf.Interaction(kernel).gradient(wgf.Ensemble([[0.0, 0.0]]), [[1.0, 1.0], [0.0, 0.0]])
    softened = type(kernel)(
        *([kernel.s] if hasattr(kernel, "s") else [kernel.d] if hasattr(kernel, "d") else []), softening=0.1
    )
    assert torch.isfinite(wgf.Interaction(softened).gradient(mu)).all()


def test_network_risk_refuses_what_it_cannot_take():
    z, y, _ = data(4)
    with pytest.raises(ConfigError, match="did you mean 'tanh'"):
        wgf.NetworkRisk(z, y, activation="tahn")
    with pytest.raises(ConfigError, match="did you mean 'squared'"):
        wgf.NetworkRisk(z, y, loss="square")
    with pytest.raises(ShapeError, match="one row for each of the 9 inputs"):
        wgf.NetworkRisk(z, y[:-1])
    bad = z.copy()
    bad[4, 1] = math.nan
    with pytest.raises(ConfigError, match="inputs: nan at row 4, column 1"):
        wgf.NetworkRisk(bad, y)
    bad = y.copy()
    bad[3] = math.inf
    with pytest.raises(ConfigError, match="targets: inf at row 3"):
        wgf.NetworkRisk(z, bad)
    with pytest.raises(ConfigError, match="class indices"):
        wgf.NetworkRisk(z, y, loss="cross_entropy")
    with pytest.raises(ConfigError, match="wanted 0/1"):
        wgf.NetworkRisk(z, y, loss="logistic")
    with pytest.raises(ConfigError, match="batch = 10: wanted an integer from 1 to 9"):
        wgf.NetworkRisk(z, y, batch=10)
    with pytest.raises(ConfigError, match="unit = 3: wanted a function"):
        wgf.NetworkRisk(z, y, unit=3)
    bare = wgf.NetworkRisk(z, y, unit=lambda z, t: t.sum() * z.sum())
    assert bare.gradient(ensemble(3, False)).shape == (7, 3)
    with pytest.raises(ConfigError, match=r"wgf\.Unit\(fn, dim="):
        bare.initial(5)
    risk = wgf.NetworkRisk(z, y)
    with pytest.raises(ShapeError, match=r"dimension 3; wanted 4 = 1 output weights \+ 2 input weights \+ 1 bias"):
        risk.value(ensemble(3, False))
    with pytest.raises(ConfigError, match="accuracy is not defined"):
        risk.accuracy(risk.initial(3), z, y)
    with pytest.raises(ShapeError, match="inputs of 1 features"):
        risk.predict(risk.initial(3), z[:, :1])
    with pytest.raises(ShapeError, match="the unit has 1 outputs, the targets ask for 3"):
        wgf.NetworkRisk(z, np.arange(9) % 3, loss="cross_entropy", unit=wgf.Unit(smooth_unit, 4)).value(
            ensemble(4, False)
        )


# ------------------------------------------------------------------------------------------------- found in review


@pytest.mark.parametrize("ridge", [1e-3, 1e-6, 1e-8, 1e-10])
def test_gram_form_keeps_its_digits_as_the_ridge_falls(ridge):
    """Against the singular value decomposition: the force on the particles does not feel 1/ε at all."""
    mu = wgf.Ensemble(np.random.default_rng(0).normal(size=(6, 20)))
    y = (mu.x - mu.mean()).numpy() / math.sqrt(6)
    u, s, vt = np.linalg.svd(y, full_matrices=False)
    want = math.sqrt(6) * (u[:, :5] * (s[:5] / (s[:5] ** 2 + ridge))) @ vt[:5]
    np.testing.assert_allclose(wgf.LogDet(ridge).gradient(mu), want, rtol=1e-9, atol=1e-10)


def test_user_arrays_and_ensembles_are_not_shared():
    z, y = np.ones((4, 2)), np.ones(4)
    risk = wgf.NetworkRisk(z, y)
    mu = risk.initial(5)
    before = float(risk.value(mu))
    z[:], y[:] = 0.0, 100.0
    assert float(risk.value(mu)) == before
    center = np.zeros(4)
    well = wgf.Quadratic(1.0, center)
    center[:] = 9.0
    assert torch.equal(well.gradient(mu), mu.x)
    x = mu.x.clone()
    gradient = wgf.Potential(lambda x: 0.5 * (x**2).sum(1), grad=lambda x: x).gradient(mu)
    gradient *= 0
    wgf.Potential(lambda x: x.sub_(1).sum(1)).value(mu)
    wgf.from_function(lambda x, w: x.mul_(w[:, None]).sum()).value(mu)
    assert torch.equal(mu.x, x)


def test_unit_with_products_takes_float32():
    z, y, _ = data(4)
    risk = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] * torch.tanh(t[1:-1] @ z + t[-1]), dim=4))
    single, double = risk.initial(30, seed=1, dtype="float32"), risk.initial(30, seed=1)
    assert risk.gradient(single).dtype == torch.float32
    assert float(risk.value(single)) == pytest.approx(float(risk.value(double)), rel=1e-5)
    branching = wgf.NetworkRisk(z, y, unit=wgf.Unit(lambda z, t: t[0] if z[0] > 0 else t[1], dim=2))
    with pytest.raises(ConfigError, match=r"torch\.where"):
        branching.value(wgf.Ensemble([[0.0, 1.0]]))


def test_a_function_must_know_the_weights_to_have_a_first_variation():
    mu = ensemble(2, False)
    f = wgf.from_function(lambda x, w: (x**2).mean())
    assert f.gradient(mu).shape == (7, 2)
    for call in (f.first_variation, lambda mu: f.gradient(mu, mu.x)):
        with pytest.raises(ConfigError, match="does not depend on the weights"):
            call(mu)


def test_samples_of_an_mmd_do_not_round_the_particles():
    mu, samples = ensemble(2, True), np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    one = wgf.MMD(samples, K.Gaussian(1.0)).gradient(mu)
    two = wgf.MMD(samples.astype(float), K.Gaussian(1.0)).gradient(mu)
    assert torch.equal(one, two)


def test_bits_do_not_depend_on_threads_beyond_torchs_grain():
    """Torch splits work above 32768 numbers, and a sum only where it has one row: both are reached here."""
    rng = np.random.default_rng(0)
    wide = wgf.Ensemble(rng.normal(size=(1, 200_001)))
    x = rng.normal(size=(300_001, 1))
    weights = rng.uniform(0.5, 1.5, 300_001).astype(np.float32)
    terms = [wgf.Quadratic(), wgf.Variance(), wgf.Softmax(), wgf.Softmax(axis="particles"), wgf.LogVariance(0.1)]
    terms += [wgf.Potential(lambda x: torch.cos(x).exp().sum(1)), wgf.Interaction(K.Cosine())]
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            tall = wgf.Ensemble(x, weights / weights.sum(dtype=np.float64).astype(np.float32))
            part = tall.select(np.arange(0, 300_001, 2))
            found = [tall.weights, part.weights, torch.tensor(wgf.Blob("silverman").prepare(tall).bandwidth)]
            for mu in (wide, tall, part):
                for term in terms:
                    both = term.evaluate(mu)
                    found += [both.value, both.gradient]
                row = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Heun(), dt=0.1, t_end=0.1).ledger.row(-1)
                found.append(torch.tensor(list(row.values())))
            results.append(found)
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0, equal_nan=True)


def test_more_bad_input_is_named():
    mu, z = ensemble(2, False), np.ones((4, 2))
    with pytest.raises(ConfigError, match=r"mu is ndarray: wanted a wgf\.Ensemble"):
        wgf.Quadratic().value(np.zeros((3, 2)))
    with pytest.raises(ConfigError, match="a coefficient failed at t = 0"):
        ((lambda: 1.0) * wgf.Quadratic()).at(0.0)
    with pytest.raises(ConfigError, match="wanted a finite number or a callable"):
        wgf.Quadratic() / 0
    with pytest.raises(ShapeError, match="fn returned NoneType"):
        wgf.Potential(lambda x: None).value(mu)
    with pytest.raises(ConfigError, match=r"not written in torch.*pass grad="):
        wgf.Potential(lambda x: x.numpy()[:, 0]).gradient(mu)
    with pytest.raises(ConfigError, match="h = 1000"):
        K.Gaussian(10**400)
    with pytest.raises(DivergenceError, match="out of floating-point range"):
        wgf.Power(2.0, 0.01).value(wgf.Ensemble(np.eye(3, 700)))
    risk = wgf.NetworkRisk(z, np.arange(4) % 2, loss="cross_entropy")
    with pytest.raises(ShapeError, match="inputs of 1 features; the risk has 2"):
        risk.accuracy(risk.initial(3), z[:, :1], np.arange(4) % 2)
    with pytest.raises(DivergenceError, match="not finite at point 1 of `at`"):
        wgf.Interaction(K.RadialKernel(lambda q: 1 / (4.0 - q))).first_variation(wgf.Ensemble([[0.0]]), [[1.0], [2.0]])
    assert float(sum([wgf.Quadratic(), wgf.Quadratic()]).value(mu)) == pytest.approx(
        2 * float(wgf.Quadratic().value(mu))
    )
