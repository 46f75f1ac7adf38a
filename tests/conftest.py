"""`pytest --device cuda` runs the tests of the GPU kernels on a GPU; by default Triton's interpreter runs them on the CPU."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", choices=("cpu", "cuda"), help="where the GPU kernels are tested")


def pytest_configure(config):
    # read when triton is first imported, hence before any test; nothing else in a CPU run imports it
    if config.getoption("--device") == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    else:
        os.environ.pop("TRITON_INTERPRET", None)


@pytest.fixture
def device(request):
    """The device of `--device`: the tensors of a kernel test go there."""
    return request.config.getoption("--device")
