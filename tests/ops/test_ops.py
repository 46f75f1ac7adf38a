"""Operations: compiled bodies against the torch oracle and plain numpy, autograd, threads, compilation cache."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from operations import operations

from wgf import ops
from wgf.ops import forms


@pytest.fixture
def rng():
    return np.random.default_rng(7)


BOUND = 2e-6  # of the largest result, where particles are float32


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
    differentiable = name in ("weighted_sum", "inner", "moments", "affine", "langevin")

    def leaf(a):
        return a.double().requires_grad_(differentiable) if isinstance(a, torch.Tensor) and a.is_floating_point() else a

    torch.library.opcheck(op.definition, tuple(map(leaf, args)))


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


@pytest.mark.slow
def test_editing_an_inlined_form_is_seen_by_the_disk_cache(tmp_path):
    """Numba looks only at the outer file; the stamp of wgf.ops.cpu.jit must make an edit of another file count."""
    package = tmp_path / "wgf"
    shutil.copytree(Path(ops.__file__).parent.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
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
