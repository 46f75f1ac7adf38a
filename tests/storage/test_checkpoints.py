"""Checkpoints: whole or not there, the last two kept, every flipped bit and every cut found, older ones taken."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

import wgf
from wgf.errors import CheckpointError, WgfWarning
from wgf.storage import Checkpoints, files


def content(k=0):
    return {"mu": wgf.Ensemble([[0.5, 1.0 + k]]), "books": (k, float("nan"), None), "name": "Wärme"}


HEAD = {"step": 3, "t": 0.5, "versions": {"wgf": "0.1.0"}, "configuration": "abc"}


def test_a_checkpoint_comes_back_and_others_can_read_it(tmp_path):
    from safetensors import safe_open

    path = Checkpoints(tmp_path / "new" / "folder").write(content(), HEAD)
    found = Checkpoints(path.parent).newest()
    assert (found.path, found.head, found.skipped) == (path, HEAD, ())
    assert torch.equal(found.content["mu"].x, content()["mu"].x)
    assert found.content["name"] == "Wärme"
    with safe_open(path, framework="numpy") as file:
        assert file.get_tensor("mu.x").tolist() == [[0.5, 1.0]]
        form, checksum, said = file.metadata()["format"].split(" ", 2)
        assert (form, checksum[:7]) == ("wgf-checkpoint-1", "sha256:")
        assert json.loads(said)["head"] == HEAD


def test_every_flipped_bit_and_every_cut_is_found(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(content(1), HEAD)
    path = checkpoints.write(content(2), HEAD)
    whole = path.read_bytes()
    damages = [whole[:k] for k in range(0, len(whole), 5)] + [whole + b"\0", whole[:300] + whole[301:], b""]
    for index in range(0, 8 * len(whole), 7):
        flipped = bytearray(whole)
        flipped[index // 8] ^= 1 << index % 8
        damages.append(bytes(flipped))
    for damaged in damages:
        path.write_bytes(damaged)
        with pytest.warns(WgfWarning, match="going on from the older checkpoint-000001.safetensors"):
            found = Checkpoints(tmp_path).newest()
        assert found.content["books"][0] == 1
        (told,) = found.skipped
        assert str(path) in told
    path.write_bytes(whole)
    assert Checkpoints(tmp_path).newest().content["books"][0] == 2


def test_the_last_two_whole_ones_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for k in range(1, 6):
        checkpoints.write(content(k), HEAD)
        assert [p.name[11:17] for p in checkpoints.paths()] == [f"{j:06d}" for j in range(max(1, k - 1), k + 1)]
    (tmp_path / "checkpoint-000005.safetensors").write_bytes(b"damaged")
    (tmp_path / "checkpoint-000009.safetensors.partial").write_bytes(b"of a process that was killed")
    (tmp_path / "notes.txt").write_text("of the user")
    again = Checkpoints(tmp_path)
    with pytest.warns(WgfWarning, match="000005.* cut|cannot read"):
        assert again.newest().content["books"][0] == 4
    again.write(content(6), HEAD)
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint-000004.safetensors", "checkpoint-000006.safetensors", "notes.txt"
    ]  # fmt: skip


def test_one_who_only_writes_removes_nothing_before_two_are_whole(tmp_path):
    """What stands there may be the only whole one."""
    Checkpoints(tmp_path).write(content(1), HEAD)
    later = Checkpoints(tmp_path)
    later.write(content(2), HEAD)
    assert len(later.paths()) == 2
    later.write(content(3), HEAD)
    assert [p.name[11:17] for p in later.paths()] == ["000002", "000003"]


def test_other_versions_and_none_at_all_are_told(tmp_path):
    with pytest.raises(CheckpointError, match=re.escape(f"{tmp_path} holds no whole checkpoint: there is none.")):
        Checkpoints(tmp_path).newest()
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        Checkpoints(tmp_path / "missing").newest()
    content()["mu"].save(tmp_path / "checkpoint-000001.safetensors")
    with pytest.raises(CheckpointError, match=r"has the format 'wgf-ensemble-2'; wanted wgf-checkpoint-1\. It"):
        Checkpoints(tmp_path).newest()


def test_a_full_disk_leaves_the_last_good_one(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(content(1), HEAD)
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
            with pytest.raises(CheckpointError, match=r"cannot write the checkpoint to .*000002.*: No space left"):
                checkpoints.write(content(2), HEAD)
        assert checkpoints.newest().content["books"][0] == 1
        assert len(os.listdir(tmp_path)) == 1
    with pytest.raises(CheckpointError, match="the function print, which a checkpoint cannot hold"):
        checkpoints.write({"f": print}, HEAD)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="Not a directory"):
        Checkpoints(tmp_path / "file").write(content(), HEAD)


WRITER = """
import sys, torch
from wgf.storage import Checkpoints
checkpoints = Checkpoints(sys.argv[1])
for k in range(1, 10**6):
    checkpoints.write({"k": k, "x": torch.full((20_000,), float(k))}, {"step": k})
    print(k, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_writer_that_is_killed_loses_nothing_that_it_reported(tmp_path):
    for k in range(3):
        folder = tmp_path / str(k)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        said = writer.stdout.readline()
        time.sleep(0.017 * (k + 1))
        writer.send_signal(signal.SIGKILL)
        reported = int((said + writer.stdout.read()).splitlines()[-1])
        writer.wait()
        found = Checkpoints(folder).newest()
        assert found.skipped == ()
        assert found.head["step"] >= reported
        assert (found.content["x"] == found.content["k"]).all()
