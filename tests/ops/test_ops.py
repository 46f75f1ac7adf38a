"""Operations: compiled bodies against the torch oracle and plain numpy, autograd, threads, compilation cache."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from wgf import ops
from wgf.ops import activations, forms, threads

FORMS = {
    forms.GAUSSIAN: [0.7],
    forms.MATERN12: [0.7],
    forms.MATERN32: [0.7],
    forms.MATERN52: [0.7],
    forms.MULTIQUADRIC: [0.7, 0.8],
    forms.MORSE: [1.0, 0.5, 0.5, 2.0],
    forms.LOG: [],
    forms.RIESZ: [1.5],
    forms.DISTANCE: [],
}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def close(a, b, rtol):
    """Relative distance in the norm."""
    return float((a - b).norm()) <= rtol * max(float(b.norm()), 1e-300)


BOUND = 2e-6  # of the largest result, where particles are float32


def operations():
    """Every operation with arguments of its own, in float32 where the particles' dtype shows."""
    rng = np.random.default_rng(2)

    def real(*shape, dtype=torch.float32):
        return torch.from_numpy(rng.normal(size=shape)).to(dtype)

    w = torch.full((20,), 0.05, dtype=torch.float64)
    x, theta, z = real(20, 3), real(20, 8), real(30, 4)
    mean = ops.weighted_sum(w, x)
    frames = ops.directions(3, 6, 0)
    line = (
        *ops.sorted_projections(x, w, frames, True),
        *ops.sorted_projections(real(9, 3), w[:9] / 0.45, frames, False),
    )
    return {
        "pair_sums": (ops.pair_sums, (x, real(20, 3), w, forms.GAUSSIAN, [0.7], 0.1, False)),
        "stein_direction": (ops.stein_direction, (x, x, w, real(20, 3), forms.GAUSSIAN, [0.7], 0.1)),
        "weighted_sum": (ops.weighted_sum, (w, x)),
        "moments": (ops.moments, (x, w)),
        "all_finite": (ops.all_finite, (x,)),
        "affine": (ops.affine, (x, mean, real(3, 5, dtype=torch.float64))),
        "network_forward": (ops.network_forward, (theta, w, z, 3, activations.TANH)),
        "network_backward": (ops.network_backward, (theta, z, real(30, 3), activations.TANH)),
        "sorted_projections": (ops.sorted_projections, (x, w, frames, False)),
        "quantile_costs": (ops.quantile_costs, line),
        "transport_maps": (ops.transport_maps, (x, w, frames, True, *line[2:])),
        "transport_potentials": (ops.transport_potentials, (x, w, frames, False, *line[2:], real(4, 3))),
        "uniform": (ops.uniform, (torch.arange(20), [1, 2], 3, 0, 5)),
        "normal": (ops.normal, (torch.arange(20), [1, 2], 3, 0, 5, torch.float32)),
        "langevin": (ops.langevin, (x, real(20, 3), torch.arange(20), [1, 2], 3, 0, 0.1, 0.2)),
    }


@pytest.mark.parametrize("name", operations())
def test_plain_bodies_stand_in_for_the_compiled_ones(name):
    """The body that another device runs gives the same values in the same shapes and dtypes."""
    from wgf.ops.registry import PLAIN

    assert {key.split("::")[1] for key in PLAIN} == set(operations())
    op, args = operations()[name]
    results = (r if isinstance(r, tuple) else (r,) for r in (PLAIN[f"wgf::{name}"](*args), op(*args)))
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype
        largest = max(float(want.double().abs().max()), 1e-300)
        assert float((got.double() - want.double()).abs().max()) <= BOUND * largest


@pytest.mark.parametrize("name", operations())
def test_operations_are_registered_as_torch_expects(name):
    """Schema, fake tensors and autograd, by torch's own checks: what torch.compile and optimisers rely on."""
    op, args = operations()[name]
    # the others have an output or an input without a derivative; gradcheck above holds what they have
    differentiable = name in ("weighted_sum", "moments", "affine", "langevin")

    def leaf(a):
        return a.double().requires_grad_(differentiable) if isinstance(a, torch.Tensor) and a.is_floating_point() else a

    torch.library.opcheck(op, tuple(map(leaf, args)))


def test_operations_survive_torch_compile(rng):
    """Values and gradients through `torch.compile` equal the eager ones (the compiled graph calls the same bodies)."""
    x = torch.from_numpy(rng.normal(size=(30, 2)))
    w = torch.full((30,), 1 / 30, dtype=torch.float64)

    def energy(x):
        return ops.weighted_sum(w, ops.pair_sums(x, x, w, forms.GAUSSIAN, [0.8], 0.0, False)[0][:, None])[0]

    results = []
    for function in (energy, torch.compile(energy, backend="aot_eager")):
        y = x.clone().requires_grad_()
        value = function(y)
        value.backward()
        results.append((value.detach(), y.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_same_bits_with_one_and_two_threads(rng):
    x = torch.from_numpy(rng.normal(size=(10_001, 3)))
    w = torch.full((10_001,), 1e-4, dtype=torch.float64)
    big = torch.from_numpy(rng.normal(size=(10_001, 60)))

    def everything():
        mean = ops.weighted_sum(w, big)
        return [
            *ops.pair_sums(x, x, w, forms.GAUSSIAN, [0.5], 0.0, False),
            mean,
            *ops.moments(big, w),
            ops.affine(big, mean, big[:60]),
            ops.normal(torch.arange(10_001), [1, 0], 3, 0, 3, torch.float64),
        ]

    before, results = torch.get_num_threads(), []
    try:
        for threads_wanted in (1, 2):
            torch.set_num_threads(threads_wanted)
            results.append(everything())
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_blocks_are_run_once_and_settings_come_back():
    seen = []
    before = torch.get_num_threads()
    with threads.one_torch_thread():
        with threads.one_torch_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
        threads.run_blocks(seen.extend, 7)
    threads.run_blocks(seen.extend, 9)
    assert torch.get_num_threads() == before
    assert sorted(seen) == sorted([*range(7), *range(9)])


def test_after_an_error_no_other_block_begins():
    begun = []

    def worker(indices):
        for index in indices:
            begun.append(index)
            if index == 1:
                raise ValueError("in a block")
            time.sleep(0.01)

    with pytest.raises(ValueError, match="in a block"):
        threads.run_blocks(worker, 1000)
    assert len(begun) < 10


def test_blocks_within_blocks():
    """A worker that itself runs blocks waits for no thread that waits for it."""
    inner = []
    threads.run_blocks(lambda indices: [threads.run_blocks(inner.extend, 3) for _ in indices], 4)
    assert sorted(inner) == sorted([0, 1, 2] * 4)


def test_an_error_in_a_block_is_raised():
    def worker(indices):
        raise ValueError("in a block")

    with pytest.raises(ValueError, match="in a block"):
        threads.run_blocks(worker, 4)


def test_editing_an_inlined_form_is_seen_by_the_disk_cache(tmp_path):
    """Numba looks only at the outer file; the stamp of wgf.ops.cpu.jit must make an edit of another file count."""
    package = tmp_path / "wgf"
    shutil.copytree(Path(ops.__file__).parent, package / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text("")
    script = (
        "import numpy as np; from wgf.ops.cpu.tiles import activate; from wgf.ops.cpu.activation import Tanh; "
        "s = np.zeros((1, 1)); activate(Tanh(), s, np.ones(1)); print(s[0, 0], sum(activate.stats.cache_hits.values()))"
    )

    def run():
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": ""}, text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        value, hits = done.stdout.split()
        return float(value), int(hits)

    assert run() == (pytest.approx(math.tanh(1.0)), 0)
    assert run() == (pytest.approx(math.tanh(1.0)), 1)
    source = package / "ops" / "cpu" / "elementary.py"
    text = source.read_text()
    assert text.count("return e / (e + cast(2.0, x))") == 1
    source.write_text(text.replace("return e / (e + cast(2.0, x))", "return cast(2.0, x) * e / (e + cast(2.0, x))"))
    assert run() == (pytest.approx(2 * math.tanh(1.0)), 0)


def test_settings_are_held_for_each_thread_that_asks():
    """Torch's thread count belongs to a thread: overlapping holders neither lose it nor leave it behind."""
    import threading

    entered, leave, seen = threading.Event(), threading.Event(), []

    def other():
        with threads.one_torch_thread():
            seen.append(torch.get_num_threads())
            entered.set()
            leave.wait(10)
        seen.append(torch.get_num_threads())

    before = torch.get_num_threads()
    thread = threading.Thread(target=other)
    with threads.one_torch_thread():
        thread.start()
        assert entered.wait(10)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    leave.set()
    thread.join()
    assert seen[0] == 1
