"""What `wgf run` does: read a configuration file, train, and write a directory with metrics, ensemble and report."""

from .config import DEFAULT, Config, dump, load_config
from .report import write_report
from .run import RunResult, run
from .seeds import run_seeds

__all__ = ["DEFAULT", "Config", "RunResult", "dump", "load_config", "run", "run_seeds", "write_report"]
