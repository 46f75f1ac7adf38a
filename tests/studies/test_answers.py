"""What the studies must show: dissipation, chaos and phase by their small versions and by the core of each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ive

import wgf
from wgf import studies
from wgf.errors import ConfigError
from wgf.studies import Verdict, Work
from wgf.studies.chaos import mean_field
from wgf.studies.dissipation import relaxation
from wgf.studies.frame.statistics import extrapolate, t_interval
from wgf.studies.phase.critical import MODELS, Scaling, area, moments


@pytest.fixture(scope="module", params=["dissipation", "chaos", "phase"])
def quick(request, tmp_path_factory):
    return studies.run(request.param, quick=True, out=tmp_path_factory.mktemp(request.param) / "run")


def test_the_small_version_of_each_study_says_what_it_found(quick):
    """Seeds are fixed. Of a small version "undecided" is a fair answer, except where a question must be answered."""
    found = {finding.asked: finding.verdict for finding in quick.outcome.findings}
    assert found.get("double wells, θ = 1: β_c") is not Verdict.CONTRADICTED
    must = {
        "chaos": ["linear: exponent of the bias of E x²", "linear: exponent of the fluctuation of the mean"],
        "dissipation": ["parabola, displaced: rate with LogDet", "double well: least D/(F − F*) of the density"],
        "phase": ["double wells, θ = 1: exponent of the loop's area over its duration"],
    }
    for asked in must[quick.study.name]:
        assert found[asked] is Verdict.SUPPORTED, asked
    page = quick.report.read_text(encoding="utf-8")
    assert page.count("<img") == len(quick.outcome.figures) >= 2
    assert len(quick.outcome.limits) >= 4
    for finding in quick.outcome.findings:
        assert math.isfinite(finding.measured.value), finding.asked
        assert finding.measured.low <= finding.measured.value <= finding.measured.high


# ------------------------------------------------------------------------------------------------- columns


def test_columns_are_independent_copies():
    """Twelve columns and their first nine: the same numbers, for both models and at every time."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 12))
    for F, domain in ((mean_field.desai_zwanzig(1.0, 0.5), None), (mean_field.kuramoto(1.0, 0.4), mean_field.CIRCLE)):
        both = [
            mean_field.follow(
                F, wgf.Ensemble(domain.fold(start) if domain else start), wgf.solvers.LeimkuhlerMatthews(),
                lambda x: x.mean(0), dt=0.1, t_end=3.0, every=5, seed=1, domain=domain,
            )
            for start in (x, x[:, :9])
        ]  # fmt: skip
        np.testing.assert_allclose(both[0][:, :9], both[1], rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------- chaos


def test_the_bias_of_linear_mckean_vlasov_is_measured_at_each_n():
    """Case 4: E x² = s(a)/n + (1 − 1/n) s(a + b) at h = .1, in 99.99 % intervals over six seeds (false alarms 10⁻⁴
    each) that are narrower than the bias itself; the slope is −1 ± .1."""
    study = studies.load("chaos", seeds=6, sizes=(8, 24, 72), columns=64, dt=0.1, every=5, t_settle=6.0, t_end=14.0)
    sweep = study.sweep("linear", Work())
    exact = study.stationary(study.confinement) - sweep.limit
    for n, row in zip(sweep.sizes, sweep.bias, strict=True):
        found = t_interval(row, level=0.9999)
        assert found.covers(exact / n)
        assert found.half_width < exact / n
    assert sweep.bias_law().exponent.value == pytest.approx(-1.0, abs=0.1)
    limit = extrapolate(study.sizes, list(sweep.limit + sweep.bias), paired=True, level=0.9999).limit
    assert limit.covers(sweep.limit)


def test_chaos_refuses_settings_that_cannot_answer():
    with pytest.raises(ConfigError, match="at least 3 different ones"):
        studies.load("chaos", sizes=(8, 16))
    with pytest.raises(ConfigError, match="columns = 4"):
        studies.load("chaos", columns=4)
    with pytest.raises(ConfigError, match="beyond t_settle"):
        studies.load("chaos", t_end=2.0)
    with pytest.raises(ConfigError, match="did you mean 'wells'"):
        studies.load("phase", models=("well",))
    with pytest.raises(ConfigError, match="at least 3 different ones"):
        studies.load("phase", durations=(10.0, 20.0))


# ------------------------------------------------------------------------------------------------- dissipation


def test_the_rate_of_ornstein_uhlenbeck_is_2k_within_2_per_cent():
    """Six seeds of 2000 exact particles: 2k within 2 %, and within the 99.99 % interval (false alarms 10⁻⁴)."""
    case = relaxation.CASES[0]
    runs = [relaxation.particles(case, 2000, 0.05, 1.0, 4, seed) for seed in range(6)]
    found = relaxation.Relaxation(case, runs, {}, {}, 0)
    for gaussian in (True, False):
        rate = found.rates((0.0, 1.0), gaussian)
        assert rate.value == pytest.approx(2 * case.stiffness, rel=0.02)
    rates = [wgf.diagnostics.rates.decay_rate(run["t"], found.gap(run, True), (0.0, 1.0)).rate for run in runs]
    assert t_interval(rates, level=0.9999).covers(2.0)


def test_gibbs_states_of_the_cases_are_what_they_should_be():
    """The parabola has T/k, −(T/2) log(2πT/k) and no Gaussian excess; the grid's infimum is that of the line."""
    parabola, _, well, plane = relaxation.CASES
    assert parabola.infimum == pytest.approx(-0.25 * math.log(2 * math.pi * 0.5), rel=1e-10)
    assert abs(parabola.gaussian_excess()) < 1e-9
    assert well.infimum_on(400) == pytest.approx(well.infimum, abs=1e-6)
    assert plane.infimum == pytest.approx(well.infimum + parabola.infimum, rel=1e-12)
    assert plane.gaussian_excess() == pytest.approx(well.gaussian_excess(), rel=1e-9)
    x = np.linspace(-6, 6, 20001)
    p = np.exp(-2 * (x**4 / 4 - x**2 / 2))
    p /= p.sum() * (x[1] - x[0])
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum() * (x[1] - x[0])
    variance = (p * x**2).sum() * (x[1] - x[0])
    assert well.gaussian_excess() == pytest.approx(0.5 * math.log(2 * math.pi * math.e * variance) - entropy, rel=1e-6)


# ------------------------------------------------------------------------------------------------- phase


def ratio_of_wells(temperature, theta, n):
    """⟨m⁴⟩/⟨m²⟩² and ⟨m²⟩ of n particles exactly, by the Gaussian trick: exp(βθn m²/2) is a mean over a field."""
    beta = 1 / temperature
    x, field = np.linspace(-4, 4, 2001), np.linspace(0, 2, 1001)
    exponent = -beta * (x**4 / 4 + (theta - 1) * x**2 / 2) + beta * theta * field[:, None] * x
    top = exponent.max(1, keepdims=True)
    log_weight = n * (np.log(np.exp(exponent - top).sum(1)) + top[:, 0] - 0.5 * beta * theta * field**2)
    weight = np.exp(log_weight - log_weight.max())
    weight[0] *= 0.5
    weight /= weight.sum()
    s, p2, p4 = 1 / (n * beta * theta), (weight * field**2).sum(), (weight * field**4).sum()
    m2 = p2 - s
    return (p4 - 6 * m2 * s - 3 * s**2) / m2**2, m2


def ratio_of_oscillators(temperature, coupling, n):
    """The same in the plane."""
    beta, r = coupling / temperature, np.linspace(0, 2, 4001)
    log_weight = n * (np.log(ive(0, beta * r)) + beta * r - 0.5 * beta * r**2)
    weight = np.exp(log_weight - log_weight.max()) * r
    weight /= weight.sum()
    s, p2, p4 = 1 / (n * beta), (weight * r**2).sum(), (weight * r**4).sum()
    m2 = p2 - 2 * s
    return (p4 - 8 * m2 * s - 8 * s**2) / m2**2, m2


EXACT = {
    "wells": lambda T, n: ratio_of_wells(T, 1.0, n),
    "weak wells": lambda T, n: ratio_of_wells(T, 0.5, n),
    "kuramoto": lambda T, n: ratio_of_oscillators(T, 1.0, n),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_scaling_finds_the_critical_point_in_exact_ratios(name):
    """β_c of case 11 (3.78065, 2.18844) and K_c = 2T from finite systems without noise, to the fit's own 0.2 %."""
    sizes, model = (40, 80, 160, 320), MODELS[name]
    exact = np.array([[EXACT[name](T, n)[0] for T in model.temperatures] for n in sizes])
    jitter = 1e-3 * np.random.default_rng(0).normal(size=(*exact.shape, 3))
    critical, ratio = Scaling(model, sizes, exact[..., None] + jitter).critical()
    assert critical.value == pytest.approx(model.critical, rel=2e-3)
    assert ratio.half_width == 0.0
    free, ratio = Scaling(model, sizes, exact[..., None] + jitter).critical(free=True)
    assert free.value == pytest.approx(model.critical, rel=1e-2)
    assert ratio.value == pytest.approx(model.universal, rel=0.06)


@pytest.mark.parametrize(("name", "temperature"), [("wells", 0.46), ("kuramoto", 0.5)])
def test_particles_have_the_exact_moments_at_the_critical_point(name, temperature):
    """n = 24: within 99.99 % intervals over eight seeds (false alarms 10⁻⁴ each), known to 15 %."""
    results = [moments(name, temperature, 24, 160, 0.1, 10.0, 25.0, seed) for seed in range(8)]
    ratio, m2 = EXACT[name](temperature, 24)
    found = t_interval([second for second, _ in results], level=0.9999)
    assert found.covers(m2)
    assert found.half_width < 0.15 * m2
    found = t_interval([fourth / second**2 for second, fourth in results], level=0.9999)
    assert found.covers(ratio)
    assert found.half_width < 0.15 * ratio


def test_order_sets_in_below_the_critical_temperature_alone():
    for name in MODELS:
        model = MODELS[name]
        assert model.exact(1.02 * model.critical) == 0.0
        assert model.exact(0.98 * model.critical) > 0.05


def test_the_area_of_a_loop():
    T = np.array([1.0, 0.5, 0.0])
    assert area(T, np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])) == pytest.approx(0.5)
