"""Random batches: unbiased, off by √(h/(p − 1)) along a path, linear in n, any inner scheme."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from chains import slope
from wgf.solvers import BogackiShampine, Euler, Heun, Langevin, RandomBatch, Underdamped

import wgf
from wgf import kernels as K
from wgf.errors import ConfigError, DivergenceError, WgfWarning

pytestmark = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")


def drawn(interaction, size, step, seed=1):
    """The term as it is in one step."""
    free_energy = RandomBatch(Euler(), size).rewrite(wgf.FreeEnergy(interaction._terms()))
    return free_energy.at(0.0).draw(wgf.Noise(seed), step)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "size", "weighted", "kernel"),
    [
        (24, 2, False, K.Gaussian(0.7)),
        (23, 2, True, K.Log()),
        (22, 5, True, K.QuadraticKernel() - K.Laplace(0.5)),
    ],
)
def test_the_sums_are_unbiased(n, size, weighted, kernel):
    """Over 1000 batchings, value, first variation and force each have the full sums as their mean, n not divisible too.

    Each of at most 73 numbers within 5.7 standard errors: a false-alarm rate of 1e-6 in all. Of a force that scatters
    by s a bias of .2 s would be seen; without the factor (n − 1)/(p − 1) it would be off by about .8 of itself.
    """
    rng, batchings = np.random.default_rng(0), 1000
    weights = rng.uniform(0.2, 1.8, size=n) if weighted else np.ones(n)
    mu = wgf.Ensemble(rng.normal(size=(n, 2)), weights / weights.sum())
    whole, drawings = wgf.Interaction(kernel), []
    for step in range(batchings):
        term = drawn(whole, size, step)
        part = term.evaluate(mu)
        drawings.append(torch.cat([part.value[None], term.first_variation(mu), part.gradient.flatten()]).numpy())
    seen, full = np.array(drawings), whole.evaluate(mu)
    want = torch.cat([full.value[None], whole.first_variation(mu), full.gradient.flatten()]).numpy()
    error = seen.std(0) / math.sqrt(batchings)
    assert (error > 0).all()
    assert (np.abs(seen.mean(0) - want) < 5.7 * error).all()


@pytest.mark.parametrize(("n", "size"), [(10, 2), (11, 2), (23, 5), (7, 4), (3, 8)])
def test_batches_part_the_particles(n, size):
    """Every particle is in one batch of `size` or a little more, and meets each companion once: found by its force."""
    mu = wgf.Ensemble(np.arange(n)[:, None] * 1.0, np.ones(n) / n)
    met = np.zeros((n, n), bool)
    for other in range(n):  # a weight that only `other` has shows who meets it
        alone = mu.reweighted(torch.eye(n, dtype=torch.float64)[other])
        force = drawn(wgf.Interaction(K.QuadraticKernel()), size, 3).gradient(alone)[:, 0].numpy()
        met[:, other] = force != 0
    together = met | np.eye(n, dtype=bool)
    assert (together == together.T).all()
    assert (together @ together == together).all()
    sizes = together.sum(1)
    assert sizes.min() >= min(n, size)
    assert sizes.max() - sizes.min() <= 1
    term = wgf.Interaction(K.QuadraticKernel())
    steps = [drawn(term, size, step).gradient(mu) for step in (3, 3, 4)]
    assert torch.equal(steps[0], steps[1])
    if n // size > 1:
        assert not torch.equal(steps[0], steps[2])


def test_forces_inside_a_batch_cancel_and_one_batch_is_the_full_sum():
    mu = wgf.Ensemble.gaussian(20, 2, seed=1)
    for kernel in (K.Log(), K.Gaussian(1.0), K.Cosine(), K.Matern(0.5, 1.0)):
        whole = wgf.Interaction(kernel, method="dense")
        part = drawn(whole, 3, 0)
        assert float(mu.expect(part.gradient(mu)).abs().max()) < 1e-14
        one = drawn(whole, 20, 0)
        torch.testing.assert_close(one.gradient(mu), whole.gradient(mu), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(one.first_variation(mu), whole.first_variation(mu), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(one.value(mu), whole.value(mu), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(part.gradient(mu, mu.x + 1), whole.gradient(mu, mu.x + 1))


def strong_error(F, mu, inner, size, h, seed=3):
    """√(mean |X − X_full|²) at t = .5 on one Brownian path, the same h in both."""
    steps = {"dt": h, "t_end": 0.5, "seed": seed, "record_every": 10**6}
    batched = wgf.solve(F, mu, RandomBatch(inner, size), **steps).ensemble.x
    return math.sqrt(float(((batched - wgf.solve(F, mu, inner, **steps).ensemble.x) ** 2).sum(1).mean()))


def attraction():
    return wgf.Quadratic(0.5) + wgf.Interaction(2.0 * K.Gaussian(1.0) + K.QuadraticKernel(1.5))


@pytest.mark.slow
def test_the_error_along_a_path_is_the_root_of_h():
    """Against the same scheme with full sums, 2000 particles: slope ½ in h within .1, for Euler and for Langevin."""
    mu, hs = wgf.Ensemble.gaussian(2000, 1, cov=2.0, seed=1), [1 / 16, 1 / 32, 1 / 64, 1 / 128]
    for F, inner in ((attraction(), Euler()), (attraction() - 0.3 * wgf.Shannon(), Langevin())):
        errors = [strong_error(F, mu, inner, 2, h) for h in hs]
        assert slope(hs, errors) == pytest.approx(0.5, abs=0.1)


def test_the_error_along_a_path_is_the_inverse_root_of_the_batch():
    """Slope −½ in p − 1 within .1; p² ≪ n, since a sample of 1999 companions without repetition is a little better."""
    mu, sizes = wgf.Ensemble.gaussian(2000, 1, cov=2.0, seed=1), [2, 3, 5, 9, 17]
    errors = [strong_error(attraction(), mu, Euler(), p, 1 / 64) for p in sizes]
    assert slope([p - 1 for p in sizes], errors) == pytest.approx(-0.5, abs=0.1)


def test_the_law_of_mckean_and_vlasov():
    """Case 4 at n = 4000, T = .5, a = 1, b = 2: E x² = s(a + b) of Euler–Maruyama plus what the batches add.

    One step adds h² b² Var(x) (1/(p − 1)) to the variance: v = (1 − (a + b) h)² v + 2Th + h² b² v/(p − 1). Within 4.9
    standard errors (false-alarm rate 1e-6): 11 % would be seen. Batches add 3.7 %; without (n − 1)/(p − 1) the
    variance would be three times as large.
    """
    a, b, temperature, h, p, n = 1.0, 2.0, 0.5, 0.05, 2, 4000
    F = wgf.Quadratic(a) + wgf.Interaction(K.QuadraticKernel(b)) - temperature * wgf.Shannon()
    mu = wgf.Ensemble.gaussian(n, 1, cov=0.17, seed=1)
    sol = wgf.solve(F, mu, RandomBatch(size=p), dt=h, t_end=10.0, seed=2, record_every=1000)
    want = 2 * temperature * h / (1 - (1 - (a + b) * h) ** 2 - h**2 * b**2 / (p - 1))
    assert abs(float(sol.ensemble.covariance()) - want) < 4.9 * want * math.sqrt(2 / n)


@pytest.mark.parametrize("n", [1000, 4000])
def test_the_work_of_a_step_is_linear_in_n(n):
    """n (p − 1) evaluations of the kernel for each evaluation of ∇_W F, and the n self pairs of the value."""
    counted, p, steps = [], 3, 5

    def kernel(q):
        counted.append(q.numel())
        return torch.exp(-q / 2)

    mu = wgf.Ensemble.gaussian(n, 2, seed=1)
    F = wgf.Interaction(K.RadialKernel(kernel))
    n_batches = n // p
    free_energy = RandomBatch(size=p).rewrite(wgf.FreeEnergy(F._terms())).at(0.0)
    for step in range(steps):
        free_energy.draw(wgf.Noise(0), step).evaluate(mu)
    longer = n - n_batches * p  # batches of p + 1
    assert sum(counted) == steps * (n * (p - 1) + longer * (p + 1) + n)


@pytest.mark.parametrize("inner", [Euler(), Heun(), Langevin(), Underdamped()], ids=lambda inner: inner.name)
def test_any_inner_scheme(inner):
    """It runs, is called by both names, and the ledger's F, dissipation and sums are those of the full interaction."""
    F = wgf.Quadratic() + wgf.Interaction(K.Gaussian(1.0))
    mu, solver = wgf.Ensemble.gaussian(50, 2, seed=1), RandomBatch(inner, 4)
    assert solver.name == f"RandomBatch({inner.name})"
    sol = wgf.solve(F, mu, solver, dt=0.05, t_end=1.0)
    assert sol.ledger["free_energy"][-1] == pytest.approx(float(F.value(sol.ensemble)), rel=1e-12)
    assert ("kinetic" in sol.ledger) == isinstance(inner, Underdamped)
    if not isinstance(inner, Underdamped):
        assert sol.ledger["dissipation"][-1] == pytest.approx(
            float(sol.ensemble.expect((F.gradient(sol.ensemble) ** 2).sum(1))), rel=1e-12
        )
    assert "term:Interaction" in sol.ledger


def test_edges():
    """One particle has no companions; those that coincide do not push, unless the kernel is singular."""
    one = wgf.Ensemble([[1.0]])
    assert drawn(wgf.Interaction(K.Gaussian(1.0)), 2, 0).gradient(one).tolist() == [[0.0]]
    pair = wgf.Ensemble([[1.0, 2.0], [1.0, 2.0]])
    for kernel in (K.Laplace(1.0), K.Matern(1.5, 1.0), K.Newtonian(2, softening=0.1), K.RadialKernel(torch.sqrt)):
        assert not drawn(wgf.Interaction(kernel), 2, 0).gradient(pair).any()
    with pytest.raises(DivergenceError, match=r"force of Interaction is not finite at particle 0"):
        wgf.solve(wgf.Interaction(K.Log()), pair, RandomBatch(Euler()), dt=0.1, t_end=0.1)
    linear = drawn(wgf.Interaction(K.Linear()), 2, 0).gradient(pair)
    torch.testing.assert_close(linear, 0.5 * pair.x)


def test_refusals():
    with pytest.raises(ConfigError, match=r"size = 1: wanted an integer ≥ 2"):
        RandomBatch(size=1)
    with pytest.raises(ConfigError, match="wanted a scheme of fixed steps"):
        RandomBatch(BogackiShampine())
    with pytest.raises(ConfigError, match=r"wanted a scheme of wgf\.solvers"):
        RandomBatch("Langevin")
    with pytest.raises(ConfigError, match=r"RandomBatch\(Euler\) is deterministic and cannot realise the Shannon"):
        wgf.solve(wgf.Shannon() * -1.0, wgf.Ensemble([[0.0]]), RandomBatch(Euler()), dt=0.1, t_end=1.0)


@pytest.mark.parametrize("size", [2, 7])
def test_a_size_without_pairs_to_sum_is_not_idle_in_silence(size):
    """Without an Interaction the run is that of the inner scheme, to the last bit; a warning says so once."""
    mu = wgf.Ensemble.gaussian(20, 2)
    plain = wgf.solve(wgf.Quadratic(), mu, wgf.solvers.Euler(), dt=0.1, t_end=0.5)
    scheme = RandomBatch(wgf.solvers.Euler(), size=size)
    with pytest.warns(WgfWarning, match=f"size = {size} has no effect, as F has no Interaction; take Euler itself"):
        idle = wgf.solve(wgf.Quadratic(), mu, scheme, dt=0.1, t_end=0.5)
    assert torch.equal(idle.ensemble.x, plain.ensemble.x)
    F = wgf.Quadratic() + wgf.Interaction(wgf.kernels.Gaussian(1.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wgf.solve(F, mu, scheme, dt=0.1, t_end=0.5)
    assert not [w for w in caught if "no effect" in str(w.message)]
