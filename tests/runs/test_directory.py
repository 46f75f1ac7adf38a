"""The directory of a run: what is refused before the first step, and what is kept where it cannot be written."""

from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

import pytest
from commands import CONTENTS, rows, wgf_command

from wgf.errors import CheckpointError, ConfigError
from wgf.ledger import Lines
from wgf.runs import directory, load_config, run, store
from wgf.runs.directory import choose, writing

# ------------------------------------------------------------------------------------------ refused at once


def refused(place, out, message):
    before = sorted(place.rglob("*"))
    with pytest.raises(ConfigError, match=message) as caught:
        choose(out, "name")
    assert len(str(caught.value)) < 300
    assert sorted(place.rglob("*")) == before


def test_links_are_refused(place):
    Path("real").mkdir()
    Path("file").touch()
    for target in ("real", "file", "nowhere"):
        os.symlink(target, f"to-{target}")
        refused(place, f"to-{target}", "is a link")
        result = wgf_command("run", "small.toml", "--out", f"to-{target}")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
    os.symlink("nowhere", "out.partial")
    refused(place, "out", "in the way")
    os.symlink("real", "parent")
    assert choose("parent/out", "name").name == "out", "a link above is as good as a directory"


@pytest.mark.parametrize(
    ("name", "message"),
    [("a\ud800b", "not UTF-8"), (os.fsdecode(b"a\xffb"), "not UTF-8"), ("a\0b", "NUL"), ("x" * 2000 + "\0", "NUL")],
)
def test_names_that_cannot_be_written_are_refused(place, name, message):
    refused(place, name, message)
    refused(place, Path(name) / "out", message)
    result = wgf_command("run", "small.toml", "--out", name)
    assert result.exit_code == 2, result.output


@pytest.mark.parametrize("name", ["x" * 300, "x" * 250, "/".join(["x" * 200] * 30)])
def test_names_that_are_too_long_leave_no_parents(place, name):
    before = sorted(place.rglob("*"))
    result = wgf_command("run", "small.toml", "--out", f"a/b/{name}")
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: cannot write to ")
    assert len(result.stderr) < 300
    assert sorted(place.rglob("*")) == before


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs a mount point")
def test_mount_points_are_refused(monkeypatch):
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(()))
    with pytest.raises(ConfigError, match="is a mount point"):
        choose("/proc", "name")


def test_a_current_directory_that_is_gone(place):
    gone = place / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match="current directory is gone"):
        choose("out", "name")


# ------------------------------------------------------------------------------------------ names of the same second


def test_runs_of_the_same_second_take_the_next_name(place, monkeypatch):
    """All choose at once, and write at once."""
    names, errors, together = [], [], threading.Barrier(8)
    monkeypatch.setattr(directory, "_candidates", lambda name: (Path(f"runs/{k}").absolute() for k in range(100)))

    def work():
        try:
            choose(None, "name")
            together.wait(10)
            with writing(None, "name") as place:
                (place.partial / "mine").write_text(place.path.name)
            names.append(place.path.name)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(names)) == 8
    assert {path.name for path in Path("runs").iterdir()} == set(names)
    assert all(path.read_text() == path.parent.name for path in Path("runs").rglob("mine"))


def test_a_given_name_that_another_run_took_is_refused(place):
    with writing("out", "name"), pytest.raises(ConfigError, match="in the way"), writing("out", "name"):
        pass
    assert sorted(path.name for path in place.iterdir()) == ["out", "small.toml"]


# ------------------------------------------------------------------------------------------ what is kept


def fail(out, error, keep):
    with writing(out, "name") as there:
        (there.partial / "file").touch()
        there.keep = keep
        raise error


def test_an_error_before_there_is_anything_leaves_nothing(place):
    with pytest.raises(ZeroDivisionError):
        fail("a/b/c", ZeroDivisionError(), keep=False)
    assert not Path("a").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ZeroDivisionError("mine")])
def test_an_error_after_that_keeps_and_names_the_partial_directory(place, error):
    with pytest.raises(CheckpointError, match=r"kept in .*c\.partial") as caught:
        fail("a/b/c", error, keep=True)
    assert (error.strerror if isinstance(error, OSError) else "ZeroDivisionError: mine") in str(caught.value)
    assert Path("a/b/c.partial/file").exists()


def appear_as_file():
    Path("out").write_text("mine")


def appear_as_link():
    os.symlink("elsewhere", "out")


def appear_full():
    Path("out").mkdir()
    Path("out/mine").touch()


@pytest.mark.parametrize("appear", [appear_as_file, appear_as_link, appear_full])
def test_a_name_that_appears_during_the_run_costs_nothing(place, monkeypatch, undrawn, appear):
    saved = store.write_frames

    def late(*arguments):
        appear()
        saved(*arguments)

    monkeypatch.setattr(store, "write_frames", late)
    result = wgf_command("run", "small.toml", "--out", "out", "--set", "solver.t_end=0.5")
    assert result.exit_code == 1
    assert "appeared or changed during the run" in result.stderr
    assert "out.partial" in result.stderr
    assert {path.name for path in Path("out.partial").iterdir()} == CONTENTS - {"report.html"}
    monkeypatch.undo()
    os.chdir(place)
    assert wgf_command("report", "out.partial").exit_code == 0


def test_an_empty_directory_that_appears_is_used(place, monkeypatch, undrawn):
    saved = store.write_frames

    def write(*arguments):
        Path("out").mkdir()
        saved(*arguments)

    monkeypatch.setattr(store, "write_frames", write)
    assert wgf_command("run", "small.toml", "-q", "--out", "out", "--set", "solver.t_end=0.5").exit_code == 0
    assert {path.name for path in Path("out").iterdir()} == CONTENTS


# ------------------------------------------------------------------------------------------ a full disk


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("what", ["write_frames", "write_json", "ensemble"])
def test_a_full_disk_at_the_end_keeps_all_that_can_be_written(place, monkeypatch, what):
    if what == "ensemble":
        import wgf

        monkeypatch.setattr(wgf.Ensemble, "save", full)
        lost = store.FINAL
    elif what == "write_json":
        write = store.write_json
        monkeypatch.setattr(store, what, lambda path, c: full() if path.name == store.SUMMARY else write(path, c))
        lost = store.SUMMARY
    else:
        monkeypatch.setattr(store, what, full)
        lost = store.FRAMES
    result = wgf_command("run", "small.toml", "--out", "out", "--set", "solver.t_end=0.5")
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert "kept in" in result.stderr
    assert {path.name for path in Path("out.partial").iterdir()} == CONTENTS - {"report.html", lost}
    assert rows(Path("out.partial"))[-1]["t"] == 0.5


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from wgf.cli import main
sys.argv = ["wgf", "run", "small.toml", "--out", "a/out", "--set", "solver.t_end=1000.0", "--set",
    "solver.record_every=1"]
main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_records_made_before_the_disk_was_full_are_kept_whole(place):
    """A limit on the size of a file stands for a full disk: metrics.jsonl stops in the middle of a line."""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-P", "-c", LIMITED.format(size=20_001)],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    kept = place / "a" / ("out" if (place / "a" / "out").exists() else "out.partial")
    assert kept.name == "out" or str(kept) in done.stderr
    made = rows(kept)
    assert 5 < len(made) < 1000
    assert [row["t"] for row in made] == [0.25 * k for k in range(len(made))]


def test_a_line_that_cannot_be_written_whole_leaves_nothing_of_it(tmp_path, monkeypatch):
    class Short:
        """A file with room for 30 bytes."""

        def __init__(self, path, *arguments, **options):
            self.file = real(path, *arguments, **options)

        def write(self, data):
            room = 30 - self.file.tell()
            if room <= 0:
                full()
            return self.file.write(data[:room])

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.file.close()

    real = open
    monkeypatch.setattr("builtins.open", Short)
    lines = Lines(tmp_path / store.METRICS)
    lines.append({"t": 0.0, "a": 1.0})
    with pytest.raises(CheckpointError, match="No space"):
        lines.append({"t": 1.0, "a": 2.0})
    monkeypatch.undo()
    assert (tmp_path / store.METRICS).read_text() == '{"t": 0.0, "a": 1.0}\n'


def test_a_report_that_cannot_be_written_leaves_no_partial_one(finished, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished.directory, copy)
    before = (copy / store.REPORT).read_bytes()
    monkeypatch.setattr("wgf.storage.files.os.replace", full)
    result = wgf_command("report", copy)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot write ")
    assert "No space left on device" in result.stderr
    assert {path.name for path in copy.iterdir()} == CONTENTS
    assert (copy / store.REPORT).read_bytes() == before


def test_an_error_of_this_program_after_the_run_keeps_it(place, monkeypatch):
    def broken(self, *_arguments):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("wgf.runs.job.Job.summary", broken)
    with pytest.raises(CheckpointError, match=r"ZeroDivisionError: a bug.*kept in"):
        run(load_config("small.toml", ["solver.t_end=0.5"]), "out", progress=False)
    assert {store.METRICS, store.FINAL} <= {path.name for path in Path("out.partial").iterdir()}
