"""The entropies that people train with: their laws, their exact cases, their refusals and their degenerate regimes."""

from __future__ import annotations

import math
from typing import Any

import naive
import numpy as np
import pytest
import torch
from flows import slope, start
from ledgers import ends
from samples import ensemble
from scipy.integrate import solve_ivp
from scipy.special import digamma, gammaln
from wgf.solvers import Heun, RungeKutta4

import wgf
from wgf.diagnostics import effective_rank, force_report, knn_entropy
from wgf.errors import ConfigError, DivergenceError

# steps are coarse on purpose here
pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")

MADE: dict[str, Any] = {
    "CodingRate": (wgf.CodingRate(0.7), {"epsilon": 0.7}),
    "SpectralEntropy": (wgf.SpectralEntropy(), {}),
    "SpectralEntropy-ridge": (wgf.SpectralEntropy(0.2), {"ridge": 0.2}),
    "HingeVariance": (wgf.HingeVariance(2.0, 1e-3), {"target": 2.0, "epsilon": 1e-3}),
    "Decorrelation": (wgf.Decorrelation(), {}),
    "Uniformity": (wgf.Uniformity(0.8), {"t": 0.8}),
    "KoLeo": (wgf.KoLeo(), {"k": 1}),
}
named = pytest.mark.parametrize("name", MADE)


@named
@pytest.mark.parametrize(("n", "d"), [(40, 3), (5, 12)])
def test_value_and_gradient_against_numpy(name, n, d):
    """With weights, and with fewer particles than dimensions, where the Gram form takes over."""
    entropy, settings = MADE[name]
    mu = ensemble(d, True, n=n)

    def value(x):
        return naive.entropy(name.removesuffix("-ridge"), x, mu.weights.numpy(), **settings)

    assert float(entropy.value(mu)) == pytest.approx(value(mu.x.numpy()), rel=1e-11)
    direction = torch.from_numpy(np.random.default_rng(1).normal(size=(n, d)))
    if name == "SpectralEntropy" and n < d:  # its plain form has log 0 off the span, so stay in it
        direction = direction[:, :1] * (mu.x - mu.mean()) + mu.x[:1] - mu.x[1:2]
    numeric = (value((mu.x + 1e-5 * direction).numpy()) - value((mu.x - 1e-5 * direction).numpy())) / 2e-5
    along = float(mu.expect((entropy.gradient(mu) * direction).sum(1)))
    assert along == pytest.approx(numeric, rel=1e-6, abs=1e-9)


# ------------------------------------------------------------------------------------------------- laws

ROTATIONS = {"CodingRate", "SpectralEntropy", "Uniformity", "KoLeo", "LogDet", "Variance", "Blob", "Power"}
TRANSLATIONS = set(wgf.entropies.REGISTRY) - {"CodingRate", "Softmax", "Shannon", "Score"}
"""The entropies that a rotation or a translation of all particles does not change."""
EVERY = {name.partition("-")[0]: entropy for name, (entropy, _) in MADE.items()} | {
    "LogDet": wgf.LogDet(0.1), "LogVariance": wgf.LogVariance(0.1), "Variance": wgf.Variance(), "Blob": wgf.Blob(0.8),
    "Power": wgf.Power(2.0, 0.8), "Softmax": wgf.Softmax(0.7),
}  # fmt: skip


def test_the_laws_below_cover_every_entropy():
    # Score has a memory, so that it is no function of the measure alone: test_score.py
    assert set(EVERY) == set(wgf.entropies.REGISTRY) - {"Shannon", "Score"}


@pytest.mark.parametrize("name", EVERY)
def test_law_of_rotation(name):
    """S(Qx) = S(x) and ∇S(Qx) = Q ∇S(x); those that depend on the axes change."""
    S, mu = EVERY[name], ensemble(4, True, n=30)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))
    Q = torch.from_numpy(turn)
    turned = wgf.Ensemble(mu.x @ Q.T, mu.weights)
    if name in ROTATIONS:
        assert float(S.value(turned)) == pytest.approx(float(S.value(mu)), rel=1e-12)
        torch.testing.assert_close(S.gradient(turned), S.gradient(mu) @ Q.T, rtol=1e-10, atol=1e-11)
    else:
        assert abs(float(S.value(turned)) - float(S.value(mu))) > 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_law_of_translation(name):
    """S(x + v) = S(x), with the same force; those to which the origin or the place has a meaning change."""
    S, mu = EVERY[name], ensemble(4, True, n=30)
    moved = wgf.Ensemble(mu.x + torch.tensor([2.0, -1.0, 0.5, 3.0], dtype=torch.float64), mu.weights)
    if name in TRANSLATIONS:
        assert float(S.value(moved)) == pytest.approx(float(S.value(mu)), rel=1e-11)
        torch.testing.assert_close(S.gradient(moved), S.gradient(mu), rtol=1e-9, atol=1e-11)
    else:
        assert abs(float(S.value(moved)) - float(S.value(mu))) > 1e-3


@pytest.mark.parametrize("name", EVERY)
def test_law_of_permutation(name):
    """The order of the particles has no meaning."""
    S, mu = EVERY[name], ensemble(4, True, n=30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    other = wgf.Ensemble(mu.x[order], mu.weights[order])
    assert float(S.value(other)) == pytest.approx(float(S.value(mu)), rel=1e-12)
    torch.testing.assert_close(S.gradient(other), S.gradient(mu)[order], rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------------- precision, zeros


@named
def test_float32_far_from_the_origin(name):
    """A cloud of size 1 at 500: float32 against float64 of the same numbers."""
    entropy, mu = MADE[name][0], ensemble(3, True, n=200)
    single = wgf.Ensemble((mu.x + 500.0).float(), mu.weights)
    double = single.to(dtype="float64")
    assert float(entropy.value(single)) == pytest.approx(float(entropy.value(double)), rel=1e-5)
    force, want = entropy.gradient(single), entropy.gradient(double)
    assert force.dtype == torch.float32
    assert float((force - want).norm()) <= 2e-6 * float(want.norm())


@named
@pytest.mark.parametrize(("n", "d"), [(9, 3), (5, 9)])
def test_particles_of_weight_zero_are_points_of_at(name, n, d):
    """A particle without weight changes nothing, and has the force and first variation of a point at its place."""
    entropy, mu = MADE[name][0], ensemble(d, True, n=n)
    extra = torch.from_numpy(np.random.default_rng(9).normal(size=(2, d)))
    whole = wgf.Ensemble(torch.cat([mu.x, extra]), torch.cat([mu.weights, mu.weights.new_zeros(2)]))
    if name == "SpectralEntropy" and n < d:
        with pytest.raises(ConfigError, match=r"particle 5, of weight 0, is outside of the plane.*give a ridge"):
            entropy.gradient(whole)
        with pytest.raises(ConfigError, match="point 0 of `at` is outside of the plane"):
            entropy.gradient(mu, extra)
        return
    assert float(entropy.value(whole)) == pytest.approx(float(entropy.value(mu)), rel=1e-12)
    for call in (entropy.gradient, entropy.first_variation):
        torch.testing.assert_close(call(whole)[:n], call(mu), rtol=1e-9, atol=1e-10)
        torch.testing.assert_close(call(whole)[n:], call(mu, extra), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in MADE if name != "KoLeo"])
def test_weight_two_is_two_particles(name):
    mu = ensemble(3, False, n=6)
    double = wgf.Ensemble(mu.x[:5], torch.tensor([2.0, 1, 1, 1, 1], dtype=torch.float64) / 6)
    twice = wgf.Ensemble(torch.cat([mu.x[:5], mu.x[:1]]))
    entropy = MADE[name][0]
    assert float(entropy.value(double)) == pytest.approx(float(entropy.value(twice)), rel=1e-12)
    torch.testing.assert_close(entropy.gradient(twice)[:5], entropy.gradient(double), rtol=1e-10, atol=1e-12)


@named
def test_gram_form_needs_no_matrix_of_the_dimensions(name):
    wide = wgf.Ensemble(np.random.default_rng(0).normal(size=(8, 50_000)) / 200)
    assert MADE[name][0].gradient(wide).shape == (8, 50_000)


# ------------------------------------------------------------------------------------------------- exact cases


def test_coding_rate_is_log_det_of_the_second_moment():
    """Of a cloud and its mirror image the mean is 0, so that M = C: ½ log det(M + ε²/d) − ½ d log(ε²/d)."""
    mu = ensemble(3, False, n=20)
    both = wgf.Ensemble(torch.cat([mu.x, -mu.x]))
    ridge = 0.7**2 / 3
    want = float(wgf.LogDet(ridge).value(both)) - 1.5 * math.log(ridge)
    assert float(wgf.CodingRate(0.7).value(both)) == pytest.approx(want, rel=1e-12)
    assert float(wgf.CodingRate(0.7).value(mu)) == pytest.approx(want, rel=1e-12)  # M is that of both
    torch.testing.assert_close(wgf.CodingRate(0.7).gradient(mu), wgf.LogDet(ridge).gradient(both)[:20])


def test_coding_rate_flow_of_the_second_moment():
    """Ṁ = −2kM + 2TM/(M + ε²) on a line, against an adaptive integrator."""
    k, temperature, epsilon = 1.0, 0.6, 0.8
    mu = wgf.Ensemble.gaussian(50, 1, mean=0.7, cov=3.0, seed=3)
    sol = wgf.solve(
        wgf.Quadratic(k) - temperature * wgf.CodingRate(epsilon), mu, RungeKutta4(), dt=0.01, t_end=2.0
    )  # fmt: skip
    m0 = float(mu.expect(mu.x[:, 0] ** 2))
    truth = solve_ivp(
        lambda _, m: -2 * k * m + 2 * temperature * m / (m + epsilon**2), (0, 2), [m0], rtol=1e-12, atol=1e-13
    )
    end = sol.ensemble
    assert float(end.expect(end.x[:, 0] ** 2)) == pytest.approx(truth.y[0, -1], rel=1e-9)


def test_spectral_entropy_is_the_logarithm_of_the_effective_rank():
    mu = ensemble(5, True, n=60)
    assert math.exp(float(wgf.SpectralEntropy().value(mu))) == pytest.approx(effective_rank(mu), rel=1e-12)
    line = wgf.Ensemble(torch.outer(torch.arange(5.0), torch.tensor([1.0, 2.0, -1.0])).double())
    assert abs(float(wgf.SpectralEntropy().value(line))) < 1e-12


@pytest.mark.parametrize("d", [2, 5, 30])
def test_spectral_entropy_is_free_of_scale(d):
    """S(c x) = S(x), ∇S(c x) = ∇S(x)/c and ⟨∇S, x − m⟩ = 0, for n < d too."""
    S, mu = wgf.SpectralEntropy(), ensemble(d, True, n=20)
    force = S.gradient(mu)
    assert abs(float(mu.inner(force, (mu.x - mu.mean())))) < 1e-13
    for c in (1e-6, 1e5):
        scaled = wgf.Ensemble(c * mu.x, mu.weights)
        assert float(S.value(scaled)) == pytest.approx(float(S.value(mu)), rel=1e-11)
        torch.testing.assert_close(c * S.gradient(scaled), force, rtol=1e-9, atol=1e-10)


def test_spectral_entropy_flow_keeps_the_trace_and_evens_the_variances():
    """v̇ⱼ = −(4T/t)(log(vⱼ/t) + S) vⱼ along the axes, with t = tr C constant."""
    x = torch.tensor([[1.5, 0.0], [-1.5, 0.0], [0.0, 0.4], [0.0, -0.4]], dtype=torch.float64)
    mu, temperature = wgf.Ensemble(x), 0.3
    sol = wgf.solve(-temperature * wgf.SpectralEntropy(), mu, RungeKutta4(), dt=0.01, t_end=1.0)

    def rate(_, v):
        p = v / v.sum()
        return -4 * temperature / v.sum() * (np.log(p) - (p * np.log(p)).sum()) * v

    v0 = mu.covariance().diagonal().numpy()
    truth = solve_ivp(rate, (0, 1), v0, rtol=1e-12, atol=1e-13)
    v = sol.ensemble.covariance().diagonal().numpy()
    np.testing.assert_allclose(v, truth.y[:, -1], rtol=1e-8)
    assert v.sum() == pytest.approx(v0.sum(), rel=1e-8)
    assert v[1] > 2 * v0[1]


def test_hinge_flow_reaches_its_target_and_stops():
    """sⱼ grows at the rate T/d (Cⱼⱼ/sⱼ² → 1 for small ε) until it is γ, and then moves by at most hT/d."""
    temperature, h, target = 0.5, 0.01, 1.3
    mu = wgf.Ensemble.gaussian(60, 2, cov=[[0.2, 0.05], [0.05, 4.0]], seed=1)
    S = wgf.HingeVariance(target, 1e-12)
    spread = mu.covariance().diagonal().sqrt()
    sol = wgf.solve(-temperature * S, mu, Heun(), dt=h, t_end=1.0)
    grown = sol.ensemble.covariance().diagonal().sqrt()
    assert float(grown[0]) == pytest.approx(float(spread[0]) + temperature / 2 * 1.0, abs=1e-9)
    assert float(grown[1]) == pytest.approx(float(spread[1]), rel=1e-13)
    late = wgf.solve(-temperature * S, mu, Heun(), dt=h, t_end=6.0).ensemble.covariance().diagonal().sqrt()
    assert abs(float(late[0]) - target) <= h * temperature / 2
    assert float(S.value(sol.ensemble)) < 0.0


def test_decorrelation_flow_of_two_coordinates():
    """Equal variances s/2 and covariance c: ċ = −2T s c and s² − 4c² = K stays, so that 2c = √K/sinh(2T√K (t + t₀))."""
    a, c, temperature, t = 1.2, 0.7, 0.25, 0.8
    root = torch.linalg.cholesky(torch.tensor([[a, c], [c, a]], dtype=torch.float64))
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64) @ root.T
    sol = wgf.solve(-temperature * wgf.Decorrelation(), wgf.Ensemble(x), RungeKutta4(), dt=0.01, t_end=t)
    rate = 2 * temperature * math.sqrt((2 * a) ** 2 - 4 * c**2)
    t0 = math.asinh(rate / (2 * temperature) / (2 * c)) / rate
    C = sol.ensemble.covariance().numpy()
    assert 2 * C[0, 1] == pytest.approx(rate / (2 * temperature) / math.sinh(rate * (t + t0)), rel=1e-8)
    assert (C[0, 0] + C[1, 1]) ** 2 - 4 * C[0, 1] ** 2 == pytest.approx((2 * a) ** 2 - 4 * c**2, rel=1e-8)


def test_uniformity_of_two_particles_and_of_a_gaussian():
    """Z = ½(1 + e^{−tr²}) and ∇S = ±2t r e^{−tr²}/Z; −log Z = (d/2) log(1 + 4tσ²) for N(0, σ²I), here to 5 errors."""
    t, r = 0.7, 1.4
    pair = wgf.Ensemble([[0.0, 0.0], [r, 0.0]])
    Z = 0.5 * (1 + math.exp(-t * r * r))
    assert float(wgf.Uniformity(t).value(pair)) == pytest.approx(-math.log(Z), rel=1e-13)
    push = 2 * t * r * math.exp(-t * r * r) / Z
    torch.testing.assert_close(
        wgf.Uniformity(t).gradient(pair), torch.tensor([[-push, 0.0], [push, 0.0]], dtype=torch.float64)
    )
    mu = wgf.Ensemble.gaussian(4000, 2, cov=1.5, seed=0)
    own = mu.convolve(wgf.kernels.Gaussian(1 / math.sqrt(2 * t)))
    error = 2 * float(own.std()) / math.sqrt(mu.n) / float(own.mean()) + 1 / mu.n * float(1 / own.mean())
    assert abs(float(wgf.Uniformity(t).value(mu)) - math.log(1 + 4 * t * 1.5)) < 5 * error


def test_uniformity_is_near_linear_in_three_dimensions_and_says_how():
    mu = wgf.Ensemble.gaussian(20_000, 2, seed=1)
    S, dense = wgf.Uniformity(2.0), wgf.Uniformity(2.0, method="dense")
    audit = S.audit(mu)
    assert audit.method == "fourier"
    assert audit.error is not None
    assert audit.error < 1e-6
    assert float(S.value(mu)) == pytest.approx(float(dense.value(mu)), rel=1e-6)


def test_koleo_of_two_particles():
    """Each is the neighbour of the other: ṙ = 4Td/r − kr, so that r² tends to 4Td/k at the rate 2k."""
    k, temperature, d, t = 1.3, 0.2, 3, 0.9
    mu = wgf.Ensemble([[0.1, 0.0, 0.4], [0.6, -0.3, 0.2]])
    sol = wgf.solve(wgf.Quadratic(k) - temperature * wgf.KoLeo(), mu, RungeKutta4(), dt=0.005, t_end=t)
    last = 4 * temperature * d / k
    first = float((mu.x[0] - mu.x[1]).square().sum())
    end = float((sol.ensemble.x[0] - sol.ensemble.x[1]).square().sum())
    assert end == pytest.approx(last + (first - last) * math.exp(-2 * k * t), rel=1e-7)


def test_koleo_is_the_estimate_of_the_entropy_up_to_a_constant():
    mu = wgf.Ensemble.gaussian(500, 3, seed=0)
    for k in (1, 4):
        constant = digamma(500) - digamma(k) + 1.5 * math.log(math.pi) - gammaln(2.5)
        assert float(wgf.KoLeo(k).value(mu)) + constant == pytest.approx(float(knn_entropy(mu, k)), rel=1e-12)


def test_koleo_pushes_by_the_neighbours_of_all_orders():
    """Three particles on a line at 0, 1, 3 with weights: ν = (1, 0, 1), and the middle one is pushed by two others."""
    w = [0.5, 0.2, 0.3]
    mu = wgf.Ensemble([[0.0], [1.0], [3.0]], w)
    want = [-1.0 - w[1] / w[0], 1.0 + (w[0] * 1.0 - w[2] * 0.5) / w[1], 0.5]
    np.testing.assert_allclose(wgf.KoLeo().gradient(mu)[:, 0], want, rtol=1e-13)


# ------------------------------------------------------------------------------------------------- flows


SMOOTH = pytest.mark.parametrize("name", [name for name in MADE if name != "KoLeo"])


@SMOOTH
@pytest.mark.parametrize(("scheme", "order"), [(Heun, 2), (RungeKutta4, 4)])
def test_closure_falls_at_the_order_of_the_scheme(name, scheme, order):
    hs, closures = [2**k / 128 for k in (range(3) if order == 2 else range(1, 4))], []
    for h in hs:
        F = wgf.Potential(lambda x: (x**4).sum(1) / 4) - 0.3 * MADE[name][0]
        book = wgf.solve(F, start(cov=0.2), scheme(), dt=h, t_end=0.5, record_every=1).ledger
        closures.append(np.abs(book["closure"][1:]).max())
    assert slope(hs, closures) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize(("scheme", "order"), [(Heun, 2), (RungeKutta4, 4)])
def test_closure_under_koleo_falls_at_the_order_while_no_neighbour_changes(scheme, order):
    """Six pairs, far from each other."""
    centres = 3.0 * torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
    mu = wgf.Ensemble(torch.cat([centres, centres + 0.5 + start(6, 2).x / 10]))
    hs, closures = [1 / 32, 1 / 64, 1 / 128], []
    for h in hs:
        book = wgf.solve(
            0.01 * wgf.Quadratic() - 0.3 * wgf.KoLeo(), mu, scheme(), dt=h, t_end=0.5, record_every=1
        ).ledger
        closures.append(np.abs(book["closure"][1:]).max())
    assert slope(hs, closures) == pytest.approx(order, abs=0.35)


@pytest.mark.filterwarnings("ignore:closure")
def test_under_koleo_more_is_dissipated_than_released_at_any_step():
    """Particles stay where two neighbours are equally far: the force jumps to and fro, and only its mean moves them."""
    for h in (0.1, 0.05):
        F = wgf.Quadratic() - 0.3 * wgf.KoLeo()
        book = wgf.solve(F, start(60, 3), Heun(), dt=h, t_end=3.0, record_every=1).ledger
        assert np.all(book["closure"][-5:] < -0.5)


@named
def test_a_run_in_pieces_has_the_bits_of_an_unbroken_one(name):
    F = wgf.Quadratic() - 0.3 * MADE[name][0]
    settings: Any = {"dt": 0.1, "record_every": 2}
    whole = wgf.solve(F, start(40, 3), Heun(), t_end=1.0, **settings)
    first = wgf.solve(F, start(40, 3), Heun(), t_end=0.5, **settings)
    second = wgf.solve(F, None, Heun(), t_end=1.0, state=first.state, **settings)
    assert torch.equal(second.ensemble.x, whole.ensemble.x)


# ------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: wgf.CodingRate(0.0), "coding rate epsilon = 0.0: wanted a positive number"),
        (lambda: wgf.CodingRate(math.nan), "wanted a positive number"),
        (lambda: wgf.SpectralEntropy(-1.0), "ridge = -1.0: wanted a number ≥ 0"),
        (lambda: wgf.HingeVariance(0.0, 1e-4), "hinge target = 0.0: wanted a positive number"),
        (lambda: wgf.HingeVariance(-1.0, 1e-4), "hinge target = -1.0: wanted a positive number"),
        (lambda: wgf.HingeVariance(1.0, 0.0), "hinge epsilon = 0.0: wanted a positive number"),
        (lambda: wgf.KoLeo(0), "k = 0: wanted an integer ≥ 1"),
        (lambda: wgf.KoLeo(1.5), "wanted an integer"),
        (lambda: wgf.Uniformity(-2.0), "uniformity t = -2.0: wanted a positive number"),
        (lambda: wgf.Uniformity(1e-200), "wanted a length"),
        (lambda: wgf.Uniformity(1.0, method="furier"), "fourier"),
        (lambda: wgf.Uniformity(1.0, method="sorting"), "sorting"),
    ],
)
def test_settings_that_are_refused(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_spectral_entropy_of_coincident_particles():
    for x in ([[0.1, 0.3]] * 3, [[0.1] * 5] * 3):
        with pytest.raises(ConfigError, match=r"all 3 particles coincide.*give a ridge"):
            wgf.SpectralEntropy().value(wgf.Ensemble(x))
        assert float(wgf.SpectralEntropy(0.1).value(wgf.Ensemble(x))) == pytest.approx(math.log(len(x[0])), rel=1e-12)


def test_koleo_of_too_few_or_coincident_particles():
    mu = ensemble(2, False, n=5)
    with pytest.raises(ConfigError, match=r"KoLeo\(k=5\) of 5 particles with a weight: wanted more than k = 5"):
        wgf.KoLeo(5).value(mu)
    with pytest.raises(ConfigError, match=r"of 4 particles with a weight"):
        wgf.KoLeo(4).value(wgf.Ensemble(mu.x, [0.25, 0.25, 0.25, 0.25, 0.0]))
    twice = wgf.Ensemble(torch.cat([mu.x, mu.x[2:3]]))
    for call in (wgf.KoLeo().value, wgf.KoLeo().gradient, wgf.KoLeo().first_variation):
        with pytest.raises(DivergenceError, match="more than 1 of the particles coincide at"):
            call(twice)
    assert math.isfinite(float(wgf.KoLeo(2).value(twice)))
    with pytest.raises(DivergenceError, match="a point of `at` coincides with 1 of the particles"):
        wgf.KoLeo().gradient(mu, mu.x[1:2])
    with pytest.raises(ConfigError, match="batch of 2 rows: wanted 4 rows at least"):
        wgf.regularizers.KoLeo(3)(torch.ones(2, 3))


@named
def test_numbers_out_of_range_are_errors(name):
    far = wgf.Ensemble([[1e200, 0.0], [-1e200, 1e200], [0.0, 1.0]])
    if name == "Uniformity":  # no two particles see each other
        assert float(MADE[name][0].value(far)) == pytest.approx(math.log(3.0))
        return
    with pytest.raises((DivergenceError, ConfigError)):
        MADE[name][0].gradient(far)


# ------------------------------------------------------------------------------------------------- regimes


def weak(F, mu, **options):
    report = force_report(wgf.solve(F, mu, Heun(), dt=0.1, t_end=1.0, **options))
    assert ends(report, "weak") == [(0.0, 1.0)]
    assert not report.effective
    return " ".join(report.remarks())


def test_a_hinge_above_its_target_is_weak_by_design():
    mu = wgf.Ensemble.gaussian(50, 2, cov=9.0, seed=1)
    said = weak(1e-3 * wgf.Quadratic() - wgf.HingeVariance(1.0, 1e-4), mu)
    assert "HingeVariance has no force once every coordinate is spread by the target, by design" in said


def test_decorrelation_without_correlations_is_weak_by_design():
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    said = weak(wgf.Quadratic() - wgf.Decorrelation(), wgf.Ensemble(x))
    assert "Decorrelation has no force where coordinates are not correlated, by design" in said


def test_spectral_entropy_of_an_even_spread_is_weak_by_design():
    x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    said = weak(wgf.Quadratic() - wgf.SpectralEntropy(), wgf.Ensemble(x))
    assert "SpectralEntropy has no force where all directions have the same variance" in said


def test_coding_rate_of_a_cloud_far_below_its_precision_is_weak():
    said = weak(wgf.Quadratic() - wgf.CodingRate(100.0), wgf.Ensemble.gaussian(50, 2, seed=1))
    assert "CodingRate fades as tr M falls far below ε²" in said


def test_uniformity_of_particles_far_apart_is_weak():
    said = weak(wgf.Quadratic() - wgf.Uniformity(10.0), wgf.Ensemble(100.0 * start(8, 2).x))
    assert "Uniformity fades where all distances are far above" in said


def test_koleo_of_nearly_coincident_particles_is_unstable():
    x = start(40, 2).x.clone()
    x[1] = x[0] + 1e-5
    report = force_report(wgf.solve(wgf.Quadratic() - 1e-3 * wgf.KoLeo(), wgf.Ensemble(x), Heun(), dt=0.02, t_end=1.0))
    assert ends(report, "unstable")[0][0] == 0.0
    assert "KoLeo pushes near-coincident particles apart with a force of d/r" in " ".join(report.remarks())


def test_a_regime_that_does_not_occur_is_not_explained():
    report = force_report(wgf.solve(wgf.Quadratic() - wgf.CodingRate(0.5), start(), Heun(), dt=0.1, t_end=1.0))
    assert not any("fades" in line for line in report.remarks())
