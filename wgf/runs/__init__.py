"""Runs from a configuration file to a directory with the metrics, the final ensemble and a report."""

from .config import DEFAULT, Config, dump, load_config
from .report import write_report
from .run import RunResult, run

__all__ = ["DEFAULT", "Config", "RunResult", "dump", "load_config", "run", "write_report"]
