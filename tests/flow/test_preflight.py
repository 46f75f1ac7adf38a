"""What a run needs is estimated before its first step."""

from __future__ import annotations

import time
from collections import namedtuple

import pytest

import wgf
from wgf.errors import ResourceError
from wgf.flow import preflight
from wgf.flow.preflight import require_kept

GIB = 2**30


@pytest.fixture(scope="module")
def million():
    return wgf.Ensemble.gaussian(10**6, 3)


def test_a_frame_at_every_step_of_a_million_particles_is_refused_before_the_first_step(million, monkeypatch):
    """n = 10⁶, d = 3, 10⁴ steps: 240 GB of frames, held twice at the end."""
    monkeypatch.setattr(preflight, "machine_memory", lambda: 24 * GIB)
    began = time.perf_counter()
    with pytest.raises(ResourceError) as refused:
        wgf.solve(wgf.Quadratic(), million, wgf.solvers.Euler(), dt=0.01, t_end=100.0, trajectory_every=1)
    assert time.perf_counter() - began < 1.0
    assert str(refused.value) == (
        "10000 frames of 1000000 particles need 447 GiB of memory, and there are 24 GiB here: keep them on the disk by "
        "store=DIR, or take fewer frames (trajectory_every=19)."
    )
    require_kept(10**4, 100, 30, 19, million)
    with pytest.raises(ResourceError):
        require_kept(10**4, 100, 30, 18, million)


def test_a_disk_without_room_is_refused(million, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(0, 0, 100 * GIB))
    with pytest.raises(ResourceError) as refused:
        require_kept(10**4, 100, 30, 1, million, tmp_path / "new" / "run")
    assert str(refused.value) == (
        f"10002 frames of 1000000 particles need 242 GiB of disk, and there are 100 GiB free at {tmp_path}: choose "
        "another disk by store=DIR, or take fewer frames (trajectory_every=3)."
    )
    require_kept(10**4, 100, 30, 3, million, tmp_path)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage(0, 0, GIB // 8))
    with pytest.raises(ResourceError, match=r"checkpoints of 1000000 particles need 275 MiB of disk.* by store=DIR\.$"):
        require_kept(10**4, 100, 30, 0, million, tmp_path)


def test_where_no_frame_fits_there_is_no_advice_how_many(million, monkeypatch):
    monkeypatch.setattr(preflight, "machine_memory", lambda: GIB // 32)
    with pytest.raises(ResourceError, match=r"take fewer frames\.$"):
        require_kept(10**4, 100, 1, 1, million)
