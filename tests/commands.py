"""The command line in tests, a small configuration for it, and what a run directory must hold."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from wgf.cli import app

CONTENTS = {
    "config.toml", "final.safetensors", "frames.safetensors", "metrics.jsonl", "report.html", "summary.json",
    "versions.json", "checkpoints", "run.safetensors",
}  # fmt: skip


SMALL = """
seed = 3
[data]
source = "diabetes"
[network]
neurons = 40
[[energy]]
term = "Quadratic"
coefficient = 0.03
[[entropy]]
term = "LogDet"
temperature = 0.01
[solver]
name = "Heun"
dt = 0.25
t_end = 3.0
record_every = 1
"""


def wgf_command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
