"""Callbacks: what they are told and when, that they change no bit, and that a run that goes on repeats nothing."""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import wgf
from wgf.callbacks import CSV, Callback, EarlyStopping, ForceLogger, Progress, TensorBoard
from wgf.errors import BackendError, CheckpointError, ConfigError, WgfWarning

MU = wgf.Ensemble.gaussian(200, 2, seed=1)
F = wgf.Quadratic([1.0, 3.0]) - 0.2 * wgf.Shannon()


def solved(**options: Any) -> Any:
    given: dict[str, Any] = {"dt": 0.01, "t_end": 0.4, "record_every": 10, "seed": 5} | options
    return wgf.solve(F, MU, wgf.solvers.LeimkuhlerMatthews(), **given)


class Notes(Callback):
    """Writes down all that it is told."""

    def __init__(self, every: int = 0, end_at: float = math.inf) -> None:
        self.every, self.end_at = every, end_at
        self.starts: list[tuple[int, int]] = []
        self.records: list[tuple[int, float]] = []
        self.steps: list[tuple[int, float, float]] = []
        self.ends: list[Any] = []

    def on_start(self, since, ledger):
        self.starts.append((since, ledger.rows))

    def on_record(self, row, mu):
        self.records.append((int(row["step"]), float(mu.mean()[0])))
        return row["t"] >= self.end_at

    def on_step(self, step, t, mu):
        self.steps.append((step, t, float(mu.mean()[0])))

    def on_end(self, sol):
        self.ends.append(sol)


# ------------------------------------------------------------------------------------------ when, and no bit


def test_a_callback_is_told_of_start_records_and_end():
    notes = Notes()
    sol = solved(callbacks=notes)
    assert notes.starts == [(0, 0)]
    assert [step for step, _ in notes.records] == [0, 10, 20, 30, 40]
    assert notes.records[-1][1] == float(sol.ensemble.mean()[0])
    assert notes.ends == [sol]
    assert notes.steps == []


@pytest.mark.parametrize("every", [1, 3, 7, 10])
def test_steps_come_at_their_multiples_and_change_no_bit(every):
    plain, notes = solved(), Notes(every)
    sol = solved(callbacks=[notes])
    assert sol.ensemble.x.equal(plain.ensemble.x)
    assert sol.ledger["free_energy"].tolist() == plain.ledger["free_energy"].tolist()
    assert [step for step, _, _ in notes.steps] == list(range(every, 41, every))
    for step, t, mean in notes.steps:
        assert t == pytest.approx(0.01 * step)
        half = solved(t_end=0.01 * step)
        assert mean == float(half.ensemble.mean()[0])


def test_two_callbacks_have_steps_of_their_own():
    fine, coarse = Notes(4), Notes(6)
    solved(callbacks=(fine, coarse, Notes()))
    assert [step for step, _, _ in fine.steps] == list(range(4, 41, 4))
    assert [step for step, _, _ in coarse.steps] == list(range(6, 41, 6))


def test_stretches_are_whole_unless_steps_are_wanted():
    """A stretch is one compiled call. The monitor hears of its end: after every step only where a callback asks."""

    class Ends(wgf.flow.Monitor):
        def __init__(self):
            self.done = []

        def advance(self, done, t, row):
            self.done.append(done)

    seen = {}
    for every in (0, 5):
        seen[every] = Ends()
        with wgf.flow.gear.forced(True):
            wgf.solve(wgf.Quadratic(), MU, wgf.solvers.Euler(), dt=0.01, t_end=1.0, record_every=50,
                      progress=seen[every], callbacks=[Notes(every)])  # fmt: skip
    assert seen[0].done == [0, 50, 100]
    assert seen[5].done == [0, *range(5, 101, 5)]


def test_an_adaptive_run_has_steps_too():
    notes = Notes(2)
    sol = wgf.solve(wgf.Quadratic(), MU, wgf.solvers.BogackiShampine(), dt=0.1, t_end=2.0, callbacks=[notes])
    assert [step for step, _, _ in notes.steps] == list(range(2, sol.state.step + 1, 2))


def test_a_record_can_end_the_run():
    one, other = Notes(end_at=0.2), Notes()
    sol = solved(callbacks=[one, other])
    assert (sol.status.name, sol.state.step) == ("CONVERGED", 20)
    assert len(one.records) == len(other.records) == 3


def test_the_end_is_told_of_a_failed_run_too():
    notes = Notes()
    steep = wgf.Potential(lambda x: (x**4).sum(1))
    sol = wgf.solve(steep, wgf.Ensemble([[30.0]]), wgf.solvers.Euler(), dt=1.0, t_end=10.0, throw=False,
                    callbacks=[notes])  # fmt: skip
    assert not sol.status.ok
    assert notes.ends == [sol]


def test_what_writes_to_the_particles_is_refused():
    class Writes(Callback):
        every = 1

        def on_step(self, step, t, mu):
            mu.x.zero_()

    with pytest.raises(ConfigError, match="a callback writes to what it was given"):
        solved(callbacks=[Writes()])


def test_an_error_of_a_callback_carries_the_solution():
    class Fails(Callback):
        def on_record(self, row, mu):
            if row["step"] == 20:
                raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        solved(callbacks=[Fails()])
    assert caught.value.solution.state.step == 20  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------ ready ones


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_holds_the_ledger_to_the_last_bit(tmp_path):
    sol = solved(callbacks=[CSV(tmp_path / "run.csv")])
    found = rows(tmp_path / "run.csv")
    assert len(found) == sol.ledger.rows
    for name in sol.ledger.row(0):
        for text, value in zip((row[name] for row in found), sol.ledger[name], strict=True):
            assert (text == "") if math.isnan(value) else (float(text) == value)


def test_records_of_a_run_that_goes_on_are_there_once(tmp_path):
    """The run is stopped after a checkpoint, more is written, and it goes on: the file is that of the unbroken run."""
    whole = CSV(tmp_path / "whole.csv")
    solved(callbacks=[whole], store=tmp_path / "unbroken")

    class Killed(Callback):
        def on_record(self, row, mu):
            if row["step"] == 30:
                raise KeyboardInterrupt

    pieces = CSV(tmp_path / "pieces.csv")
    with pytest.warns(WgfWarning, match="goes on"), pytest.raises(KeyboardInterrupt):
        solved(callbacks=[pieces, Killed()], store=tmp_path / "store", checkpoint_every=0.0)
    pieces.write({"t": 0.35, "step": 35.0})  # as of a process that was killed after its last checkpoint
    with open(tmp_path / "pieces.csv", "a", encoding="utf-8") as file:
        file.write("0.36,36.")
    stop = EarlyStopping("free_energy", patience=100)
    sol = wgf.resume(tmp_path / "store", callbacks=[CSV(tmp_path / "pieces.csv"), stop])
    assert sol.state.step == 40
    assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert stop.best == min(sol.ledger["free_energy"])


def test_csv_goes_on_after_a_state(tmp_path):
    first = solved(t_end=0.2, callbacks=[CSV(tmp_path / "a.csv")])
    solved(state=first.state, callbacks=[CSV(tmp_path / "a.csv")])
    assert [float(row["step"]) for row in rows(tmp_path / "a.csv")] == [0, 10, 20, 30, 40]
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no file of records"):
        solved(state=first.state, callbacks=[CSV(tmp_path / "other.csv")])
    with pytest.raises(CheckpointError):
        solved(callbacks=[CSV(tmp_path / "nowhere" / "a.csv")])


def test_tensorboard_has_the_ledger(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sol = solved(callbacks=[TensorBoard(tmp_path / "events")])
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    found = events.Scalars("run/free_energy")
    assert [event.step for event in found] == [0, 10, 20, 30, 40]
    assert [event.value for event in found] == pytest.approx(sol.ledger["free_energy"], rel=1e-6)
    assert "run/term/Quadratic" in events.Tags()["scalars"]
    again = solved(state=solved(t_end=0.2).state, callbacks=[TensorBoard(tmp_path / "events")])
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.step for event in events.Scalars("run/free_energy")] == [0, 10, 20, 30, 40]
    assert again.state.step == 40


def test_tensorboard_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BackendError, match=r"wgflow\[tensorboard\]"):
        solved(callbacks=[TensorBoard(tmp_path)])


def test_early_stopping_counts_records_without_improvement():
    stop = EarlyStopping("level", patience=3, least=0.1, mode="max")
    levels = iter([1.0, 1.05, math.nan, 2.0, 2.05, 2.05, 2.05, 9.0])
    sol = wgf.solve(wgf.Quadratic(), MU, wgf.solvers.Heun(), dt=0.1, t_end=0.7, record_every=1, callbacks=[stop],
                    observers={"level": lambda mu: next(levels)})  # fmt: skip
    assert (sol.state.step, stop.best, stop.waited) == (6, 2.0, 3)
    assert sol.status.name == "CONVERGED"


def test_progress_is_a_callback(capfd):
    import io

    from wgf.flow.progress import LineProgress

    shown, out = Progress(), io.StringIO()
    shown.monitor = LineProgress(interval=0.0, stream=out)
    solved(callbacks=[shown])
    assert "40/40 steps" in out.getvalue()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: solved(callbacks=3), "wanted callbacks such as"),
    (lambda: solved(callbacks=[print]), "wanted a wgf.callbacks.Callback"),
    (lambda: solved(callbacks=[Progress]), "with brackets"),
    (lambda: solved(callbacks=[Notes(-1)]), "every = -1"),
    (lambda: EarlyStopping(""), "the name of a column"),
    (lambda: EarlyStopping("a", patience=0), "patience = 0"),
    (lambda: EarlyStopping("a", mode="least"), "wanted 'min' or 'max'"),
    (lambda: solved(callbacks=[EarlyStopping("fre_energy")]), "did you mean 'free_energy'"),
    (lambda: ForceLogger(3, []), "wanted a wgf.regularizers.ForceMonitor"),
    (lambda: ForceLogger(wgf.regularizers.ForceMonitor(wgf.Variance(), 0.1), [3]), "wanted wgf.callbacks.CSV"),
])  # fmt: skip
def test_bad_input_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


# ------------------------------------------------------------------------------------------ a torch training


def trained(steps: int, path: Path, checkpoint: Any = None) -> Any:
    """A small training; it goes on from a checkpoint, a copy of what is needed."""
    entropy = wgf.regularizers.LogDet(ridge=1e-2)
    monitor = wgf.regularizers.ForceMonitor(entropy, temperature=0.05)
    logger = ForceLogger(monitor, CSV(path))
    z = torch.nn.Parameter(torch.from_numpy(MU.x.numpy().copy()))
    begin = 0
    if checkpoint is not None:
        begin, data, said = checkpoint
        z.data.copy_(data)
        logger.load_state_dict(said)
    optimiser = torch.optim.SGD([z], lr=0.1)
    saved = None
    for step in range(begin, steps):
        if step == 4:
            saved = step, z.detach().clone(), logger.state_dict()
        optimiser.zero_grad()
        out = monitor(z)
        (out.square().mean() - 0.05 * entropy(out)).backward()
        optimiser.step()
        logger.update()
    logger.close()
    return saved


def test_forces_of_a_training_are_written_once_also_after_a_checkpoint(tmp_path):
    checkpoint = trained(8, tmp_path / "whole.csv")
    trained(6, tmp_path / "pieces.csv")  # killed two steps after the checkpoint
    trained(8, tmp_path / "pieces.csv", checkpoint)
    assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    found = rows(tmp_path / "whole.csv")
    assert [float(row["step"]) for row in found] == list(range(8))
    assert all(float(row["information_force"]) > 0 for row in found)
    with pytest.raises(ConfigError, match="what state_dict"):
        ForceLogger(wgf.regularizers.ForceMonitor(wgf.Variance(), 0.1), CSV(tmp_path / "x")).load_state_dict({})
