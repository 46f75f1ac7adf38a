"""Noise in legs: a run that goes on from an earlier one takes new noise; fresh and continued runs keep their bits."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from wgf.solvers import (
    AffineInvariant,
    BirthDeath,
    ExponentialEuler,
    Heun,
    Langevin,
    LeimkuhlerMatthews,
    RandomBatch,
    Underdamped,
)

import wgf
from wgf.errors import WgfWarning
from wgf.measure import STEP, Noise, digest

OU = wgf.Quadratic() - 1.0 * wgf.Shannon()
H, STEPS, LEGS, N = 0.05, 5, 20, 1000


def carried(sol):
    return sol.ensemble, 0.0


def timed(sol):
    return sol.ensemble, sol.state.t


def bare(sol):
    return wgf.Ensemble(sol.ensemble.x), sol.state.t


def legs(scheme, onward, **options):
    mu, t = wgf.Ensemble.gaussian(N, 1, seed=9), 0.0
    for _ in range(LEGS):
        sol = wgf.solve(OU, mu, scheme, dt=H, t0=t, t_end=t + STEPS * H, record_every=1000, **options)
        mu, t = onward(sol)
    return mu


class Recorder:
    """A source of noise of one's own, which writes down what it was asked for."""

    def __init__(self, seed=0):
        self.noise, self.seen = Noise(seed), []

    def normal(self, ids, step, dim, stream=STEP):
        self.seen.append((step, stream))
        return self.noise.normal(ids, step, dim, stream)

    def uniform(self, ids, step, dim, stream=STEP):
        return self.noise.uniform(ids, step, dim, stream)


# ------------------------------------------------------------------------------------------- the law is right in legs


@pytest.mark.parametrize("onward", [carried, timed, bare])
@pytest.mark.parametrize(
    ("scheme", "variance"),
    [(Langevin(), 1 / (1 - H / 2)), (ExponentialEuler(), 1.0), (AffineInvariant(), None), (Underdamped(1.0), 1.0)],
    ids=lambda case: getattr(case, "name", None),
)
def test_twenty_legs_have_the_variance_of_one_run(scheme, variance, onward):
    """Right: 1/(1 − h/2) and 1. n = 1000 give a standard error of √(2/n) = .045: 6 of them fail one run in 5·10⁸."""
    found = float(legs(scheme, onward).covariance())
    if variance is None:  # affine-invariant: the variance of an unbroken run
        long = wgf.solve(OU, wgf.Ensemble.gaussian(N, 1, seed=9), scheme, dt=H, t_end=5.0, record_every=1000)
        variance = float(long.ensemble.covariance())
    assert abs(found / variance - 1) < 6 * 1.5 * (2 / N) ** 0.5


def test_legs_with_a_source_of_noise_that_is_given():
    found = float(legs(Langevin(), timed, noise=Noise(3)).covariance())
    assert abs(found * (1 - H / 2) - 1) < 6 * (2 / N) ** 0.5


def increments(scheme, mu, F=OU, steps=3, **options):
    """What one leg adds to the particles without their drift: the displacements at F's own noise."""
    sol = wgf.solve(F, mu, scheme, dt=H, t_end=options.get("t0", 0.0) + steps * H, **options)
    return sol, (sol.ensemble.x - mu.x)[:, 0]


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


@pytest.mark.parametrize("scheme", [Langevin(), LeimkuhlerMatthews(), AffineInvariant("deviations"), Underdamped(1.0)])
@pytest.mark.parametrize("change", [
    lambda m: m, lambda m: m.moved(m.x + 1), lambda m: m.reweighted(m.weights), lambda m: m.select(torch.arange(m.n)),
    lambda m: m.to(dtype=torch.float64), copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)),
], ids=["same", "moved", "reweighted", "select", "to", "copy", "pickle"])  # fmt: skip
def test_a_leg_repeats_no_noise_whatever_becomes_of_the_ensemble(scheme, change):
    """Displacements of a driftless flow are its noise; independent ones correlate by 1/√1000 = .03 at n = 1000."""
    F, mu = 1e-9 * wgf.Quadratic() - wgf.Shannon(), wgf.Ensemble.gaussian(1000, 1, seed=9)
    sol, first = increments(scheme, mu, F)
    _, second = increments(scheme, change(sol.ensemble), F)
    assert abs(correlation(first, second)) < 0.2


def test_a_file_keeps_the_history(tmp_path):
    sol, first = increments(Langevin(), wgf.Ensemble.gaussian(1000, 1, seed=9))
    sol.ensemble.save(tmp_path / "mu.safetensors")
    back = wgf.Ensemble.load(tmp_path / "mu.safetensors")
    assert back.history == sol.ensemble.history != 0
    assert abs(correlation(first, increments(Langevin(), back)[1])) < 0.2


def test_an_ensemble_that_an_observer_kept_has_the_history_too():
    kept = []

    def keep(m):
        kept.append(m)
        return 0.0

    wgf.solve(OU, wgf.Ensemble.gaussian(10, 1), Langevin(), dt=H, t_end=1.0, observers={"m": keep})
    assert kept[0].history == 0
    assert kept[5].history == kept[-1].history != 0


def test_legs_at_other_seeds_and_steps_have_noise_of_their_own():
    """A leg with the seed of an earlier one, with another seed between, or with another dt, repeats nothing."""
    F, mu = 1e-9 * wgf.Quadratic() - wgf.Shannon(), wgf.Ensemble.gaussian(1000, 1, seed=9)
    one, first = increments(Langevin(), mu, F)
    two, _ = increments(Langevin(), one.ensemble, F, seed=1)
    _, third = increments(Langevin(), two.ensemble, F)
    assert abs(correlation(first, third)) < 0.2
    fresh = [
        wgf.solve(F, mu, Langevin(), dt=h, t0=t, t_end=t + 4 * h).ensemble.x - mu.x
        for h, t in ((0.1, 0.4), (0.05, 0.2))
    ]
    assert abs(correlation(*(x[:, 0] for x in fresh))) < 0.2


# --------------------------------------------------------------------------- minibatches, random batches, resampling


def drawn(monkeypatch, name):
    """The minibatch or the partition of each call."""
    seen = []
    real = getattr(Noise, name)

    def record(self, ids, step, dim, stream=STEP, **options):
        result = real(self, ids, step, dim, stream, **options)
        seen.append((stream, result))
        return result

    monkeypatch.setattr(Noise, name, record)
    return seen


@pytest.mark.parametrize("onward", [carried, timed, bare])
def test_minibatches_and_partitions_differ_in_legs(monkeypatch, onward):
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)).double()
    risk = wgf.NetworkRisk(x, x[:, 0], loss="squared", batch=10)
    pull = wgf.Quadratic() + wgf.Interaction(wgf.kernels.Gaussian(1.0))
    cases = [(risk, Heun(), risk.initial(8)), (pull, RandomBatch(Heun(), 2), wgf.Ensemble.gaussian(20, 2))]
    for F, scheme, mu in cases:
        seen = drawn(monkeypatch, "uniform")
        sol = wgf.solve(F, mu, scheme, dt=0.01, t_end=0.02, record_every=100)
        count = len(seen)
        mu, t = onward(sol)
        wgf.solve(F, mu, scheme, dt=0.01, t0=t, t_end=t + 0.02, record_every=100)
        assert count > 0
        assert not any(torch.equal(a[1], b[1]) for a in seen[:count] for b in seen[count:])


@pytest.mark.filterwarnings("ignore:closure")  # coarse steps
def test_births_and_deaths_differ_in_legs(monkeypatch):
    seen = drawn(monkeypatch, "uniform")
    mu = wgf.Ensemble.gaussian(50, 1, mean=2.0)
    for _ in range(2):
        mu = wgf.solve(OU, mu, BirthDeath(rate=5.0, transport=False), dt=0.5, t_end=2.0, record_every=100).ensemble
    values = [float(value.flatten()[0]) for _, value in seen]
    assert len(values) == len(set(values))


def test_momenta_are_drawn_anew_in_a_leg_and_after_another_scheme():
    F, mu = 1e-9 * wgf.Quadratic() - wgf.Shannon(), wgf.Ensemble.gaussian(1000, 1, seed=9)
    scheme = Underdamped(1.0)
    first = wgf.solve(F, mu, scheme, dt=H, t_end=0.0)
    leg = wgf.solve(F, wgf.solve(F, mu, scheme, dt=H, t_end=H).ensemble, scheme, dt=H, t_end=0.0)
    between = wgf.solve(F, None, Langevin(), dt=H, t_end=H, state=first.state)
    again = wgf.solve(F, None, scheme, dt=H, t_end=H, state=between.state)
    for other in (leg, again):
        assert abs(correlation(first.state.memory[:, 0], other.state.memory[:, 0])) < 0.2


# ---------------------------------------------------------------------------------------------- what keeps its bits


def test_a_fresh_ensemble_at_zero_has_the_seed_itself_as_its_key():
    mu = wgf.Ensemble.gaussian(5, 2)
    sol = wgf.solve(1e-300 * wgf.Quadratic() - wgf.Shannon(), mu, Langevin(), dt=0.5, t_end=0.5, seed=7)
    assert torch.equal(sol.ensemble.x, mu.x + Noise(7).normal(mu.ids, 0, 2))
    assert sol.state.leg == 0


def test_particles_of_a_run_without_noise_are_fresh():
    assert wgf.solve(wgf.Quadratic(), wgf.Ensemble.gaussian(5, 2), Heun(), dt=0.1, t_end=1.0).ensemble.history == 0


def test_a_leg_goes_on_from_its_state_with_the_same_bits():
    mu = wgf.solve(OU, wgf.Ensemble.gaussian(50, 2), Langevin(), dt=H, t_end=1.0).ensemble
    for noise in (None, Noise(4)):
        options = {"dt": H, "record_every": 3, "noise": noise}
        whole = wgf.solve(OU, mu, Langevin(), t0=1.0, t_end=2.0, **options)
        part = wgf.solve(OU, mu, Langevin(), t0=1.0, t_end=1.5, **options)
        rest = wgf.solve(OU, None, Langevin(), t_end=2.0, state=part.state, **options)
        assert torch.equal(whole.ensemble.x, rest.ensemble.x)
        assert whole.ensemble.history == rest.ensemble.history


def test_the_same_leg_twice_has_the_same_bits():
    mu = wgf.solve(OU, wgf.Ensemble.gaussian(50, 2), Langevin(), dt=H, t_end=1.0).ensemble
    one, two = (wgf.solve(OU, mu, Langevin(), dt=H, t_end=1.0).ensemble.x for _ in range(2))
    assert torch.equal(one, two)


def test_a_source_of_ones_own_is_told_of_in_a_leg():
    source, mu = Recorder(), wgf.Ensemble.gaussian(20, 1)
    first = wgf.solve(OU, mu, Langevin(), dt=H, t_end=2 * H, noise=source)
    for start, t0 in ((first.ensemble, 0.0), (mu, 1.0)):
        with pytest.warns(WgfWarning, match=r"Recorder: this source sees steps from 0 again.*state=sol\.state"):
            wgf.solve(OU, start, Langevin(), dt=H, t0=t0, t_end=t0 + H, noise=source)
    wgf.solve(OU, None, Langevin(), dt=H, t_end=4 * H, noise=source, state=first.state)


def test_digests_are_the_same_on_every_machine_and_fit_into_63_bits():
    import hashlib
    import struct

    right = hashlib.blake2b(struct.pack("<cdcQ", b"f", 0.25, b"i", 7), digest_size=8).digest()
    assert digest(0.25, 7) == int.from_bytes(right, "little") // 2
    assert len({digest(k) for k in range(1000)} | {digest(float(k)) for k in range(1000)}) == 2000
    assert all(0 < digest(k) < 2**63 for k in range(100))
