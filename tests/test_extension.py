"""Adding a thing is one file and one registration: samples of each kind, in a package that users could have written.

The contracts of the tests find what is registered, so they run here over the samples too, in a process of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "kernel.py": '''
        """A kernel of compact spread: (1 + |u|²)⁻²."""

        from dataclasses import dataclass

        import wgf
        from wgf.kernels import RadialKernel


        @dataclass(frozen=True)
        class SampleBump(wgf.kernels.Kernel):
            """(1 + scale |u|²)⁻², which repels."""

            scale: float = 1.0
            radial = True

            def sums(self, x, y, weights, same=False):
                return self._own.sums(x, y, weights, same)

            def profile(self, q):
                return (1 + self.scale * q) ** -2

            def _value(self, x, y):
                return self.profile(((x - y) ** 2).sum(-1))

            @property
            def _own(self):
                return RadialKernel(self.profile)


        wgf.kernels.REGISTRY.add(SampleBump)
    ''',
    "entropy.py": '''
        """An entropy surrogate: half the logarithm of the mean variance."""

        import torch
        import wgf
        from wgf.entropies import REGISTRY, Entropy


        @REGISTRY.add
        class SampleSpread(Entropy):
            """S = ½ log(tr C/d + ε), ∇_W S = (x − m)/(tr C + dε): pushes away from the mean."""

            def __init__(self, ridge: float = 0.1):
                self.ridge = ridge

            def _scale(self, mu):
                return mu.covariance().diagonal().mean() + self.ridge

            def _value(self, mu):
                return 0.5 * torch.log(self._scale(mu))

            def _first_variation(self, mu, at):
                away = mu.points(at).double() - mu.mean()
                return ((away**2).sum(1) / (2 * mu.dim * self._scale(mu))).to(mu.dtype)

            def _gradient(self, mu, at):
                return ((mu.points(at).double() - mu.mean()) / (mu.dim * self._scale(mu))).to(mu.dtype)
    ''',
    "scheme.py": '''
        """A scheme: the explicit midpoint rule."""

        from dataclasses import dataclass

        import wgf
        from wgf.protocol import Solver, Step


        @dataclass(frozen=True)
        class SampleMidpoint(Solver):
            """x' = x − h ∇_W F(x − ½h ∇_W F(x)), of order 2."""

            order = 2
            half: float = 0.5

            def step(self, dynamics, state, h, noise):
                start = state.evaluation.gradient
                middle = state.mu.moved(state.mu.x - self.half * h * start)
                slope = dynamics.evaluate(middle, state.t + self.half * h, state.step).gradient
                return Step(state.mu.moved(state.mu.x - h * slope), state.mu.inner(slope, slope))


        wgf.solvers.REGISTRY.add(SampleMidpoint)
    ''',
    "study.py": '''
        """A study: does the mean of a flow in a parabola decay at rate k?"""

        from dataclasses import dataclass
        from typing import ClassVar

        import numpy as np
        import wgf
        from wgf.studies import Estimate, Finding, Outcome, Study, Table


        @dataclass(frozen=True, kw_only=True)
        class SampleDecay(Study):
            """Follow a displaced cloud and fit the rate."""

            name: ClassVar[str] = "sample-decay"
            title: ClassVar[str] = "Decay in a parabola"
            question: ClassVar[str] = "Does the mean decay at the rate of the parabola?"
            stiffness: float = 1.0

            def quick(self):
                return self.replace(seeds=3)

            def run(self, work=None):
                rates = []
                for seed in self.seed_numbers:
                    mu = wgf.Ensemble.gaussian(50, 1, mean=3.0, seed=seed)
                    sol = wgf.solve(self.stiffness * wgf.Quadratic(), mu, wgf.solvers.RungeKutta4(), dt=0.1, t_end=1.0)
                    rates.append(-np.log(float(sol.ensemble.mean()) / float(mu.mean())))
                found = Estimate(float(np.mean(rates)), min(rates), max(rates))
                rows = [[seed, rate] for seed, rate in zip(self.seed_numbers, rates, strict=True)]
                finding = Finding.within("the rate", found, 0.99, 1.01, self.stiffness)
                return Outcome((finding,), (Table("rates", "Rates", ("seed", "rate"), rows),), (), ("One parabola.",))


        wgf.studies.REGISTRY.add(SampleDecay)
    ''',
    "__init__.py": "from . import entropy, kernel, scheme, study\n",
}
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The package `samplepack`, as a user would write it."""
    root = tmp_path_factory.mktemp("samples")
    (root / "samplepack").mkdir()
    for name, text in FILES.items():
        lines = [line.removeprefix("        ") for line in text.strip("\n").splitlines()]
        (root / "samplepack" / name).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return root


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-P", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_samples_keep_the_contracts_of_the_package(folder):
    """Term, kernel and scheme run through every check that their kind has, with no line of their own in the tests."""
    done = python(
        folder, "-m", "pytest", "-vv", "-p", "samplepack", "-n", "0", "-c", str(TESTS.parent / "pyproject.toml"),
        "--rootdir", str(TESTS.parent), str(TESTS / "functional" / "test_functionals.py"),
        str(TESTS / "solvers" / "test_contract.py"), "-k", "Sample or registered or line",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    passed = [line for line in done.stdout.splitlines() if "PASSED" in line]
    for sample, fewest in (("SampleBump", 15), ("SampleSpread", 15), ("SampleMidpoint", 14)):
        assert sum(sample in line for line in passed) >= fewest, done.stdout[-3000:]


def test_samples_are_known_to_configuration_regularizers_and_studies(folder):
    code = """
import wgf, samplepack, torch
from wgf.runs.config import validate, dump
from wgf.runs import toml
table = {
    "data": {"source": "digits"},
    "solver": {"name": "SampleMidpoint", "dt": 0.1, "t_end": 1.0, "half": 0.5},
    "energy": [{"term": "Interaction", "kernel": {"name": "SampleBump", "scale": 2.0}}],
    "entropy": [{"term": "SampleSpread", "temperature": 0.1, "ridge": 0.2}],
}
config = validate(table)
F = sum(config.terms())
assert F["Interaction"].kernel.scale == 2.0 and F["SampleSpread"].ridge == 0.2
assert type(config.solver.scheme()).__name__ == "SampleMidpoint"
assert validate(toml.tomllib.loads(dump(config))) == config
try:
    validate({**table, "entropy": [{"term": "SampleSpread", "temperature": 0.1, "rigde": 0.2}]})
except wgf.errors.ConfigError as error:
    assert "did you mean 'ridge'" in str(error), error
z = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
wgf.regularizers.SampleSpread(0.3)(z).backward()
assert torch.isfinite(z.grad).all() and wgf.SampleSpread is samplepack.entropy.SampleSpread
outcome = wgf.studies.load("sample-decay", quick=True).run()
assert outcome.findings[0].verdict.value == "supported", outcome
from wgf.studies.information_force.surrogates import SURROGATES
assert "SampleSpread" in SURROGATES
print("known")
"""
    done = python(folder, "-W", "error::DeprecationWarning:wgf", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "known"
