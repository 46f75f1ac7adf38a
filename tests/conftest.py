"""The GPU kernels are tested by Triton's interpreter on the CPU, or on a GPU with `pytest --device cuda`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the GPU kernels are tested")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Before workers of pytest-xdist start: one thread each, or they would wait for each other's threads.

    Tests that compare one and two threads set the number themselves.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch, MKL and OpenBLAS read it


def pytest_configure(config):
    # read when triton is first imported, hence before any test; nothing else in a CPU run imports it
    if config.getoption("--device") == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    else:
        os.environ.pop("TRITON_INTERPRET", None)


@pytest.fixture(scope="session")
def imported():
    """Names of the modules that all names of `wgf` and its transport bring along, in an interpreter of its own."""
    code = (
        "import sys, wgf, wgf.diagnostics.transport\n[getattr(wgf, name) for name in wgf.__all__]\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture
def device(request):
    """The device of `--device`: the tensors of a kernel test go there."""
    return request.config.getoption("--device")


@pytest.fixture
def make(device):
    """Normal numbers on the device, the same for every test."""
    import numpy as np
    import torch

    rng = np.random.default_rng(7)
    return lambda *shape, dtype=torch.float64: torch.from_numpy(rng.normal(size=shape)).to(dtype).to(device)
