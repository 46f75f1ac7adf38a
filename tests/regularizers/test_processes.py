"""A batch spread over processes: values and gradients are those of the whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from batches import batch

from wgf.errors import BackendError
from wgf.regularizers import LogDet

PROCESSES = """
import os, sys, torch, torch.distributed as dist
from datetime import timedelta
from wgf.regularizers import *
from wgf.errors import *
rank = int(sys.argv[1])
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(3)
x = torch.randn(24, 5, generator=generator, dtype=torch.float64)
first = torch.randn(6, 5, generator=generator, dtype=torch.float64)
second = torch.randn(4, 6, generator=generator, dtype=torch.float64)

def network():
    net = torch.nn.Sequential(torch.nn.Linear(5, 6), torch.nn.Tanh(), torch.nn.Linear(6, 4)).double()
    with torch.no_grad():
        net[0].weight.copy_(first); net[2].weight.copy_(second)
        net[0].bias.zero_(); net[2].bias.zero_()
    return net

# 14 + 10 rows, 12 + 12 with a task, and 22 + 2, where a process alone has fewer rows than features
dist.init_process_group("gloo", store=dist.FileStore(sys.argv[2], 2), rank=rank, world_size=2,
                        timeout=timedelta(seconds=60))
made = {"LogDet": LogDet, "Ridge": lambda **k: LogDet(0.1, **k), "Blob": lambda **k: Blob(0.7, **k)}
for name, make in made.items():
    for cut, weight in ((14, 0.0), (12, 1.0), (22, 0.0)):
        alone, shared = network(), torch.nn.parallel.DistributedDataParallel(network())
        z = alone(x)
        value = make()(z)
        (weight * z.square().mean() - 0.3 * value).backward()
        z = shared(x[:cut] if rank == 0 else x[cut:])
        same = make(sync=True)(z)
        (weight * z.square().mean() - 0.3 * same).backward()
        torch.testing.assert_close(same, value, rtol=1e-12, atol=0)
        # S does not see a shift: without a task the last bias has a gradient of rounding, on the scale of the others
        scale = max(float(a.grad.abs().max()) for a in alone.parameters())
        for a, b in zip(alone.parameters(), shared.parameters()):
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-12, atol=1e-12 * scale)
        print(name, cut, "agrees")
try:
    LogDet(sync=True)(x[:, : 4 + rank])
except ShapeError as error:
    print("refused:", error)
bad = x.clone()
bad[3, 1] = float("nan") if rank == 1 else 0.0
try:
    LogDet(sync=True)(bad)
except DivergenceError as error:
    print("refused:", error)
# none closes its sockets while the other still uses them, and the interpreter takes no C++ threads down with it
dist.barrier()
print("done", flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_gradients_under_ddp_are_those_of_the_whole_batch_in_one_process(tmp_path):
    (tmp_path / "ranks.py").write_text(PROCESSES)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, tmp_path / "ranks.py"]
    ranks = [
        subprocess.Popen(
            [*command, str(rank), tmp_path / "store"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        results = [rank.communicate(timeout=180) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for rank, (output, errors) in zip(ranks, results, strict=True):
        assert rank.returncode == 0, f"exit {rank.returncode} after\n{output}\n{errors}"
        assert output.endswith("done\n")
        assert output.count("agrees") == 9
        assert "refused: z differs between processes: 4 features of 64 bits, 5 features of 64 bits" in output
        assert "refused: z: nan at row 27, feature 1 of a batch of 48" in output


def test_a_process_alone_is_the_whole():
    z = batch(20, 3)
    assert torch.equal(LogDet(sync=True)(z), LogDet()(z))
    with pytest.raises(BackendError, match="not initialised"):
        LogDet(group=object())(z)
