"""Compile every GPU kernel for an H100 with no GPU at hand, through the calls that users make; print the kernels.

    python tests/compile_triton.py [--report]       --report: registers, spills and shared memory of each variant

Launching is replaced by compiling, so what comes back from the calls means nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.jit import JITFunction

from wgf.ops import activations, forms
from wgf.ops.cuda import moments, network, noise, softmin
from wgf.ops.cuda.pairwise import pair_sums, stein_direction


class H100:
    """What Triton asks a driver before it compiles."""

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0


def report(name, kernel):
    """Registers and spills by the tools that come with Triton."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        use = subprocess.run([tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True)
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", use.stdout).groups()
    print(f"{name:24} registers {registers:>3}, spilled bytes {stack:>4}, shared {kernel.metadata.shared}")


def compiled(talkative):
    """Names of the kernels compiled from here on."""
    names, start, seen = set(), JITFunction.run, set()

    def run(self, *args, grid, warmup, **options):
        kernel = start(self, *args, grid=grid, warmup=True, **options)
        name = f"{self.fn.__module__.rpartition('.')[2]}.{self.fn.__name__}"
        names.add(name)
        if talkative and id(kernel) not in seen:
            seen.add(id(kernel))
            constants = [v for v in options.values() if isinstance(v, int | str)]
            report(name, kernel)
            print("   ", str(args[0].dtype)[6:], *constants)

    JITFunction.run = run
    return names


def call_everything(every_form):
    one, ids = torch.ones(9, dtype=torch.float64), torch.arange(9)
    parameters = [1.0, 0.5, 0.7, 0.6]
    for dtype in (torch.float32, torch.float64):
        for d in (3, 40):
            x = torch.zeros(9, d, dtype=dtype)
            for form in range(9) if every_form else [forms.GAUSSIAN, forms.LOG]:
                pair_sums(x, x, one, form, parameters, 0.1, form == forms.LOG)
            stein_direction(x, x, one, x, forms.GAUSSIAN, [0.7], 0.0)
            softmin.soft_minimum(x, x, one, one, 0.5, True)
        theta, z = torch.zeros(9, 24, dtype=dtype), torch.zeros(9, 20, dtype=dtype)
        for activation in activations.NAMES.values() if every_form else [activations.TANH]:
            network.network_forward(theta, one, z, 3, activation)
            network.network_backward(theta, z, z[:, :3], activation)
        mean = moments.weighted_sum(one, z)
        moments.moments(z, one)
        moments.affine(z, mean, torch.eye(20, dtype=torch.float64))
        noise.langevin(z, z, ids, [1, 2], 3, 4, 0.1, 0.2)
        noise.normal(ids, [2**32 - 1, 0], 1, 0, 5, dtype)
    noise.uniform(ids, [2**32 - 1, 0], 1, 0, 5)
    for precision in ("ieee", "tf32x3", "tf32", "bfloat16") if every_form else ("ieee",):
        x = torch.zeros(9, 40)
        pair_sums(x, x, one, forms.GAUSSIAN, [0.7], 0.0, False, precision=precision)
    for precision in ("float64", "tf32x3", "tf32", "bfloat16") if every_form else ("float64",):
        network.network_forward(torch.zeros(9, 24), one, torch.zeros(9, 20), 3, activations.TANH, precision)
        network.network_backward(torch.zeros(9, 24), torch.zeros(9, 20), torch.zeros(9, 3), activations.TANH, precision)


if __name__ == "__main__":
    triton.runtime.driver.set_active(H100())
    verbose = "--report" in sys.argv
    kernels = compiled(verbose)
    call_everything(verbose)
    print(*sorted(kernels))
