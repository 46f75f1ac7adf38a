"""One contract for every term and kernel: derivatives are finite differences of the value, weights count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from samples import data, ensemble

import wgf
from wgf import energies, entropies
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, WgfError
from wgf.extension import settings_of
from wgf.functional import DrivenFunctional


def smooth_unit(z, theta):
    return theta[0] * torch.sin(theta[-1] * z.sum()) + theta.sum() * z[0]


def unit_risk(d):
    return wgf.NetworkRisk(*data(d)[:2], unit=wgf.Unit(smooth_unit, d))


def wide_unit(z, theta):
    return torch.stack([theta[0] * z[0], torch.tanh(theta[-1] + z[1]), theta.sum() * z[1]])


def class_risk(d):
    return wgf.NetworkRisk(data(d)[0], np.arange(9) % 3, loss="cross_entropy", unit=wgf.Unit(wide_unit, d))


def affine(x):
    """A forward map whose derivative the statistical linearisation finds exactly."""
    return torch.stack([x.sum(1) + 1.0, 2.0 * x[:, 0] - x[:, -1]], 1)


def network(d, loss, activation="tanh"):
    """A built-in two-layer risk whose particles have dimension d (needs d ≥ 3)."""
    inputs = np.random.default_rng(5).normal(size=(9, d - 2))
    _, y, _ = data(d)
    return wgf.NetworkRisk(inputs, y > 0 if loss == "logistic" else y, activation=activation, loss=loss)


KERNELS: dict[str, Any] = {
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

TERMS: dict[str, Any] = {
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
    "Wasserstein": lambda d: wgf.Wasserstein(data(d)[2]),
    "SinkhornDivergence": lambda d: wgf.SinkhornDivergence(data(d)[2], 0.5, tolerance=1e-13),
    "SinkhornDivergence-reach": lambda d: wgf.SinkhornDivergence(data(d)[2], 0.5, reach=1.5, tolerance=1e-13),
    "from_function": lambda d: wgf.from_function(lambda x, w: (w @ torch.sin(x)).pow(2).sum()),
    "unit": unit_risk,
    "unit-classes": lambda d: class_risk(d),
    "LinearisedLeastSquares": lambda d: wgf.LeastSquares(affine, np.arange(2.0), [0.5, 2.0]).linearised(),
    "LabelShift": lambda d: wgf.drives.LabelShift(class_risk(d), [0.2, 0.3, 0.5]),
    "CVaR": lambda d: wgf.drives.CVaR(unit_risk(d), 0.4),
    "EntropicRisk": lambda d: wgf.drives.EntropicRisk(wgf.drives.CovariateShift(unit_risk(d), [0.1, 0.2]), 0.6),
    "MeanVariance": lambda d: wgf.drives.MeanVariance(unit_risk(d), 0.6),
    "Preferences": lambda d: wgf.drives.Preferences(unit_risk(d), data(d)[0], [[0, 1], [2, 1], [8, 0]]).at(0.0),
    "LogDet": lambda d: wgf.LogDet(),
    "LogDet-ridge": lambda d: wgf.LogDet(0.3),
    "Variance": lambda d: wgf.Variance(),
    "LogVariance": lambda d: wgf.LogVariance(0.1),
    "CodingRate": lambda d: wgf.CodingRate(0.8),
    "SpectralEntropy": lambda d: wgf.SpectralEntropy(),
    "SpectralEntropy-ridge": lambda d: wgf.SpectralEntropy(0.3),
    "HingeVariance": lambda d: wgf.HingeVariance(1.1, 1e-3),
    "Uniformity": lambda d: wgf.Uniformity(0.9),
    "KoLeo": lambda d: wgf.KoLeo(),
    "KoLeo-3": lambda d: wgf.KoLeo(3),
    "Softmax-features": lambda d: wgf.Softmax(0.7),
    "Softmax-particles": lambda d: wgf.Softmax(0.7, axis="particles"),
    "Blob": lambda d: wgf.Blob(0.8),
    "Power-2": lambda d: wgf.Power(2.0, 0.8),
    "Power-half": lambda d: wgf.Power(0.5, 0.8),
    "Power-3": lambda d: wgf.Power(3.0, 0.8),
    "GaussianMixture": lambda d: wgf.GaussianMixture(np.arange(2.0 * d).reshape(2, d) - d, [0.3, 0.7], 0.9),
    "LogisticPosterior": lambda d: wgf.LogisticPosterior(
        np.random.default_rng(5).normal(size=(9, d)), data(d)[1] > 0, intercept=False
    ),
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
REFUSES_ONE = dict.fromkeys(("LogDet", "sum", "SpectralEntropy"), "give a ridge")
REFUSES_ONE |= dict.fromkeys(("KoLeo", "KoLeo-3"), "wanted more than k")
"""Cases that have no value where there is one particle, and what they say."""
NOT_OF_THE_MEASURE = {
    "Displacement": "a function of labelled particles: see the test below",
    "Score": "its value belongs to a flow: see tests/entropies/test_score.py",
}


def classes_in(value, seen):
    """The classes of a term and of all terms and kernels inside it."""
    parts = (
        [term.functional for term in value.terms] if isinstance(value, wgf.FreeEnergy) else list(vars(value).values())
    )
    seen.add(type(value))
    for part in parts:
        if isinstance(part, wgf.Functional | K.Kernel):
            classes_in(part, seen)
    return seen


def by_default(registry, covered):
    """Registered classes without a line above: those made without arguments join the contract, the others are named."""
    missing = {name: cls for name, cls in registry.items() if cls not in covered and name not in NOT_OF_THE_MEASURE}
    ready = {name: cls for name, cls in missing.items() if not any(s.required for s in settings_of(cls).values())}
    return {name: lambda d, cls=cls: cls() for name, cls in ready.items()}, set(missing) - set(ready)


COVERED = {cls for make in TERMS.values() for cls in classes_in(make(3), set())}
KERNELS_ADDED, KERNELS_MISSING = by_default(K.REGISTRY, COVERED)
TERMS |= {f"Interaction-{name}": lambda d, make=make: wgf.Interaction(make(d)) for name, make in KERNELS_ADDED.items()}
FUNCTIONALS = {
    name: cls
    for registry in (energies.REGISTRY, entropies.REGISTRY, wgf.drives.REGISTRY)
    for name, cls in registry.items()
    if issubclass(cls, wgf.Functional) and not issubclass(cls, wgf.FreeEnergy | DrivenFunctional)
    if not cls.realised_by_noise
}
TERMS_ADDED, TERMS_MISSING = by_default(FUNCTIONALS, COVERED | {wgf.NetworkRisk})
TERMS |= TERMS_ADDED

DIMENSIONS = {"Banana": (2, 3), "MullerBrown": (2,)}
"""The dimensions of terms that are not defined in every one."""
CASES = [(name, make, d) for name, make in TERMS.items() for d in DIMENSIONS.get(name, (1, 3))] + [
    (n, m, 4) for n, m in NETWORKS.items()
]
cases = pytest.mark.parametrize(("make", "d"), [pytest.param(m, d, id=f"{n}-d{d}") for n, m, d in CASES])
# Softmax over one feature is constant (H = 0): its value and force vanish and a relative error has no meaning.
varying = pytest.mark.parametrize(
    ("make", "d"), [pytest.param(m, d, id=f"{n}-d{d}") for n, m, d in CASES if (n, d) != ("Softmax-features", 1)]
)


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
    if isinstance(f, wgf.KoLeo):  # neighbours are counted as particles, whatever their weight
        if f.k == 1:
            with pytest.raises(DivergenceError, match="more than 1 of the particles coincide"):
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


def test_every_registered_term_and_kernel_is_in_this_contract():
    """A class that needs settings needs a line in TERMS or KERNELS; one that does not is here by itself."""
    assert set() == KERNELS_MISSING
    assert set() == TERMS_MISSING


def test_displacement_is_a_function_of_labelled_particles():
    """Its gradient is the finite difference of its value; it has none at other points or under other weights."""
    start, mu = ensemble(3, True), ensemble(3, True)
    mu = start.moved(mu.x + torch.sin(3 * mu.x))
    f = wgf.drives.Displacement(start)
    both = f.evaluate(mu)
    assert float(both.value) == pytest.approx(float(f.value(mu)), rel=1e-14)
    for i, c in ((0, 0), (4, 2)):
        e = torch.zeros_like(mu.x)
        e[i, c] = 1e-4
        slope = (float(f.value(mu.moved(mu.x + e))) - float(f.value(mu.moved(mu.x - e)))) / 2e-4
        assert float(both.gradient[i, c] * mu.weights[i]) == pytest.approx(slope, rel=1e-8)
    with pytest.raises(ConfigError, match="no start"):
        f.gradient(mu, mu.x)
    with pytest.raises(ConfigError, match="the weights changed"):
        f.value(wgf.Ensemble(mu.x))


@pytest.mark.parametrize(("name", "make", "d"), [pytest.param(n, m, d, id=f"{n}-d{d}") for n, m, d in CASES])
def test_one_particle(name, make, d):
    """n = 1 works, or is refused by a typed error that says what to do (a covariance without ridge)."""
    f, mu = make(d), ensemble(d, False, n=1)
    if name in REFUSES_ONE:
        with pytest.raises(ConfigError, match=REFUSES_ONE[name]):
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


# ------------------------------------------------------------------------------------------------- found in review


@pytest.mark.slow
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
            blob: Any = wgf.Blob("silverman").prepare(tall)
            found = [tall.weights, part.weights, torch.tensor(blob.bandwidth)]
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
