"""The processes of the measurement: all are started once, and wait while others compute."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..frame.processes import environment

LIMIT = 120.0
"""Seconds to wait for processes that leave."""


class Team:
    """Processes that make the same runs at the same time.

    Parameters
    ----------
    size : int
        How many.
    speak : bool
        Whether they are the processes of one run.
    threads : int, default 1
        Threads of each.
    """

    def __init__(self, size: int, speak: bool = False, threads: int = 1) -> None:
        self._members = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(size)}
        for rank in range(size):
            more = where | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if speak else {}
            env = environment(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), **more)
            command = [sys.executable, "-P", "-m", "wgf.benchmarks.scaling.work", str(threads)]
            pipe = subprocess.PIPE
            self._members.append(subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True))

    def ask(self, first: int | None = None, **request: Any) -> dict[str, Any]:
        """The answer of process 0 to a request to all, or to the `first` of them; with the seconds of the slowest."""
        members = self._members[:first]
        for member in members:
            assert member.stdin is not None
            member.stdin.write(json.dumps(request) + "\n")
            member.stdin.flush()
        answers = []
        for member in members:
            assert member.stdout is not None
            line = member.stdout.readline()
            if not line:
                raise RuntimeError(f"a process of the measurement ended with code {member.wait(LIMIT)}")
            answers.append(json.loads(line))
        if "seconds" in answers[0]:
            answers[0]["seconds"] = max(answer["seconds"] for answer in answers)
        found: dict[str, Any] = answers[0]
        return found

    def close(self) -> None:
        """Let the processes leave."""
        for member in self._members:
            assert member.stdin is not None
            member.stdin.close()
        for member in self._members:
            try:
                member.wait(LIMIT)
            except subprocess.TimeoutExpired:
                member.kill()


@contextmanager
def teams(*made: Team) -> Iterator[None]:
    """Let the processes leave at the end of the block."""
    try:
        yield
    finally:
        for team in made:
            team.close()


def median(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answers as one, with the median of their seconds."""
    return {**answers[-1], "seconds": statistics.median(answer["seconds"] for answer in answers)}
