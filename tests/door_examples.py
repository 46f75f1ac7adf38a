"""What the examples of the doors promise: data, scikit-learn, torch, Lightning, xarray, the user's own problem."""

from __future__ import annotations

import re

import numpy as np
import pytest


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in the output:\n{text}"
    return [float(group) for group in found.groups()]


def own_problem(output: str) -> None:
    for name, order in (("Euler", 1), ("midpoint", 2), ("RungeKutta4", 4)):
        coarse, fine = (numbers(rf"{name} +h = {h} +error ([\d.e+-]+)", output)[0] for h in ("0.05", "0.025"))
        assert np.log2(coarse / fine) == pytest.approx(order, abs=0.5)
    assert "BogackiShampine  rtol = 0.001" in output
    assert "not usable: RungeKutta4: h = 0.4: DivergenceError" in output
    assert re.search("an error of 1e-4 is cheapest by (midpoint|RungeKutta4|BogackiShampine)", output)
    assert (
        max(numbers(r"radius, Euler  h = 0.05  error ([\d.e-]+)\nradius, Heun   h = 0.1   error ([\d.e-]+)", output))
        < 1e-4
    )
    biased, corrected = (
        numbers(rf"at rest, {name} +h = 0.2 error ([\d.]+)", output)[0] for name in ("Langevin", "Leim.*")
    )
    assert biased > 0.15 > 0.05 > corrected
    assert "1e-3 is cheapest by Heun" in output or "1e-3 is cheapest by Euler" in output


def estimators(output: str) -> None:
    assert numbers(r"accuracy ([\d.]+) on new data", output)[0] > 0.94
    assert abs(numbers(r"closure ([-+\d.]+)", output)[0]) < 0.1
    assert min(numbers(r"as they are: R² = ([\d.]+)\n.*R² = ([\d.]+)", output)) > 0.4
    assert numbers(r"ten pieces: R² = ([\d.]+)", output)[0] > 0.4


def chains(output: str) -> None:
    size, exact, agree = numbers(r"ESS (\d+), exact (\d+); R-hat ([\d.]+)", output)
    assert size == pytest.approx(exact, rel=0.15)
    assert agree == pytest.approx(1.0, abs=0.02)
    assert numbers(r"variance of the draws ([\d.]+)", output)[0] == pytest.approx(1.0, abs=0.1)
    assert numbers(r"differs by ([\de.+-]+)", output)[0] < 1e-12
    assert "refused: the particles have unequal weights" in output
    burn_in, rest, error = numbers(
        r"from t = 0: mean ([-+\d.]+).*\nfrom t = 10: mean ([-+\d.]+), exact 0, .* ([\d.]+)", output
    )
    assert burn_in > 0.15 > abs(rest)
    assert abs(rest) < 5 * error < 0.3
    assert numbers(r"time ([\d.]+) draws, exact 8", output)[0] == pytest.approx(8.0, rel=0.15)
    assert abs(numbers(r"mean differs by ([-+\d.e]+)", output)[0]) < 0.1
    assert "read again: particles, ledger | same numbers: True" in output


def torch_modules(output: str) -> None:
    one, other, flow = numbers(r"loss ([\d.]+)\n.*risk ([\d.]+)\n.*risk ([\d.]+)", output)
    assert one == other > flow
    assert numbers(r"outputs ([\d.e+-]+), same bits back: True", output)[0] < 1e-12
    assert numbers(r"differ by ([\d.e+-]+)", output)[0] < 1e-12


def callbacks(output: str) -> None:
    assert re.search(r"the run ended at t = [\d.]+: CONVERGED", output)
    best, waited = numbers(r"best test loss ([\d.]+), reached (\d+) records", output)
    assert 0.2 < best < 0.35
    assert waited == 3
    kept, made = numbers(r"(\d+) of (\d+) records in the file", output)
    assert kept == made > 4
    assert "the same bits without callbacks: True" in output


def data(output: str) -> None:
    assert output.count("regression), same numbers: True") == 5
    assert "tabs, no header: Dataset('irises.csv', 32 × 2, classification: blue, red)" in output
    assert re.findall(r"refused, ([^:]+): (\w+)", output) == [
        ("unclear.csv", "ConfigError"), ("a hole", "ConfigError"), ("no pair", "ShapeError"),
        ("no target", "ConfigError"),
    ]  # fmt: skip
    assert "told: Dataset('unclear.csv', 2 × 1, regression)" in output
    assert numbers(r"teacher: ([\d.]+) of the variance", output)[0] < 0.5


def lightning_forces(output: str) -> None:
    assert "records of steps 0 to 34, each once: True" in output
    assert numbers(r"accuracy ([\d.]+)", output)[0] > 0.9
    assert "effective, " in output
