"""Entropies of a batch as torch modules: the functionals' own code, and the monitor of forces in a network."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch

import wgf
from wgf.diagnostics import effective_rank, force_report
from wgf.errors import BackendError, ConfigError, DivergenceError, ShapeError
from wgf.regularizers import Blob, ForceMonitor, LogDet, LogVariance, Power, Regularizer, Softmax, Variance

MODULES = {
    "LogDet": LogDet(),
    "LogDet with a ridge": LogDet(ridge=0.1),
    "Variance": Variance(),
    "LogVariance": LogVariance(ridge=0.1),
    "Softmax over features": Softmax(0.7),
    "Softmax over particles": Softmax(0.7, axis="particles"),
    "Blob": Blob(0.8),
    "Power": Power(2.0, 0.8),
    "a sum": Regularizer(wgf.LogDet() + 0.3 * wgf.Variance()),
    "a function": Regularizer(wgf.from_function(lambda x, weights: weights @ x.pow(4).sum(1))),
}
every = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES.keys())


def batch(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(shape[-1], shape[-1], generator=generator, dtype=torch.float64)
    z = torch.randn(*shape, generator=generator, dtype=torch.float64) @ mixing
    return z.to(dtype).requires_grad_()


# ------------------------------------------------------------------------------------------ the same code


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradient_are_those_of_the_functional_bit_for_bit(module, dtype):
    z = batch(40, 3, dtype=dtype)
    S = module(z)
    S.backward()
    mu = wgf.Ensemble(z.detach())
    assert S.ndim == 0
    assert S.dtype == z.grad.dtype == dtype
    assert torch.equal(S.detach(), module.functional.evaluate(mu).value.to(dtype))
    assert torch.equal(z.grad, module.functional.gradient(mu) / 40)


@every
def test_gradient_is_the_finite_difference_of_the_value(module):
    z = batch(12, 3, seed=1)
    assert torch.autograd.gradcheck(module, (z,), eps=1e-5, atol=1e-7, rtol=1e-6)


def test_closed_forms():
    z = batch(50, 4, seed=2)
    centred = z - z.mean(0)
    C = centred.T @ centred / 50
    by_hand = {
        LogDet(ridge=0.2): 0.5 * torch.logdet(C + 0.2 * torch.eye(4, dtype=z.dtype)),
        Variance(): 0.5 * C.trace(),
        LogVariance(ridge=0.2): 0.5 * (C.diagonal() + 0.2).log().sum(),
        Softmax(0.5): torch.special.entr(torch.softmax(z / 0.5, 1)).sum(1).mean(),
        Softmax(0.5, "particles"): (torch.special.entr(torch.softmax(z / 0.5, 0)).sum(0) - math.log(50)).mean(),
    }
    for module, value in by_hand.items():
        (expected,) = torch.autograd.grad(value, z, retain_graph=True)
        (found,) = torch.autograd.grad(module(z), z)
        torch.testing.assert_close(module(z), value, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)


def test_a_module_holds_the_functional_and_no_parameters():
    module = LogDet(ridge=0.1)
    assert type(module.functional) is wgf.LogDet
    assert not list(module.parameters())
    assert not module.state_dict()
    assert "LogDet(ridge=0.1)" in repr(torch.nn.Sequential(module))
    own = wgf.Quadratic(2.0)
    assert Regularizer(own).functional is own


def test_every_leading_axis_counts_as_rows():
    z = batch(5, 4, 3)
    flat = z.detach().reshape(20, 3).requires_grad_()
    S, same = LogDet()(z), LogDet()(flat)
    (S + same).backward()
    assert torch.equal(S, same)
    assert torch.equal(z.grad, flat.grad.reshape(5, 4, 3))


def test_layout_and_gradients_that_nobody_wants():
    z = batch(30, 3)
    fixed = z.detach()
    assert not LogDet()(fixed).requires_grad
    with torch.no_grad():
        assert not LogDet()(z).requires_grad
    turned = fixed.T.contiguous().T
    assert torch.equal(LogDet()(turned), LogDet()(fixed))
    before = fixed.clone()
    (3.0 * Variance()(z)).backward()
    assert torch.equal(fixed, before)
    torch.testing.assert_close(z.grad, 3.0 * (fixed - fixed.mean(0)) / 30, rtol=1e-14, atol=1e-15)


def test_a_rule_is_settled_for_each_batch_and_constant_in_the_gradient():
    z = batch(40, 2)
    wide = (3.0 * z.detach()).requires_grad_()
    for x in (z, wide):
        h = wgf.Blob("silverman").prepare(wgf.Ensemble(x.detach())).bandwidth
        by_rule, by_number = Blob("silverman")(x), Blob(h)(x)
        assert torch.equal(by_rule, by_number)
        assert torch.equal(torch.autograd.grad(by_rule, x)[0], torch.autograd.grad(by_number, x)[0])


# ------------------------------------------------------------------------------------------ precision


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(module, dtype):
    z = batch(40, 3, dtype=dtype)
    wide = z.detach().float().requires_grad_()
    S, same = module(z), module(wide)
    (S + same).backward()
    assert S.dtype == torch.float32
    assert torch.equal(S, same)
    assert z.grad.dtype == dtype
    assert torch.equal(z.grad, wide.grad.to(dtype))
    assert bool(torch.isfinite(z.grad).all())


@every
def test_autocast_changes_nothing(module):
    z = batch(40, 3, dtype=torch.float32)
    (plain,) = torch.autograd.grad(module(z), z)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        S = module(z)
    assert S.dtype == torch.float32
    assert torch.equal(S, module(z))
    assert torch.equal(torch.autograd.grad(S, z)[0], plain)


def test_training_under_autocast_in_bfloat16():
    encoder = torch.nn.Linear(6, 3)
    x = batch(32, 6, dtype=torch.float32).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z = encoder(x)
        assert z.dtype == torch.bfloat16
        loss = z.float().square().mean() - 0.1 * LogDet(ridge=1e-2)(z)
    loss.backward()
    assert encoder.weight.grad.dtype == torch.float32
    assert bool(torch.isfinite(encoder.weight.grad).all())


def test_a_scaled_loss_saves_gradients_that_half_precision_would_lose():
    z = (1e-6 * batch(2000, 2)).detach().to(torch.float16).requires_grad_()
    (lost,) = torch.autograd.grad(Variance()(z), z)
    (kept,) = torch.autograd.grad(2.0**16 * Variance()(z), z)
    assert not lost.any()
    assert float((kept != 0).float().mean()) > 0.9


# ------------------------------------------------------------------------------------------ refusals


def test_what_is_no_batch_is_refused():
    for bad in (torch.zeros(3), torch.zeros(0, 3), torch.zeros(3, 0)):
        with pytest.raises(ShapeError, match="wanted"):
            Variance()(bad)
    with pytest.raises(ShapeError, match="int64"):
        Variance()(torch.zeros(3, 2, dtype=torch.int64))
    with pytest.raises(ShapeError, match="list"):
        Variance()([[1.0]])


def test_batches_too_small_say_how_many_rows_are_wanted():
    for module in (LogDet(ridge=1.0), Variance(), LogVariance(ridge=1.0), Softmax(axis="particles"), Blob(1.0)):
        with pytest.raises(ConfigError, match="batch of 1 row: wanted 2 rows at least"):
            module(torch.ones(1, 3))
    assert float(Softmax()(torch.zeros(1, 4))) == pytest.approx(math.log(4), rel=1e-6)
    with pytest.raises(ConfigError, match=r"batch of 4 rows with 6 features.*ridge.*more than 6"):
        LogDet()(batch(4, 6))
    assert bool(torch.isfinite(LogDet(ridge=0.1)(batch(4, 6))))


def test_what_is_not_finite_is_never_silent():
    for bad in (math.nan, math.inf):
        z = batch(8, 3).detach()
        z[5, 2] = bad
        with pytest.raises(DivergenceError, match="row 5, feature 2 of a batch of 8"):
            LogDet()(z)
    far = torch.tensor([[1e200], [-1e200]], dtype=torch.float64)
    with pytest.raises(DivergenceError, match="not finite"):
        Variance()(far)


def test_no_second_derivatives():
    z = batch(20, 3)
    (g,) = torch.autograd.grad(LogDet()(z), z, create_graph=True)
    with pytest.raises(ConfigError, match="first derivatives only"):
        torch.autograd.grad(g.square().sum(), z)


def test_other_arguments():
    with pytest.raises(ConfigError, match="functional"):
        Regularizer(torch.nn.ReLU())
    with pytest.raises(ConfigError, match="Shannon"):
        Regularizer(wgf.Shannon())
    for bad in (lambda: LogDet(-1.0), lambda: Blob(0.0), lambda: Softmax(axis="rows"), lambda: Power(1.0, 0.5)):
        with pytest.raises(ConfigError):
            bad()
    with pytest.raises(ConfigError, match="depends on t"):
        Regularizer(wgf.Variance() * (lambda t: t))(batch(5, 2))


# ------------------------------------------------------------------------------------------ processes

PROCESSES = """
import os, sys, torch, torch.distributed as dist
from datetime import timedelta
from wgf.regularizers import *
from wgf.errors import *
rank = int(sys.argv[1])
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(3)
x = torch.randn(24, 5, generator=generator, dtype=torch.float64)
first = torch.randn(6, 5, generator=generator, dtype=torch.float64)
second = torch.randn(4, 6, generator=generator, dtype=torch.float64)

def network():
    net = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 4)).double()
    with torch.no_grad():
        net[0].weight.copy_(first); net[2].weight.copy_(second)
        net[0].bias.zero_(); net[2].bias.zero_()
    return net

# 14 + 10 rows, 12 + 12 with a task, and 22 + 2, where a process alone has fewer rows than features
dist.init_process_group("gloo", store=dist.FileStore(sys.argv[2], 2), rank=rank, world_size=2,
                        timeout=timedelta(seconds=60))
made = {"LogDet": LogDet, "Ridge": lambda **k: LogDet(0.1, **k), "Blob": lambda **k: Blob(0.7, **k)}
for name, make in made.items():
    for cut, weight in ((14, 0.0), (12, 1.0), (22, 0.0)):
        alone, shared = network(), torch.nn.parallel.DistributedDataParallel(network())
        z = alone(x)
        value = make()(z)
        (weight * z.square().mean() - 0.3 * value).backward()
        z = shared(x[:cut] if rank == 0 else x[cut:])
        same = make(sync=True)(z)
        (weight * z.square().mean() - 0.3 * same).backward()
        torch.testing.assert_close(same, value, rtol=1e-12, atol=0)
        # S does not see a shift: without a task the last bias has a gradient of rounding, on the scale of the others
        scale = max(float(a.grad.abs().max()) for a in alone.parameters())
        for a, b in zip(alone.parameters(), shared.parameters()):
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-12, atol=1e-12 * scale)
        print(name, cut, "agrees")
try:
    LogDet(sync=True)(x[:, : 4 + rank])
except ShapeError as error:
    print("refused:", error)
bad = x.clone()
bad[3, 1] = float("nan") if rank == 1 else 0.0
try:
    LogDet(sync=True)(bad)
except DivergenceError as error:
    print("refused:", error)
# none closes its sockets while the other still uses them, and the interpreter takes no C++ threads down with it
dist.barrier()
print("done", flush=True)
os._exit(0)
"""


def test_gradients_under_ddp_are_those_of_the_whole_batch_in_one_process(tmp_path):
    (tmp_path / "ranks.py").write_text(PROCESSES)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, tmp_path / "ranks.py"]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), tmp_path / "store"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        results = [rank.communicate(timeout=180) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for rank, (output, errors) in zip(ranks, results, strict=True):
        assert rank.returncode == 0, f"exit {rank.returncode} after\n{output}\n{errors}"
        assert output.endswith("done\n")
        assert output.count("agrees") == 9
        assert "refused: z differs between processes: 4 features of 64 bits, 5 features of 64 bits" in output
        assert "refused: z: nan at row 27, feature 1 of a batch of 48" in output


def test_a_process_alone_is_the_whole():
    z = batch(20, 3)
    assert torch.equal(LogDet(sync=True)(z), LogDet()(z))
    with pytest.raises(BackendError, match="not initialised"):
        LogDet(group=object())(z)


# ------------------------------------------------------------------------------------------ training


def trained(temperature: float, steps: int = 60) -> tuple[torch.Tensor, ForceMonitor]:
    """Representations (100, 6) of an encoder whose task asks for one direction only."""
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(100, 6, generator=generator, dtype=torch.float64)
    weight = torch.nn.Parameter(0.5 * torch.randn(6, 6, generator=generator, dtype=torch.float64))
    target = x[:, 0].sign()
    entropy = LogDet(ridge=1e-3)
    monitor = ForceMonitor(entropy, temperature, every=5, dt=0.05)
    optimiser = torch.optim.SGD([weight], lr=0.05)
    for _ in range(steps):
        z = monitor(torch.tanh(x @ weight))
        task = (z[:, 0] - target).square().mean() + 2.0 * z.square().mean()
        loss = task - temperature * entropy(z) if temperature else task
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return torch.tanh(x @ weight).detach(), monitor


def test_log_det_raises_the_effective_rank_of_what_is_learned():
    plain, with_entropy = trained(0.0)[0], trained(0.2)[0]
    low, high = (effective_rank(wgf.Ensemble(z)) for z in (plain, with_entropy))
    assert high > low + 1.0, (low, high)


# ------------------------------------------------------------------------------------------ the monitor


def test_forces_are_those_computed_by_hand():
    x, temperature = batch(30, 4, seed=5), 0.7
    target = torch.linspace(-1.0, 1.0, 30, dtype=torch.float64)
    entropy = LogDet(ridge=0.1)
    monitor = ForceMonitor(entropy, temperature)

    def task(z):
        return (z.tanh().sum(1) - target).square().mean() + 0.1 * z.pow(4).sum(1).mean()

    z = monitor(x)
    assert torch.equal(z, x)
    (task(z) - temperature * entropy(z)).backward()
    (energetic,) = torch.autograd.grad(task(x), x)
    (entropic,) = torch.autograd.grad(entropy(x), x)
    energetic, entropic = 30 * energetic, 30 * entropic  # ∇_W = n ∂/∂z

    def inner(a, b):
        return float((a * b).sum(1).mean())

    G, I = inner(energetic, energetic) ** 0.5, temperature * inner(entropic, entropic) ** 0.5  # noqa: E741
    total = energetic - temperature * entropic
    reference = wgf.LogDet().gradient(wgf.Ensemble(x.detach()))
    norms = (inner(entropic, entropic) * inner(reference, reference)) ** 0.5
    expected = {
        "t": 0.0,
        "step": 0.0,
        "entropy": float(entropy(x).detach()),
        "temperature": temperature,
        "loss_force": G,
        "information_force": I,
        "force_ratio": I / G,
        "alignment": -temperature * inner(entropic, energetic) / (I * G),
        "entropy_production": -inner(entropic, total),
        "dissipation": inner(total, total),
        "effective_rank": effective_rank(wgf.Ensemble(x.detach())),
    }
    row = monitor.ledger.row(0)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-12), name
    # LogDet with a ridge is its own entropy, and the reference is LogDet(): nearly the same direction
    assert row["reference_alignment"] == pytest.approx(inner(entropic, reference) / norms, rel=1e-12)


def test_columns_are_those_of_a_run_at_the_same_place():
    F = wgf.Quadratic() - 0.5 * wgf.LogDet()
    mu = wgf.Ensemble.gaussian(40, 2, cov=3.0, seed=6)
    run = wgf.solve(F, mu, wgf.solvers.Euler(), dt=0.1, t_end=0.1)
    monitor = ForceMonitor(wgf.LogDet(), 0.5, dt=0.1)
    z = monitor(mu.x.clone().requires_grad_())
    (0.5 * z.square().sum(1).mean() - 0.5 * LogDet()(z)).backward()
    row = monitor.ledger.row(0)
    assert set(row) - {"effective_rank"} <= set(run.ledger.columns)
    for name in set(row) - {"effective_rank"}:
        assert row[name] == pytest.approx(run.ledger[name][0], rel=1e-12, abs=1e-12), name


def test_records_at_the_cadence_and_the_force_report_reads_them():
    _, monitor = trained(0.2)
    assert monitor.ledger["step"].tolist() == list(range(0, 60, 5))
    assert monitor.ledger["t"].tolist() == pytest.approx([0.05 * k for k in range(0, 60, 5)])
    report = force_report(monitor.ledger)
    assert report.effective
    assert 0 < report.c0 <= report.c1
    assert not report.of("weak")
    weak = force_report(trained(1e-6)[1].ledger)
    assert weak.of("weak")
    none = force_report(trained(0.0)[1].ledger)
    assert not none.effective
    assert "the temperature is 0" in str(none)


def test_temperature_of_time_and_a_scaled_loss():
    entropy, rows = Variance(), []
    for scale in (1.0, 2.0**10):
        monitor = ForceMonitor(entropy, lambda t: 0.5 / (1 + t), dt=2.0)
        monitor.loss_scale = scale
        for step in range(2):
            z = monitor(batch(10, 2))
            (scale * (z.square().mean() - 0.5 / (1 + 2.0 * step) * entropy(z))).backward()
        rows.append([monitor.ledger.row(k) for k in range(2)])
    assert rows[0] == rows[1]
    assert rows[0][1]["temperature"] == 0.5 / 3
    assert rows[0][0]["loss_force"] == pytest.approx(rows[0][1]["loss_force"], rel=1e-14)


def test_a_scaled_gradient_that_overflows_leaves_its_record_out():
    monitor = ForceMonitor(Variance(), 0.1)
    for monitor.loss_scale in (2.0**20, 2.0**4):
        z = monitor(batch(10, 2, dtype=torch.float16))
        (monitor.loss_scale * z).sum().backward()
    assert monitor.ledger["step"].tolist() == [1]
    assert "without step 0" in monitor.ledger.notes["step"]


def test_a_monitor_records_training_only_and_keeps_what_it_saw():
    monitor, z = ForceMonitor(Variance(), 0.1), batch(10, 2)
    with torch.no_grad():
        assert monitor(z) is z
    assert monitor.eval()(z) is z
    assert monitor.ledger.rows == 0
    watched = monitor.train()(z * 1.0)
    S = float(Variance()(watched).detach())
    watched.mul_(3.0).sum().backward()  # written over after the monitor
    assert monitor.ledger["entropy"][0] == S
    half = batch(10, 3, dtype=torch.bfloat16)
    monitor(half).float().square().mean().backward()
    assert math.isfinite(monitor.ledger["loss_force"][1])


def test_a_monitor_refuses_what_it_cannot_measure():
    for bad in (-0.1, math.nan, "warm"):
        with pytest.raises(ConfigError, match="temperature"):
            ForceMonitor(Variance(), bad)
    with pytest.raises(ConfigError, match="one process"):
        ForceMonitor(Variance(sync=True), 0.1)
    with pytest.raises(ConfigError, match="every"):
        ForceMonitor(Variance(), 0.1, every=0)
    with pytest.raises(ConfigError, match="dt"):
        ForceMonitor(Variance(), 0.1, dt=0.0)
    monitor = ForceMonitor(Variance(), lambda t: -1.0)
    with pytest.raises(ConfigError, match="temperature at t = 0"):
        monitor(batch(10, 2)).sum().backward()
    with pytest.raises(DivergenceError, match="not finite at step 0"):
        (ForceMonitor(Variance(), 0.1)(batch(10, 2)) * math.nan).sum().backward()
