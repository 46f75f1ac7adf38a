"""The studies of learning: information force, generalisation and scaling, by closed forms and small runs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate

import wgf
from wgf import studies
from wgf.diagnostics import Ledger, channel_information, gap_bounds, information_bound
from wgf.errors import ConfigError, ShapeError
from wgf.studies import Estimate, Verdict, Work
from wgf.studies.frame import above_zero
from wgf.studies.generalisation import decoders
from wgf.studies.information_force import neurons, representations, surrogates
from wgf.studies.information_force.runs import SETTINGS, Runs
from wgf.studies.scaling import stock
from wgf.studies.scaling.sweep import Sweep, foretell

# ---------------------------------------------------------------------------------------------- information


def gaussian_rows(variances, nodes=24):
    """A product of Gauss–Hermite rules: rows and weights with exactly these variances."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grids = np.meshgrid(*(math.sqrt(v) * points for v in variances), indexing="ij")
    mass = np.ones(1)
    for _ in variances:
        mass = np.multiply.outer(mass, weights / weights.sum())
    return wgf.Ensemble(np.stack([g.ravel() for g in grids], axis=1), mass.ravel())


@pytest.mark.parametrize("variances", [(1.0,), (4.0, 0.25), (2.0, 1.0, 1e-8)])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 30.0])
def test_the_bound_is_the_capacity_of_the_gaussian_channel(variances, sigma):
    """½ Σ log(1 + vⱼ/σ²), from the covariance alone."""
    wanted = 0.5 * sum(math.log1p(v / sigma**2) for v in variances)
    assert information_bound(gaussian_rows(variances, 8), sigma) == pytest.approx(wanted, rel=1e-10)


def test_the_bound_knows_neither_axes_nor_units_nor_constants():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 4)) * [1.0, 2.0, 0.1, 3.0]
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    wanted = information_bound(z, 0.5)
    assert information_bound(z @ turn + 7.0, 0.5) == pytest.approx(wanted, rel=1e-12)
    assert information_bound(1e-150 * z, 0.5e-150) == pytest.approx(wanted, rel=1e-12)
    assert information_bound(np.hstack([z, np.full((50, 3), 2.0)]), 0.5) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_information_of_the_gaussian_channel(sigma):
    """Monte Carlo over 20 000 pairs against ½ log(1 + 1/σ²), within 5 standard errors (6·10⁻⁷), and below B."""
    mu = gaussian_rows((1.0,), 40)  # nodes are closer than σ, so that the mixture is Gaussian to rounding
    found = channel_information(mu, sigma, draws=20_000, seed=1)
    exact = 0.5 * math.log1p(1 / sigma**2)
    assert abs(found.value - exact) < 5 * found.standard_error < 0.1
    assert information_bound(mu, sigma) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_information_of_two_signals(sigma):
    """X = ±1: I = log 2 − E log(1 + e^{−2Z/σ²}), Z ~ N(1, σ²), by quadrature; B lies strictly above it."""

    def integrand(z):
        return math.exp(-0.5 * ((z - 1) / sigma) ** 2) * np.logaddexp(0.0, -2 * z / sigma**2)

    loss, _ = integrate.quad(integrand, 1 - 12 * sigma, 1 + 12 * sigma, points=[0.0])
    exact = math.log(2) - loss / (sigma * math.sqrt(2 * math.pi))
    found = channel_information([[-1.0], [1.0]], sigma, draws=20_000, seed=3)
    assert abs(found.value - exact) < 5 * found.standard_error < 0.05
    assert exact < information_bound([[-1.0], [1.0]], sigma)


def test_bounds_on_the_gap():
    bounds = gap_bounds(2.0, 50, sub_gaussian=0.5, label_entropy=math.log(10))
    assert bounds["assumed"].value == pytest.approx(math.sqrt(0.5 * 2.0 / 50))
    assert bounds["unlabelled"].value == pytest.approx(1.0)
    assert bounds["labelled"].value == pytest.approx(math.sqrt(0.5 * (2.0 + math.log(10))))
    assert "I(S; W) ≤ B" in bounds["assumed"].assumption
    assert "labelled" not in gap_bounds(2.0, 50)
    assert gap_bounds(0.0, 1)["unlabelled"].value == 0.0


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf, "1"])
def test_noise_must_be_positive(sigma):
    for function in (information_bound, channel_information):
        with pytest.raises(ConfigError, match=r"sigma = .*wanted a positive number"):
            function([[0.0], [1.0]], sigma)


def test_information_refuses_what_it_cannot_use():
    with pytest.raises(ShapeError):
        information_bound([1.0, 2.0], 1.0)
    with pytest.raises((ConfigError, wgf.errors.DivergenceError)):
        information_bound([[math.nan], [1.0]], 1.0)
    for wrong in ({"information": -1.0, "samples": 5}, {"information": 1.0, "samples": 0}):
        with pytest.raises(ConfigError, match="wanted"):
            gap_bounds(**wrong)
    with pytest.raises(ConfigError, match="sub_gaussian"):
        gap_bounds(1.0, 5, sub_gaussian=0.0)
    with pytest.raises(ConfigError, match="label_entropy"):
        gap_bounds(1.0, 5, label_entropy=-0.1)


def test_memorised_labels_break_the_assumed_bound():
    """Test errors of labels that nothing foretells are binomial: 597 of them within 5σ = 0.103 of ½ (6·10⁻⁷)."""
    found = decoders.measure(0, (1.0, 10.0), (32, 256), 4, 200)
    gap = found["gap"][decoders.DECODERS.index("memorised")]
    assert np.abs(gap - 0.5).max() < 0.103
    assert (gap > [[b.value for b in (gap_bounds(i, n)["assumed"] for n in (32, 256))] for i in found["bound"]]).all()
    assert found["labels"] == pytest.approx(math.log(2), abs=1e-3)
    assert (found["gap"] <= math.sqrt(0.5 * (found["bound"].min() + float(found["labels"])))).all()


# ---------------------------------------------------------------------------------------------- information force


def test_an_image_moves_by_a_pixel():
    image = torch.zeros(1, 64)
    image[0, 8 * 3 + 7] = 1.0  # row 3, at the right edge
    assert surrogates.moved_by_a_pixel(image, 1, 0).nonzero().tolist() == [[0, 8 * 4 + 7]]
    assert surrogates.moved_by_a_pixel(image, 0, -1).nonzero().tolist() == [[0, 8 * 3 + 6]]
    assert surrogates.moved_by_a_pixel(image, 0, 1).abs().sum() == 0.0  # it has left


def test_images_of_a_seed():
    data = surrogates.images(3, 120, 200)
    x, _ = data.train
    assert x.shape == (120, 64)
    assert len(data.clean) == len(data.labels) == 200
    assert torch.allclose(x.mean(0), torch.zeros(64, dtype=x.dtype), atol=1e-12)
    assert float(x.square().mean()) == pytest.approx(1.0)
    noise = data.noisy - data.clean  # 12 800 normal numbers: their variance within 5 · √(2/12800) (6·10⁻⁷)
    assert float(noise.var()) == pytest.approx(surrogates.INPUT_NOISE**2, abs=5 * math.sqrt(2 / 12800))
    assert not torch.equal(surrogates.images(4, 120, 200).clean, data.clean)
    rows = {tuple(row) for part in (x, data.validation[0], data.clean) for row in part.tolist()}
    assert len(rows) >= 120 + surrogates.VALIDATION + 200 - 5  # apart, but for a few equal images


@pytest.mark.parametrize("name", surrogates.SURROGATES)
def test_surrogates_begin_at_the_ratio_asked_for(name):
    plain = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    run = neurons.train_neurons(name, 0.3, 0, (80, 100, 50, 0.5, 1.0), plain)
    assert run.ratio[0] == pytest.approx(0.3, rel=1e-10)
    assert run.temperature > 0
    assert (plain.c0, plain.degenerate, plain.collapse) == (0.0, True, 0.0)
    plain = representations.train_encoder(surrogates.NONE, 0.0, 0, (100, 50, 8), None)
    run = representations.train_encoder(name, 0.3, 0, (100, 50, 8), plain)
    assert run.ratio[0] == pytest.approx(0.3, rel=1e-10)
    assert run.collapse > 0


def test_no_entropy_is_plain_training():
    """The monitor and the missing entropy leave nothing behind: a loop of torch gives the same accuracies."""
    run = representations.train_encoder(surrogates.NONE, 0.0, 2, (150, 100, 30), None)
    data = surrogates.images(2, 150, 100)
    model = representations.Classifier(2)
    optimiser = torch.optim.Adam(model.parameters(), lr=representations.LEARNING_RATE)
    for _ in range(30):
        z = model.encoder(data.train[0])
        loss = torch.nn.functional.cross_entropy(model.head(z), data.train[1])
        loss = loss + 0.5 * surrogates.CONFINEMENT * z.square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert run.accuracy == surrogates.accuracies(data, lambda x: model(x).argmax(1))
        assert torch.allclose(run.end.x, model.encoder(data.train[0]), rtol=1e-12, atol=1e-12)


def ledger(information, loss=1.0):
    found = Ledger()
    for t, force in enumerate(information):
        row = {"t": t, "loss_force": loss, "information_force": force, "force_ratio": force / loss}
        found.append(row | {"alignment": -0.5, "entropy_production": 0.0, "reference_alignment": 1.0})
    return found


def test_what_is_kept_of_the_forces():
    mu = wgf.Ensemble.gaussian(20, 2, seed=0)
    grown = surrogates.forces(ledger(np.geomspace(0.1, 0.4, 21)), mu, None)
    assert (grown["c0"], grown["c1"]) == pytest.approx((0.1, 0.4))
    assert grown["typical"] == pytest.approx(0.2)  # the geometric mean of a geometric ramp
    assert grown["degenerate"] is True  # c = 0 for want of a plain run: collapsed throughout
    line = surrogates.forces(ledger(np.linspace(0.0, 2.0, 2001)), mu, None)
    assert line["varies"] == pytest.approx(1 / math.sqrt(3), abs=1e-3)  # of a uniform variable on [0, 2]
    plain = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    plain = replace(plain, end=wgf.Ensemble(mu.x + 3.0), length=6.0)
    apart = surrogates.forces(ledger([0.2] * 9), mu, plain)
    assert apart["collapse"] == pytest.approx(math.sqrt(18) / 6.0)  # W₂ of a translation by (3, 3)
    assert apart["degenerate"] is False
    weak = surrogates.forces(ledger([1e-5] * 9), mu, plain)
    assert weak["degenerate"] is True
    assert weak["regimes"]["weak"] == 1.0


def test_the_temperature_is_chosen_by_validation_alone():
    study = studies.load("information-force", seeds=3, ratios=(0.1, 1.0, 10.0))
    one = neurons.train_neurons(surrogates.NONE, 0.0, 0, (80, 100, 50, 0.5, 1.0), None)
    validation = {0: (0.5, 0.9, 0.9), 1: (0.7, 0.6, 0.5), 2: (0.1, 0.2, 0.3)}
    sweep = [
        replace(one, setting=SETTINGS[0], surrogate="LogDet", seed=seed, matched=ratio,
                accuracy={"validation": value, "clean": 1 - value, "noise": 0.0, "shift": 0.0})
        for seed, values in validation.items()
        for ratio, value in zip(study.ratios, values, strict=True)
    ]  # fmt: skip
    chosen = Runs(sweep, study.ratios, study.seed_numbers).chosen(SETTINGS[0], "LogDet")
    assert [run.matched for run in chosen] == [1.0, 0.1, 10.0]  # the least among equals


def test_threads_change_nothing():
    """A study gives the same numbers in one process and in several, where torch has one thread."""
    before = torch.get_num_threads()
    task = stock.Task(dim=6, neurons=4, noise=0.1, confinement=0.01, dt=1.0, pool=300)
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run = representations.train_encoder("LogDet", 1.0, 0, (300, 200, 12), None)
            found.append((run.rank, run.c0, run.accuracy, run.length, stock.train(task, 64, 256, 0, (4,))))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]


def test_a_sign_is_decided_by_the_whole_interval():
    for low, high, verdict in ((0.1, 0.2, "supported"), (-0.2, -0.1, "contradicted"), (-0.1, 0.1, "undecided")):
        assert above_zero("", Estimate(0.0, low, high)).verdict.value == verdict
    assert above_zero("", Estimate(0.0, 0.0, 0.0)).verdict is Verdict.UNDECIDED
    assert above_zero("", Estimate(math.nan, math.nan, math.nan)).verdict is Verdict.UNDECIDED


def test_the_study_of_the_information_force_on_a_small_scale():
    small = {"seeds": 3, "ratios": (0.1, 1.0), "neurons": 80, "train": 100, "test": 60, "t_end": 1.5, "steps": 8}
    outcome = studies.load("information-force", **small).run(Work())
    assert len(outcome.findings) == 2 * (2 * 4 + 3)
    assert all(finding.criterion == "the whole interval lies above 0" for finding in outcome.findings)
    for setting in SETTINGS:
        table = outcome.table(f"sweep_{setting}")
        assert len(table.rows) == 1 + 2 * len(surrogates.SURROGATES)
        starts = [c0 for name, c0 in zip(table.column("surrogate"), table.column("c₀"), strict=True) if name != "none"]
        assert 0 < min(starts) < max(starts) <= 1.0 + 1e-10
    assert [row[0] for row in outcome.table("chosen").rows] == 7 * ["particles"] + 7 * ["representations"]
    assert [figure.name for figure in outcome.figures] == ["forces", "bounds", "learned"]


# ---------------------------------------------------------------------------------------------- generalisation


def test_the_study_of_generalisation_on_a_small_scale():
    small = {"seeds": 4, "noises": (0.3, 10.0), "samples": (32, 128), "components": 4, "draws": 500}
    outcome = studies.load("generalisation", **small).run(Work())
    table = outcome.table("gaps")
    assert [row[:2] for row in table.rows] == [[s, n] for s in (0.3, 10.0) for n in (32, 128)]
    assert table.column("B")[0] > table.column("B")[-1] > 0
    verdicts = {finding.asked: finding.verdict for finding in outcome.findings}
    broken = next(v for asked, v in verdicts.items() if "assumes I(S; W) ≤ B" in asked and "random labels" in asked)
    assert broken is Verdict.CONTRADICTED
    assert next(v for asked, v in verdicts.items() if "assumes nothing more" in asked) is Verdict.SUPPORTED


# ---------------------------------------------------------------------------------------------- scaling


@pytest.mark.parametrize(("n", "m"), [(3, 20), (20, 3), (1, 1)])
def test_the_stock_is_the_information_gain(n, m):
    """½ log det(1 + K/σ²) by the kernel matrix over samples, whichever side is the shorter; weights count."""
    rng = np.random.default_rng(n)
    z, y, weights = rng.normal(size=(m, 2)), rng.normal(size=m), rng.uniform(0.5, 1.0, n)
    risk = wgf.NetworkRisk(z, y)
    mu = wgf.Ensemble(rng.normal(size=(n, 4)), weights / weights.sum())
    x = mu.x.numpy()
    phi = x[:, 0] * np.tanh(z @ x[:, 1:3].T + x[:, 3])
    kernel = (phi * mu.weights.numpy()) @ phi.T
    wanted = 0.5 * np.linalg.slogdet(np.eye(m) + kernel / 0.3**2)[1]
    assert stock.information_stock(risk, mu, 0.3) == pytest.approx(wanted, rel=1e-10)
    with pytest.raises(ConfigError, match="sigma"):
        stock.information_stock(risk, mu, 0.0)


def test_injection_and_dissipation_are_those_of_the_two_forces():
    """J = ⟨∇I, −∇R⟩ and γ = k⟨∇I, θ⟩/I by autograd, to first order in τ = dt/5: half the step, half the error."""

    def errors(dt):
        task = stock.Task(dim=3, neurons=4, noise=0.2, confinement=0.05, dt=dt, pool=100)
        x, y, _, _ = task.data(30, 0)
        risk = wgf.NetworkRisk(x, y)
        mu = risk.initial(12, seed=1)
        theta = mu.x.clone().requires_grad_(True)
        phi = theta[:, 0] * torch.tanh(x @ theta[:, 1:-1].T + theta[:, -1]) / (math.sqrt(12) * task.noise)
        value = 0.5 * torch.logdet(torch.eye(30, dtype=torch.float64) + phi @ phi.T)
        (slope,) = torch.autograd.grad(value, theta)
        found = stock.balance(task, risk, mu, 0.0, 0.0)
        injection = -float((slope * risk.gradient(mu)).sum())
        dissipation = task.confinement * float((slope * mu.x).sum()) / value.item()
        assert found.stock == pytest.approx(value.item(), rel=1e-10)
        return np.array([
            found.injection - injection, found.dissipation - dissipation,
            found.rate - (injection - dissipation * found.stock),
        ])  # fmt: skip

    coarse, fine = errors(0.04), errors(0.02)
    assert np.abs(fine).max() < 0.02
    assert coarse / fine == pytest.approx([2.0, 2.0, 2.0], rel=0.1)


def obeying(resource, sizes, kappa, beta, offset=0.01, broken=False):
    """A sweep in balance: J/γ = I = 3 N^κ and R = R∞ + I^{−β}, with 1 % scatter over 8 seeds."""
    rng = np.random.default_rng(len(resource))
    n = np.array(sizes, dtype=float)[:, None]
    ones = np.ones((1, 8))
    i = 3 * n**kappa * ones
    residual = (offset + (i**-beta)) * (1 + 0.01 * rng.normal(size=(len(sizes), 8)))
    gamma = 0.1 * ones * n**0
    injection = gamma * (3 * n ** (-kappa) if broken else i)
    return Sweep(resource, sizes, residual, i, injection, gamma, 0 * i, 0 * i)


def test_a_balance_that_holds_is_found_consistent_and_one_that_does_not_is_not():
    sizes = (4, 8, 16, 32, 64, 128, 256)
    sweeps = {
        "neurons": obeying("neurons", sizes, 0.5, 1.5),
        "samples": obeying("samples", sizes, 0.8, 1.5),
        "steps": obeying("steps", sizes, 0.6, 1.5, broken=True),
    }
    neurons_, steps = foretell(sweeps, "neurons", 100), foretell(sweeps, "steps", 100)
    assert neurons_.growth.value == pytest.approx(0.5, abs=1e-10)
    assert neurons_.fitted.value == pytest.approx(0.75, abs=0.15)
    assert neurons_.difference.covers(0.0)
    assert neurons_.calibration == "samples"
    assert steps.growth.value == pytest.approx(-0.6, abs=1e-10)
    assert steps.difference.low > 0.5  # the resource that J/γ does not follow


def test_the_study_of_scaling_on_a_small_scale():
    sizes = {"neurons": (2, 4, 8, 16), "samples": (8, 16, 32, 64), "steps": (2, 4, 8, 16)}
    outcome = studies.load("scaling", seeds=3, base_neurons=8, base_samples=32, copies=30, **sizes).run(Work())
    table = outcome.table("sizes")
    assert [row[:2] for row in table.rows] == [[name, n] for name, row in sizes.items() for n in row]
    at = {(row[0], row[1]): row[2:] for row in table.rows}
    assert at["neurons", 8] == at["steps", 16]  # the base: one run in two sweeps
    assert all(math.isnan(f.measured.value) for f in outcome.findings[:3])  # four sizes are too few for AICc
    assert all(f.verdict is Verdict.UNDECIDED for f in outcome.findings[:3])
    adds_up = outcome.findings[3].measured
    assert abs(adds_up.value) < 0.05


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("scaling", {"neurons": (8, 16)}, "wanted at least 4 different sizes"),
        ("scaling", {"steps": (8, 8, 16, 32)}, "different sizes, rising"),
        ("scaling", {"noise": 0.0}, "noise"),
        ("generalisation", {"noises": (0.0, 1.0)}, "noises = 0.0: wanted a positive number"),
        ("generalisation", {"samples": (32, 2000)}, "samples = 2000"),
        ("generalisation", {"samples": (128, 32)}, "rising"),
        ("information-force", {"ratios": ()}, "ratios"),
        ("information-force", {"ratios": (-1.0, 1.0)}, "ratios = -1.0"),
        ("information-force", {"neurons": 40}, "neurons = 40"),
        ("information-force", {"seeds": 2}, "seeds = 2"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        studies.load(name, **settings)


def test_more_samples_than_there_are_is_an_error():
    with pytest.raises(ConfigError, match="samples = 101"):
        stock.Task(dim=3, neurons=4, noise=0.2, confinement=0.05, dt=1.0, pool=100).data(101, 0)
