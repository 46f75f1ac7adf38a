"""The command line: `wgf run`, `new`, `report`, `tune`, `bench`, `study` and `info`."""

from . import bench, runs, study  # their commands register themselves
from .app import app, main

__all__ = ["app", "bench", "main", "runs", "study"]
