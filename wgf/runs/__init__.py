"""What `wgf run` does: read a configuration file, train, and write a directory with metrics, ensemble and report."""

from .carry import Standing, carry_on, standing
from .config import DEFAULT, Config, dump, load_config
from .report import write_report
from .run import RunResult, run

__all__ = [
    "DEFAULT",
    "Config",
    "RunResult",
    "Standing",
    "carry_on",
    "dump",
    "load_config",
    "run",
    "standing",
    "write_report",
]
