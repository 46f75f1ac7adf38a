"""The command line `wgf`, with the commands run, new, report, tune, bench, study and info."""

from . import bench, runs, study  # importing them registers their commands
from .app import app, main

__all__ = ["app", "bench", "main", "runs", "study"]
