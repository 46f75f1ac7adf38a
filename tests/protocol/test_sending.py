"""Sending states, solutions and errors to another process: they arrive, whatever functions the user gave."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import wgf
from wgf.errors import ConfigError, DivergenceError
from wgf.protocol import Sent


def run(F, t_end=0.1, solver=None, mu=None, **options):
    mu = wgf.Ensemble.gaussian(40, 2, seed=1) if mu is None else mu
    return wgf.solve(F, mu, solver or wgf.solvers.Langevin(), dt=0.02, t_end=t_end, **options)


def sent(thing):
    return pickle.loads(pickle.dumps(thing))


LAMBDAS = {
    "potential": lambda: wgf.Potential(lambda x: (x**4).sum(1)),
    "function": lambda: wgf.from_function(lambda x, w: w @ (x**2).sum(1)),
    "schedule": lambda: (lambda t: 1 + t) * wgf.Quadratic(),
    "target": lambda: wgf.Quadratic() + 0.1 * wgf.Potential(lambda x: x.sum(1)),
}


@pytest.mark.filterwarnings("ignore:closure:wgf.errors.WgfWarning")
@pytest.mark.parametrize("kind", LAMBDAS)
def test_solutions_and_states_of_lambdas_arrive(kind):
    sol = run(LAMBDAS[kind](), solver=wgf.solvers.Euler(), trajectory_every=1, observers={"one": lambda mu: 1.0})
    back = sent(sol)
    assert isinstance(back, wgf.Solution)
    assert torch.equal(back.ensemble.x, sol.ensemble.x)
    assert torch.equal(back.trajectory, sol.trajectory)
    for column in sol.ledger.columns:
        np.testing.assert_array_equal(back.ledger[column], sol.ledger[column])
    assert (back.status, back.status.message) == (sol.status, sol.status.message)
    assert back.state.left_out == ()
    assert back.state.evaluation.terms == ()
    assert torch.equal(back.state.evaluation.gradient, sol.state.evaluation.gradient)


@pytest.mark.parametrize(
    "solver",
    [wgf.solvers.Langevin(), wgf.solvers.Underdamped(1.0), wgf.solvers.LeimkuhlerMatthews()],
    ids=lambda solver: solver.name,
)
def test_a_run_goes_on_from_a_sent_state_with_the_same_bits(solver):
    F = wgf.Potential(lambda x: (x**2).sum(1)) - 0.1 * wgf.Shannon()
    whole, first = run(F, 0.2, solver), run(F, 0.1, solver)
    second = run(F, 0.2, solver, mu=first.ensemble, state=sent(first.state))
    assert torch.equal(second.ensemble.x, whole.ensemble.x)


def test_rules_resolved_at_the_start_are_sent():
    F = wgf.Quadratic() - 0.1 * wgf.Blob("silverman")
    whole, first = run(F, 0.2, wgf.solvers.Euler()), run(F, 0.1, wgf.solvers.Euler())
    assert first.state.resolved, "Blob chooses its bandwidth from the first ensemble"
    second = run(F, 0.2, wgf.solvers.Euler(), mu=first.ensemble, state=sent(first.state))
    assert torch.equal(second.ensemble.x, whole.ensemble.x)


def test_what_cannot_be_sent_is_left_out_and_such_a_state_does_not_go_on():
    state = run(wgf.Quadratic(), solver=wgf.solvers.Euler()).state
    local = wgf.Potential(lambda x: x.sum(1))
    state = replace(state, resolved={"Mine": (local, local), "Other": (wgf.Quadratic(), wgf.Quadratic())})
    back = sent(replace(state, memory=threading.Lock(), drives={"drive": lambda: 0}))
    assert back.left_out == ("Mine", "drive", "the memory of Euler")
    assert set(back.resolved) == {"Other"}
    assert (back.memory, dict(back.drives)) == (None, {})
    assert sent(back).left_out == back.left_out
    with pytest.raises(ConfigError, match="Mine, drive, the memory of Euler could not be pickled"):
        run(wgf.Quadratic(), 0.2, wgf.solvers.Euler(), state=back)
    assert run(wgf.Quadratic(), 0.2, wgf.solvers.Euler(), state=state).status.ok


def test_copies_keep_everything():
    sol = run(wgf.Potential(lambda x: (x**2).sum(1)), solver=wgf.solvers.Euler())
    for twin in (copy.copy(sol), copy.deepcopy(sol)):
        assert len(twin.state.evaluation.terms) == 1
        assert torch.equal(twin.ensemble.x, sol.ensemble.x)
    deep = copy.deepcopy(sol)
    assert deep.ensemble.x.data_ptr() != sol.ensemble.x.data_ptr()


def test_errors_arrive_with_their_solution():
    with pytest.raises(DivergenceError) as caught:
        run(wgf.Potential(lambda x: -(x**4).sum(1)), 50.0, wgf.solvers.Euler())
    back = sent(caught.value)
    assert type(back) is DivergenceError
    assert str(back) == str(caught.value)
    assert back.solution.ledger.rows == caught.value.solution.ledger.rows


def test_errors_of_the_users_functions_arrive_with_their_solution():
    def broken(mu):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError) as caught:
        run(wgf.Potential(lambda x: (x**2).sum(1)), solver=wgf.solvers.Euler(), observers={"broken": broken})
    back = sent(caught.value)
    assert (type(back), str(back)) == (ZeroDivisionError, "mine")
    assert isinstance(back.solution, Sent)


POOL = """
import multiprocessing, sys, time
import wgf

def work(kind):
    def broken(mu, t):
        if t > 1:
            raise ZeroDivisionError("mine")
        return 0.0
    F = wgf.Potential(lambda x: -(x**4).sum(1)) if kind == "diverge" else wgf.Potential(lambda x: (x**2).sum(1))
    observers = {"broken": broken} if kind == "broken" else {}
    mu = wgf.Ensemble.gaussian(2000, 2)
    return wgf.solve(F, mu, wgf.solvers.Euler(), dt=0.25, t_end=4.0, observers=observers)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        pending = [pool.apply_async(work, (kind,)) for kind in ("diverge", "broken", "fine")]
        pending[-1].wait(100)  # by now the workers that raised have ended
        for result in pending:
            try:
                print(type(result.get(10)).__name__)
            except Exception as error:
                print(type(error).__name__, error.solution.ledger.rows > 0)
"""


@pytest.mark.slow
def test_errors_and_solutions_come_out_of_a_pool_whose_workers_have_ended(tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "pool.py")], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout.split("\n")[:3] == ["DivergenceError True", "ZeroDivisionError True", "Solution"], done.stderr
