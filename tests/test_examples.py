"""Every example runs as a user would run it, and says what its header promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in the output:\n{text}"
    return [float(group) for group in found.groups()]


def ring(output: str) -> None:
    (unexplained,) = numbers(r"held-out points: ([\d.]+)", output)
    assert unexplained < 0.15


def ornstein_uhlenbeck(output: str) -> None:
    deviations = [float(line.split()[3]) for line in output.splitlines()[1:12]]
    assert len(deviations) == 11
    assert max(map(abs, deviations)) < 5
    closure, error = numbers(r"over the run: ([-+\d.]+) ± ([\d.]+)", output)
    assert abs(closure) < 0.1
    assert abs(closure) < 3 * error < 0.3


def log_gas(output: str) -> None:
    (difference,) = numbers(r"largest difference ([\de.+-]+)", output)
    assert difference < 1e-10


def moving_target(output: str) -> None:
    work, dissipation, expected = numbers(r"time ([\d.]+), dissipation ([\d.]+), expected ([\d.]+)", output)
    assert work == pytest.approx(expected, abs=1e-5)
    assert dissipation == pytest.approx(expected, abs=1e-5)


def study_chaos(output: str) -> None:
    for pattern, exact, tolerance in ((r"the bias +([-\d.]+)", -1.0, 0.1), (r"fluctuation ([-\d.]+)", -0.5, 0.05)):
        (found,) = numbers(pattern, output)
        assert found == pytest.approx(exact, abs=tolerance)
    limit, expected = numbers(r"∞ +([\d.]+) ± [\d.]+, expected ([\d.]+)", output)
    assert limit == pytest.approx(expected, rel=0.01)


def study_dissipation(output: str) -> None:
    for start, certified, late in (("displaced", 2.0, 2.0), ("spread", 2.0, 4.0)):
        found, _, measured = numbers(rf"parabola, {start} +([\d.]+) +\S+ +([\d.]+) +([\d.]+)", output)
        assert found == certified
        assert measured == pytest.approx(late, rel=0.06)
    certified, measured = numbers(r"double well +([\d.]+) +\S+ +[\d.]+ +([\d.]+)", output)
    assert certified < measured
    (rate,) = numbers(r"log-det entropy, displaced: ([\d.]+)", output)
    assert rate == pytest.approx(2.0, rel=0.002)


def study_phase(output: str) -> None:
    areas = [float(line.split()[1]) for line in output.splitlines()[1:3]]
    assert areas == sorted(areas, reverse=True)
    found, error, exact = numbers(r"T_c = ([\d.]+) ± ([\d.]+), exact ([\d.]+)", output)
    assert abs(found - exact) < error < 0.1 * exact


SCRIPTS = {
    "custom_unit": ring,
    "ornstein_uhlenbeck": ornstein_uhlenbeck,
    "log_gas": log_gas,
    "moving_target": moving_target,
    "study_chaos": study_chaos,
    "study_dissipation": study_dissipation,
    "study_phase": study_phase,
}
CONFIGURATIONS = {"diabetes": ("test_loss", 0.0, 0.32), "breast_cancer": ("test_accuracy", 0.95, 1.0)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name, tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    SCRIPTS[name](done.stdout)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configuration(name, tmp_path):
    command = [sys.executable, "-m", "wgf.cli", "run", EXAMPLES / f"{name}.toml", "--out", tmp_path / "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    metric, low, high = CONFIGURATIONS[name]
    assert low <= last[metric] <= high
    assert abs(last["closure_total"]) < 0.1
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_every_example_is_here():
    assert {p.stem for p in EXAMPLES.glob("*.py")} == set(SCRIPTS)
    assert {p.stem for p in EXAMPLES.glob("*.toml")} == set(CONFIGURATIONS)
