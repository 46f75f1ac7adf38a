"""Trajectories on the disk: committed frames, whoever reads them and whenever, and every flipped bit found."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from wgf.errors import CheckpointError
from wgf.storage import Trajectory, TrajectoryWriter, trajectory, zarr


def frame(k, n=10, d=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(k)
    weights = torch.rand(n, generator=generator, dtype=torch.float64)
    return 0.1 * k, torch.randn(n, d, generator=generator, dtype=dtype), weights, torch.arange(n) + 100 * k


def written(folder, count=3, commit=True, **kind):
    writer = TrajectoryWriter(folder, kind.get("n", 10), kind.get("d", 3), str(kind.get("dtype", "float64"))[-7:])
    for k in range(count):
        writer.append(*frame(k, **kind))
    if commit:
        writer.commit()
    return writer


def same(found, count, **kind):
    assert len(found) == count
    for k in range(count):
        t, x, weights, ids = frame(k, **kind)
        assert float(found.times[k]) == t
        assert found[k].dtype == x.dtype
        assert torch.equal(found[k], x)
        assert torch.equal(found.weights[k], weights)
        assert torch.equal(found.ids[k], ids)
    return True


@pytest.mark.parametrize("kind", [{}, {"dtype": torch.float32}, {"n": 1, "d": 1}, {"n": 7, "d": 20}], ids=str)
@pytest.mark.parametrize("largest", [2**26, 200])
def test_frames_come_back_to_the_bit(tmp_path, monkeypatch, kind, largest):
    """In one chunk each, and split by rows."""
    monkeypatch.setattr(trajectory, "CHUNK", largest)
    written(tmp_path / "a.zarr", **kind)
    found = Trajectory(tmp_path / "a.zarr")
    assert same(found, 3, **kind)
    assert torch.equal(found[-1], found[2])
    assert torch.equal(found[0:3:2], torch.stack([found[0], found[2]]))
    assert len(found[3:]) == 0
    assert len(list(found)) == 3
    found[0].mul_(2.0)  # memory of its own, which can be written
    assert same(found, 3, **kind)
    for wrong in (3, -4):
        with pytest.raises(IndexError, match="there are 3"):
            found[wrong]


def test_others_read_it(tmp_path, monkeypatch):
    package = pytest.importorskip("zarr")
    monkeypatch.setattr(trajectory, "CHUNK", 100)
    written(tmp_path / "a.zarr", dtype=torch.float32)
    group = package.open_group(tmp_path / "a.zarr", mode="r")
    _, x, weights, ids = frame(1, dtype=torch.float32)
    np.testing.assert_array_equal(group["x"][1], x.numpy())
    np.testing.assert_array_equal(group["weights"][1], weights.numpy())
    np.testing.assert_array_equal(group["ids"][1], ids.numpy())
    assert group["x"].chunks[1] < 10
    assert group["x"].shape == (3, 10, 3)
    alone = package.open_array(tmp_path / "a.zarr" / "x", mode="r")
    np.testing.assert_array_equal(alone[1], x.numpy())
    path = next((tmp_path / "a.zarr" / "x" / "c" / "1").rglob("0/0"))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(Exception, match="CRC"):
        alone[1]
    path.unlink()
    assert np.isnan(alone[1][0]).all(), "what is missing is NaN"


READER = """
import sys
sys.modules["wgf"] = sys.modules["torch"] = None
import warnings
warnings.simplefilter("error")
import xarray
data = xarray.open_zarr(sys.argv[1])
assert dict(data.sizes) == {"time": 3, "particle": 10, "axis": 3}, data.sizes
assert data.time.values.tolist() == [0.0, 0.1, 0.2], data.time
print(float(data.x.sel(time=0.1).sum()), int(data.ids.isel(time=2).max()))
"""


def test_xarray_opens_it_without_this_package(tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    written(tmp_path / "a.zarr")
    done = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path / "a.zarr")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    total, largest = done.stdout.split()
    assert float(total) == pytest.approx(float(frame(1)[1].sum()))
    assert largest == "209"


def test_a_reader_sees_committed_frames_only(tmp_path):
    writer = written(tmp_path / "a.zarr", 2)
    found = Trajectory(tmp_path / "a.zarr")
    writer.append(*frame(2))
    assert (len(writer), writer.committed) == (3, 2)
    assert same(Trajectory(tmp_path / "a.zarr"), 2)
    writer.commit()
    assert same(found, 2), "what was opened stays as it is"
    assert same(found.refresh(), 3)


@pytest.mark.parametrize("times", [4096, 2])
def test_a_writer_goes_on_where_it_was_committed(tmp_path, monkeypatch, times):
    monkeypatch.setattr(trajectory, "TIMES", times)
    folder = tmp_path / "a.zarr"
    writer = written(folder, 5)
    writer.append(*frame(77))  # the process is killed here
    assert same(Trajectory(folder), 5)
    again = TrajectoryWriter.resume(folder, 3)
    assert same(Trajectory(folder), 3)
    assert sorted(os.listdir(folder / "x" / "c")) == ["0", "1", "2"]
    again.append(*frame(3))
    again.commit()
    assert same(Trajectory(folder), 4)
    assert len(TrajectoryWriter.resume(folder)) == 4
    with pytest.raises(CheckpointError, match=r"has 4 frames; 5 were made\. Frames were lost"):
        TrajectoryWriter.resume(folder, 5)
    assert same(Trajectory(folder), 4)
    empty = TrajectoryWriter.resume(folder, 0)
    empty.append(*frame(0))
    empty.commit()
    assert same(Trajectory(folder), 1)


def told(call):
    """The message of the error, empty if there is none."""
    try:
        call()
    except CheckpointError as error:
        return str(error)
    return ""


def test_every_flipped_bit_and_every_cut_is_found_or_harmless(tmp_path):
    folder = tmp_path / "a.zarr"
    written(folder, 2, n=5, d=2)
    harmless = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        stride = 7 if path.parent.name != "c" else 8 * 997 + 3  # times are long
        damages = [whole[:k] for k in range(0, len(whole), max(1, len(whole) // 40))] + [whole + b"\0"]
        for index in range(0, 8 * len(whole), stride):
            flipped = bytearray(whole)
            flipped[index // 8] ^= 1 << index % 8
            damages.append(bytes(flipped))
        for damaged in damages:
            path.write_bytes(damaged)
            said = told(lambda: same(Trajectory(folder), 2, n=5, d=2))
            harmless += not said
            assert not said or str(path) in said
        path.write_bytes(whole)
    assert harmless > 0
    assert same(Trajectory(folder), 2, n=5, d=2)


def test_frames_of_another_shape_and_foreign_folders_are_refused(tmp_path):
    writer = written(tmp_path / "a.zarr", 1)
    t, x, weights, ids = frame(1)
    for wrong in ((t, x[:9], weights, ids), (t, x, weights[:9], ids), (t, x, weights, ids[:9])):
        with pytest.raises(CheckpointError, match=r"frame 1 of .*a.zarr: \w+ has the shape"):
            writer.append(*wrong)
    assert len(writer) == 1
    with pytest.raises(CheckpointError, match="exists already"):
        written(tmp_path / "a.zarr")
    with pytest.raises(CheckpointError, match="No such file"):
        Trajectory(tmp_path / "missing")
    root = tmp_path / "b.zarr" / "zarr.json"
    root.parent.mkdir()
    root.write_bytes(zarr.root_text((), 0, {"format": "other"}))
    with pytest.raises(CheckpointError, match="has the format 'other'; wanted wgf-trajectory-1"):
        Trajectory(root.parent)
    root.write_text(json.dumps({"zarr_format": 3, "node_type": "group"}))
    with pytest.raises(CheckpointError, match="cut or damaged"):
        Trajectory(root.parent)


def test_a_full_disk_leaves_what_was_committed(tmp_path, monkeypatch):
    writer = written(tmp_path / "a.zarr", 2)
    full = OSError(errno.ENOSPC, "No space left")
    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(zarr.os, name, lambda *_: (_ for _ in ()).throw(full))
            with pytest.raises(CheckpointError, match=r"cannot write the trajectory .*a.zarr: No space left"):
                written_more(writer)
        assert same(Trajectory(tmp_path / "a.zarr"), 2)
    shutil.rmtree(tmp_path / "a.zarr" / "x")
    (tmp_path / "a.zarr" / "x").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot write the trajectory"):
        writer.append(*frame(4))


def written_more(writer):
    writer.append(*frame(2))
    writer.commit()


KILLED = """
import sys, torch
from wgf.storage import TrajectoryWriter
writer = TrajectoryWriter(sys.argv[1], 1000, 3, "float64")
for k in range(10**6):
    writer.append(float(k), torch.full((1000, 3), float(k), dtype=torch.float64), torch.ones(1000), torch.arange(1000))
    if k % 3 == 0:
        writer.commit()
        print(k + 1, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_writer_that_is_killed_loses_no_committed_frame(tmp_path):
    for k in range(3):
        folder = tmp_path / f"{k}.zarr"
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(folder)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = process.stdout.readline()
        end = time.monotonic() + 0.05 * (k + 1)
        while time.monotonic() < end:  # read while it is being written
            found = Trajectory(folder)
            assert float(found[-1].mean()) == float(found.times[-1]) == len(found) - 1
        process.send_signal(signal.SIGKILL)
        reported = int((said + process.stdout.read()).splitlines()[-1])
        process.wait()
        writer = TrajectoryWriter.resume(folder)
        assert len(writer) >= reported
        assert all(float(x.mean()) == j for j, x in enumerate(Trajectory(folder)))
