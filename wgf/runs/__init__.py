"""What `wgf run` does: read a configuration file, train, and write a directory with metrics, ensemble and report."""

from .carry import carry_on
from .config import DEFAULT, Config, dump, load_config
from .report import write_report
from .resume import resume
from .run import RunResult, run
from .standing import Standing, standing

__all__ = [
    "DEFAULT",
    "Config",
    "RunResult",
    "Standing",
    "carry_on",
    "dump",
    "load_config",
    "resume",
    "run",
    "standing",
    "write_report",
]
