"""Stored files: every flipped bit is found, files of another kind or version are named, loaded numbers are copies."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save

import wgf
from wgf.errors import CheckpointError, WgfWarning
from wgf.runs.store import write_json
from wgf.storage import read_tensors, seal, tensor_bytes, unseal, write_whole
from wgf.summation import default_costs, load_costs


def ensemble():
    x = np.random.default_rng(0).normal(size=(4, 2))
    return wgf.Ensemble(x, [0.1, 0.2, 0.3, 0.4], ids=torch.arange(4) + 7)


def flips(content):
    """The content with one bit flipped: every seventh bit in turn, so one in each byte."""
    for index in range(0, 8 * len(content), 7):
        damaged = bytearray(content)
        damaged[index // 8] ^= 1 << index % 8
        yield bytes(damaged)


def test_every_flipped_bit_and_every_cut_of_an_ensemble_is_found(tmp_path):
    path = tmp_path / "mu"
    ensemble().save(path)
    whole = path.read_bytes()
    for damaged in (*flips(whole), *(whole[:k] for k in range(len(whole))), whole + b"\0", whole[:300] + whole[301:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=re.escape(str(path))):
            wgf.Ensemble.load(path)
    path.write_bytes(whole)
    assert torch.equal(wgf.Ensemble.load(path).x, ensemble().x)


def test_every_flipped_bit_of_a_table_is_found():
    content = {"t": 0.1, "name": "Wärme", "rows": [1, None, {"a": True}]}
    text = seal(content, "wgf-example-2").encode()
    assert unseal(text, "example", "wgf-example-2") == content
    for damaged in (*flips(text), *(text[:k] for k in range(len(text) - 1))):
        with pytest.raises(CheckpointError, match="example"):
            unseal(damaged, "example", "wgf-example-2")


def test_loaded_particles_are_copies(tmp_path):
    path = tmp_path / "mu"
    ensemble().save(path)
    loaded = wgf.Ensemble.load(path)
    with open(path, "r+b") as file:  # the same file, not another one of its name
        size = file.seek(0, 2)
        file.seek(0)
        file.write(b"\xff" * size)
    assert torch.equal(loaded.x, ensemble().x)
    with open(path, "r+b") as file:
        file.truncate(0)
    assert torch.equal(loaded.x, ensemble().x)  # a map of the file would end the process here
    assert torch.equal(loaded.weights, ensemble().weights)
    assert torch.equal(loaded.ids, ensemble().ids)
    loaded.x.mul_(2.0)  # memory of its own, which can be written


def test_the_same_ensemble_gives_the_same_bytes_and_other_packages_read_them(tmp_path):
    from safetensors import safe_open

    ensemble().save(tmp_path / "a")
    ensemble().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with safe_open(tmp_path / "a", framework="numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("x"), ensemble().x.numpy())
        assert file.metadata()["format"].startswith("wgf-ensemble-2 sha256:")


def test_files_of_the_first_release_are_read_with_a_warning(tmp_path):
    mu, path = ensemble(), tmp_path / "mu"
    path.write_bytes(save({"x": mu.x, "weights": mu.weights, "ids": mu.ids}, {"format": "wgf-ensemble-1"}))
    with pytest.warns(WgfWarning, match="has no checksum") as warned:
        old = wgf.Ensemble.load(path)
    assert len(warned) == 1
    assert torch.equal(old.x, mu.x)
    table = {k: v for k, v in json.loads(default_costs().as_json()).items() if k != "sha256"}
    path.write_text(json.dumps(table | {"format": "wgf-costs-2"}))
    with pytest.warns(WgfWarning, match="has no checksum"):
        assert load_costs(path).dense == default_costs().dense


@pytest.mark.filterwarnings("ignore:.*has no checksum")
@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({}, {"format": "wgf-ensemble-3"}, "has the format 'wgf-ensemble-3'; wanted wgf-ensemble-2"),
        ({}, {"format": "pt"}, "has the format 'pt'"),
        ({}, None, "has the format None"),
        ({}, {"format": "wgf-ensemble-2"}, "its checksum is missing"),
        ({}, {"format": "wgf-ensemble-2 sha256:" + "0" * 64}, "is damaged or was changed"),
        ({"weights": torch.ones(3)}, {"format": "wgf-ensemble-1"}, "holds no ensemble"),
        ({"x": torch.full((4, 2), torch.nan)}, {"format": "wgf-ensemble-1"}, "holds no ensemble: x: nan at row 0"),
        ({"ids": torch.zeros(4, dtype=torch.int64)}, {"format": "wgf-ensemble-1"}, "holds no ensemble: ids"),
        ({"more": torch.zeros(4)}, {"format": "wgf-ensemble-1"}, "holds no ensemble: it has ids, more"),
    ],
)
def test_other_kinds_other_versions_and_contents_that_are_none_are_named(tmp_path, tensors, metadata, message):
    mu, path = ensemble(), tmp_path / "mu"
    path.write_bytes(save({"x": mu.x, "weights": mu.weights, "ids": mu.ids, **tensors}, metadata))
    with pytest.raises(CheckpointError, match=re.escape(message)):
        wgf.Ensemble.load(path)


def test_headers_that_no_parser_should_meet(tmp_path):
    path = tmp_path / "mu"
    for header in (b"[" * 100_000, b"{" + b'"a":' * 5000, b"1" * 5000, b"{}", b"[]", b"\xff" * 10, b"null"):
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(CheckpointError):
            wgf.Ensemble.load(path)
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    with pytest.raises(CheckpointError):
        wgf.Ensemble.load(path)
    for impossible in (tmp_path, "a\0b", tmp_path / "none"):
        with pytest.raises(CheckpointError):
            wgf.Ensemble.load(impossible)
    with pytest.raises(CheckpointError, match="cannot write the ensemble"):
        ensemble().save("a\0b")


def test_a_file_of_one_kind_cannot_take_the_place_of_another(tmp_path):
    write_whole(tmp_path / "frames", tensor_bytes({"x": torch.ones(2)}, "wgf-frames-2"), "frames")
    with pytest.raises(CheckpointError, match="wanted wgf-ensemble-2"):
        wgf.Ensemble.load(tmp_path / "frames")
    assert read_tensors(tmp_path / "frames", "wgf-frames-2")["x"].tolist() == [1.0, 1.0]
    with pytest.raises(CheckpointError, match="has the format 'wgf-versions-2'; wanted wgf-summary-2"):
        unseal(seal({}, "wgf-versions-2").encode(), "summary.json", "wgf-summary-2")


def test_a_table_of_costs_with_another_number_is_refused(tmp_path):
    path = tmp_path / "costs.json"
    text = default_costs().as_json()
    path.write_text(text)
    assert load_costs(path).dense == default_costs().dense
    path.write_text(re.sub(r'("sort": \d+\.)(\d)', lambda m: f"{m[1]}{9 - int(m[2])}", text, count=1))
    with pytest.raises(CheckpointError, match=r"costs\.json is damaged or was changed"):
        load_costs(path)


def test_an_interrupted_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "mu"
    ensemble().save(path)
    before = path.read_bytes()

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    for write in (lambda: ensemble().save(path), lambda: write_json(tmp_path / "summary.json", {"a": 1})):
        with pytest.raises(KeyboardInterrupt):
            write()
    assert [file.name for file in tmp_path.iterdir()] == ["mu"]
    assert path.read_bytes() == before
