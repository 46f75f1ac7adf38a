"""What a launcher of several processes, such as torchrun, Slurm or Dask, says in the environment of each."""

from __future__ import annotations

import os


def launched() -> bool:
    """Whether a launcher has started this process as one of several: RANK and WORLD_SIZE are in its environment."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def speaks() -> bool:
    """Whether this process writes and shows what there is: the first one, or the only one."""
    return not launched() or os.environ["RANK"] == "0"


def restarts() -> int:
    """How often torchrun has restarted the processes."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))
