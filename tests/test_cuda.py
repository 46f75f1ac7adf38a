"""With `pytest --device cuda`: the same values, forces, noise and runs as on the CPU. Skipped without it."""

from __future__ import annotations

import numpy as np
import problems
import pytest
import test_functionals as contract
import torch

import wgf
from wgf.errors import ConfigError, WgfError
from wgf.flow import loop


@pytest.fixture(autouse=True)
def asked(device):
    """Asked for a GPU, a machine that has none must fail, not skip."""
    if device != "cuda":
        pytest.skip("runs on a GPU, with pytest --device cuda")
    assert torch.cuda.is_available(), "--device cuda: torch sees no CUDA device here"


def moved(term):
    """A term with its data on the GPU: its own, and those of the terms in it."""
    vars(term).pop("_still", None)  # the risk that an altered one is, made from its data as they were
    for name, part in list(vars(term).items()):
        if isinstance(part, wgf.Functional):
            moved(part)
        elif name == "_labels":
            term._labels = part.cuda()
    if isinstance(term, wgf.NetworkRisk):
        term.inputs, term.targets = term.inputs.cuda(), term.targets.cuda()
    elif isinstance(getattr(term, "target", None), wgf.Ensemble):
        term.target = term.target.to("cuda")
    return term


@contract.cases
def test_terms_agree_with_the_cpu(make, d):
    f, mu = make(d), contract.ensemble(d, True, n=300)
    gpu_term = moved(make(d))
    there = mu.to("cuda")
    assert float(gpu_term.value(there)) == pytest.approx(float(f.value(mu)), rel=1e-11, abs=1e-12)
    torch.testing.assert_close(gpu_term.gradient(there).cpu(), f.gradient(mu), rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(gpu_term.first_variation(there).cpu(), f.first_variation(mu), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "term",
    [
        lambda x: wgf.MMD(x, wgf.kernels.Gaussian(1.0)), lambda x: wgf.SlicedWasserstein(x, 5),
        wgf.Wasserstein, lambda x: wgf.SinkhornDivergence(x, 0.5),
    ],
    ids=["MMD", "SlicedWasserstein", "Wasserstein", "SinkhornDivergence"],
)  # fmt: skip
def test_samples_elsewhere_are_named(term):
    mu = contract.ensemble(1, False)
    with pytest.raises(ConfigError, match=r"samples are on cpu, the particles on cuda:0; give it samples"):
        term(mu).value(mu.to("cuda"))


def test_noise_has_the_same_integers():
    ids = torch.arange(1000) * 12_345_678
    noise = wgf.Noise(2**63 + 5)
    cpu, gpu = (noise.uniform(i, 2**33 + 7, 5) for i in (ids, ids.cuda()))
    assert torch.equal(cpu, gpu.cpu())
    torch.testing.assert_close(noise.normal(ids, 3, 5), noise.normal(ids.cuda(), 3, 5).cpu(), rtol=0, atol=1e-13)


coarse = pytest.mark.filterwarnings("ignore::wgf.errors.WgfWarning")  # these steps are long on purpose


@coarse
@pytest.mark.parametrize("solver", [wgf.solvers.Heun(), wgf.solvers.Langevin()], ids=repr)
def test_a_run_agrees_with_the_cpu(solver):
    rng = np.random.default_rng(0)
    z, y = torch.from_numpy(rng.normal(size=(200, 3))), torch.from_numpy(rng.normal(size=200))
    ends = []
    for device in ("cpu", "cuda"):
        risk = wgf.NetworkRisk(z.to(device), y.to(device), batch=50)
        F = risk + 1e-2 * wgf.Interaction(wgf.kernels.Gaussian(1.0)) - 1e-2 * wgf.LogDet()
        if solver.stochastic:
            F = F - 1e-3 * wgf.Shannon()
        sol = wgf.solve(F, risk.initial(100, seed=1), solver, dt=0.5, t_end=10.0, seed=2)
        assert sol.ensemble.device.type == device
        ends.append((sol.ensemble.x.cpu(), sol.ledger["free_energy"]))
    torch.testing.assert_close(ends[0][0], ends[1][0], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-8)


@coarse
@problems.every_problem
def test_no_step_between_records_waits_for_the_gpu(name, monkeypatch):
    """Torch's own detector raises inside; the first run, without it, leaves what is compiled or loaded once behind."""
    steps = loop.Run._steps

    def watched(self, stop):
        torch.cuda.set_sync_debug_mode("error")
        try:
            steps(self, stop)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    F, dim, solver = problems.PROBLEMS[name]("cuda")
    mu, times = problems.start(d=dim).to("cuda"), {"dt": 0.05, "t_end": 0.6, "record_every": 4, "seed": 3}
    once = wgf.solve(F, mu, solver, **times)
    monkeypatch.setattr(loop.Run, "_steps", watched)
    again = wgf.solve(F, mu, solver, **times)
    torch.testing.assert_close(again.ensemble.x, once.ensemble.x, rtol=1e-8, atol=1e-9)


@problems.every_failure
def test_a_failure_found_late_is_that_of_the_cpu(name):
    F, mu, solver, dt, kind = problems.FAILURES[name]()
    failures = []
    for device in ("cpu", "cuda"):
        with pytest.raises(kind) as caught:
            wgf.solve(F, mu.to(device), solver, dt=dt, t_end=60 * dt, record_every=9, seed=2)
        assert isinstance(caught.value, WgfError)
        failures.append((str(caught.value), caught.value.solution.state.step))
    assert failures[0] == failures[1]
