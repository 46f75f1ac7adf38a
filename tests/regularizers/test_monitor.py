"""The monitor of forces in a network: by hand, beside a run, at its cadence, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from batches import batch, trained

import wgf
from wgf.diagnostics import effective_rank, force_report
from wgf.errors import ConfigError, DivergenceError
from wgf.regularizers import ForceMonitor, LogDet, Variance


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
