"""Processes that a launcher started, such as torchrun, Slurm or Dask: who this one is, and how they meet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import CommunicationError
from ..process.launcher import launched, restarts
from .group import TIMEOUT, forget


@contextmanager
def joined(device: str = "cpu", timeout: float = TIMEOUT) -> Iterator[None]:
    """The process group of torch.distributed in a block, where a launcher started several processes.

    Parameters
    ----------
    device : str, default "cpu"
        Where particles will be: "cpu" for gloo, "cuda" for nccl, with one GPU for each process of a machine.
    timeout : float, default 300
        Seconds to wait for the other processes.

    Raises
    ------
    CommunicationError
        If the others do not come.

    Notes
    -----
    It reads MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE. In a single process it does nothing. After a restart by
    torchrun the processes meet under another name, as the store of torchrun still has the addresses of those that died.

    Examples
    --------
    >>> with joined():
    ...     launched()
    False
    """
    if not launched() or dist.is_initialized():
        yield
        return
    cuda, rank, wait = device.startswith("cuda"), int(os.environ["RANK"]), timedelta(seconds=timeout)
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        alone = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(address, port, is_master=alone, timeout=wait, wait_for_workers=False)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=dist.PrefixStore(f"wgf/{restarts()}", store),
            rank=rank,
            world_size=int(os.environ["WORLD_SIZE"]),
            timeout=wait,
        )
    except (RuntimeError, KeyError, ValueError) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise CommunicationError(
            f"process {rank}: the others did not come within {timeout:g} s: {said}. Wanted MASTER_ADDR, MASTER_PORT, "
            "RANK and WORLD_SIZE, as torchrun sets them, and a link between the machines."
        ) from error
    try:
        yield
    finally:
        forget()
        dist.destroy_process_group()
