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


def force_report(output: str) -> None:
    least, predicted = numbers(r"c0 = ([\d.]+), at least ([\d.]+) was predicted", output)
    assert least >= predicted > 0.1
    for name, says in {
        "log-det:": ": effective, [^;]*; c = ",
        "variance, T > k:": "unstable at t = 0 … 2",
        "softmax:": "misaligned at t = 0 … 2",
        "softmax, saturated:": "not effective.*weak at t = 0 … ",
        "log-det, T tiny:": "weak at t = 0 … 2; collapsed at t = 0.4 … 2",
    }.items():
        (line,) = (line for line in output.splitlines() if line.startswith(name) and "c = " in line)
        assert re.search(says, line), line


def representations(output: str) -> None:
    plain, _, with_entropy = re.findall(r"accuracy ([\d.]+), effective rank ([\d.]+)", output)
    assert min(float(plain[0]), float(with_entropy[0])) > 0.93
    assert float(with_entropy[1]) > float(plain[1]) + 3  # 11.8 beside 5.7
    assert "no information force: I = 0 throughout" in output
    low, high = re.findall(r"effective, ([\d.]+) ≤ I/G", output)
    assert 0 < float(low) < 0.1 < float(high)


SCRIPTS = {
    "custom_unit": ring,
    "ornstein_uhlenbeck": ornstein_uhlenbeck,
    "log_gas": log_gas,
    "moving_target": moving_target,
    "force_report": force_report,
    "representations": representations,
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
