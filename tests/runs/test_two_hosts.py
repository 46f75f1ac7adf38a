"""One run on two hosts: network namespaces with a link of 5 ms between them give the same bits, and survive its cut."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import wgf
from wgf.runs import resume

TIMEOUT, DELAY = 6.0, 5e-3
HOSTS = ("a", "b")
CONFIG = """
[problem]
particles = 400
dim = 2

[[energy]]
term = "Quadratic"

[[entropy]]
term = "LogDet"
temperature = 0.5

[solver]
name = "Heun"
dt = 0.01
t_end = {t_end}
record_every = 20
checkpoint_every = 0.2
"""


PING = """
import socket, sys, time
one, begun = socket.socket(), time.monotonic()
assert one.connect_ex((sys.argv[1], 9)) != 0
print(time.monotonic() - begun)
"""


def ended(processes: Sequence[subprocess.Popen[Any]]) -> None:
    """Kill processes, and wait until they are gone."""
    for process in processes:
        process.kill()
        process.wait()


class TwoHosts:
    """Two network namespaces, each with one end of a link. They share the files of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, [f"wgf-{os.getpid()}-{host}" for host in HOSTS]
        self.ends, self.addresses = [f"w{os.getpid() % 10**6}{host}" for host in HOSTS], ["10.213.77.1", "10.213.77.2"]
        self.running: list[subprocess.Popen[str]] = []
        self.link: list[subprocess.Popen[bytes]] = []

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)

    def make(self, delay: float) -> None:
        for name, end in zip(self.names, self.ends, strict=True):
            self.ip("netns", "add", name)
            self.ip("-n", name, "tuntap", "add", "dev", end, "mode", "tun")
        files = [str(self.folder / f"{host}.sock") for host in HOSTS]
        program = str(Path(__file__).parent.parent / "link.py")
        for rank, (name, end) in enumerate(zip(self.names, self.ends, strict=True)):
            way = [program, end, files[rank], files[1 - rank], str(delay)]
            self.link.append(subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-P", *way]))
            self.ip("-n", name, "addr", "add", self.addresses[rank], "peer", self.addresses[1 - rank], "dev", end)
            self.ip("-n", name, "link", "set", "lo", "up")
            self.ip("-n", name, "link", "set", end, "up")
        begun = time.monotonic()
        while not all(Path(file).exists() for file in files):
            assert time.monotonic() < begun + 30
            time.sleep(0.05)

    def seconds_there_and_back(self) -> float:
        """How long the other host takes to refuse a connection: once over the link and back."""
        ping = ["ip", "netns", "exec", self.names[0], sys.executable, "-c", PING, self.addresses[1]]
        return float(subprocess.run(ping, check=True, capture_output=True, text=True, timeout=20).stdout)

    def cut(self) -> None:
        ended(self.link)

    def remove(self) -> None:
        ended(self.running)
        ended(self.link)
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=10, check=False)

    def start(self, t_end: float) -> None:
        """One process of the run on each host."""
        (self.folder / "run.toml").write_text(CONFIG.format(t_end=t_end))
        common = {"MASTER_ADDR": self.addresses[0], "MASTER_PORT": "29533", "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        for rank, (name, end) in enumerate(zip(self.names, self.ends, strict=True)):
            command = ["ip", "netns", "exec", name, sys.executable, "-m", "wgf", "run", "run.toml", "-o", "out"]
            env = {**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": "0", "GLOO_SOCKET_IFNAME": end}
            self.running.append(
                subprocess.Popen(
                    [*command, "--timeout", str(TIMEOUT)], cwd=self.folder, env=env, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
            )  # fmt: skip


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[TwoHosts]:
    if not shutil.which("ip") or not Path("/dev/net/tun").exists():
        pytest.skip("two hosts need the program ip (iproute2) and /dev/net/tun")
    two = TwoHosts(tmp_path.resolve())
    try:
        two.make(DELAY)
    except subprocess.CalledProcessError as error:
        two.remove()
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()[:100]}")
    try:
        yield two
    finally:
        two.remove()


def straight(t_end: float) -> wgf.Solution:
    F = wgf.Quadratic() - 0.5 * wgf.LogDet()
    mu = wgf.Ensemble.gaussian(400, 2, seed=0).shard()
    return wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.01, t_end=t_end, record_every=20)


@pytest.mark.slow
def test_two_hosts_give_the_bits_of_one(hosts):
    assert hosts.seconds_there_and_back() >= 2 * DELAY
    hosts.start(0.05)
    said = [process.communicate(timeout=90) for process in hosts.running]
    assert [process.returncode for process in hosts.running] == [0, 0], said
    loaded = wgf.load(hosts.folder / "out")
    assert torch.equal(loaded.ensemble.x, straight(0.05).ensemble.x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*was begun elsewhere")  # with one thread, and goes on here with more
def test_a_link_that_is_cut_ends_both_sides_and_one_goes_on(hosts):
    hosts.start(20.0)
    begun = time.monotonic()
    while not list(hosts.folder.glob("out.partial/checkpoints/checkpoint-*")):
        assert time.monotonic() < begun + 60
        assert all(process.poll() is None for process in hosts.running), hosts.running[0].communicate()
        time.sleep(0.05)
    hosts.cut()
    cut = time.monotonic()
    for process in hosts.running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "the others were silent for" in errors, errors
        assert f"timeout = {TIMEOUT:g} s" in errors
    assert time.monotonic() - cut < 3 * TIMEOUT
    folder = next(path for path in (hosts.folder / "out", hosts.folder / "out.partial") if path.exists())
    reached = resume(folder, until=1.0, progress=False, report=False)  # in this process alone
    assert reached.summary["ok"]
    assert torch.equal(reached.solution.ensemble.x, straight(float(reached.solution.state.t)).ensemble.x)
