"""Damage every kind of stored and input file at random: no traceback, no silent change.

    python tests/fuzz/damage.py --files 2000 --seed 0

Each file is damaged in one way (bits flipped, cut, bytes put in, taken out, zeroed or repeated, digits changed,
another file in its place) and read again. What may come of it: an error of wgf, or for files with a checksum the same
content as before. Files without one (CSV, NPY, TOML, and those of version 0.1.0) may also be read as something else.
A failure is written to --keep with its number; the same seed and number give the same damage.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

import wgf
from wgf.errors import LONGEST, WgfError
from wgf.runs import DEFAULT, dump, load_config, run, store, write_report
from wgf.summation import default_costs, load_costs

SLOWEST = 60.0
"""Seconds that reading a file may take."""
CONFIGURATION = """
[data]
source = "teacher"
[network]
neurons = 10
[[energy]]
term = "Quadratic"
coefficient = 0.03
[solver]
name = "Euler"
dt = 0.25
t_end = 0.5
"""


# ------------------------------------------------------------------------------------------------- damage


def flipped(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def cut(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    return content[: rng.integers(len(content))]


def longer(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    place, count = int(rng.integers(len(content) + 1)), int(rng.choice([1, 1, 2, 7, 500]))
    return content[:place] + rng.bytes(count) + content[place:]


def shorter(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    place, count = int(rng.integers(len(content))), int(rng.choice([1, 1, 2, 7, 500]))
    return content[:place] + content[place + count :]


def zeroed(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    place, count = int(rng.integers(len(content))), int(rng.choice([1, 8, 512]))
    count = min(count, len(content) - place)
    return content[:place] + b"\0" * count + content[place + count :]


def repeated(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    start, stop = sorted(rng.integers(len(content) + 1, size=2).tolist())
    return content[:stop] + content[start:stop] * int(rng.choice([1, 1, 30])) + content[stop:]


def other_digits(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    places = [match.start() for match in re.finditer(rb"[0-9]", content)]
    if not places:
        return flipped(content, rng, others)
    damaged = bytearray(content)
    for place in rng.choice(places, size=min(len(places), int(rng.integers(1, 4)))):
        damaged[place] = 48 + int(rng.integers(10))
    return bytes(damaged)


def other_words(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    """A number or a word is replaced by something that a parser may stumble over."""
    spans = [match.span() for match in re.finditer(rb"[\w.+-]+", content)]
    strange = (
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"9" * 400,
        b"9" * 5000,
        b"[" * 3000,
        b"\0",
    )
    if not spans:
        return flipped(content, rng, others)
    start, stop = spans[rng.integers(len(spans))]
    return content[:start] + strange[rng.integers(len(strange))] + content[stop:]


def another(content: bytes, rng: np.random.Generator, others: list[bytes]) -> bytes:
    return others[rng.integers(len(others))]


DAMAGES = (flipped, flipped, cut, longer, shorter, zeroed, repeated, other_digits, other_words, another)


# ------------------------------------------------------------------------------------------------- files


@dataclass(frozen=True)
class Kind:
    """A kind of file: the file, how it is read, and whether a change of its content may pass."""

    name: str
    path: Path
    read: Callable[[], Any]
    sealed: bool


def _rows(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(n, 3))


def _ensemble(path: Path) -> Callable[[], Any]:
    def read() -> Any:
        mu = wgf.Ensemble.load(path)
        return mu.x.tolist(), mu.weights.tolist(), mu.ids.tolist()

    return read


def _data(path: Path) -> Callable[[], Any]:
    def read() -> Any:
        parts = wgf.data.load(path)
        assert all(bool(torch.isfinite(part.x).all()) for part in parts)
        return [(part.x.tolist(), part.y.tolist(), part.classes, part.feature_names, part.task) for part in parts]

    return read


def _old_run(folder: Path) -> None:
    """Make a run as version 0.1.0 stored it: without formats and checksums."""
    for name in (store.SUMMARY, store.VERSIONS):
        table = json.loads((folder / name).read_text(encoding="utf-8"))
        kept = {key: value for key, value in table.items() if key not in ("sha256", "format", "checksums")}
        (folder / name).write_text(json.dumps(kept, indent=2), encoding="utf-8")
    t, x, _ = store.read_frames(folder / store.FRAMES)
    (folder / store.FRAMES).write_bytes(save({"t": torch.tensor(t).double(), "x": torch.from_numpy(x)}))


def kinds(folder: Path) -> list[Kind]:
    """Write one file of each kind into a folder."""
    mu = wgf.Ensemble(_rows(6), [0.1, 0.1, 0.2, 0.2, 0.2, 0.2])
    mu.save(folder / "mu.safetensors")
    old = {"x": mu.x, "weights": mu.weights, "ids": mu.ids}
    (folder / "old.safetensors").write_bytes(save(old, {"format": "wgf-ensemble-1"}))
    (folder / "costs.json").write_text(default_costs().as_json(), encoding="utf-8")
    table, labels = _rows(30), np.arange(30) % 3
    lines = ["a,b,c,label"] + [
        ",".join(map(repr, row.tolist())) + f",{'xyz'[k]}" for row, k in zip(table, labels, strict=True)
    ]
    (folder / "text.csv").write_text("\n".join(lines), encoding="utf-8")
    np.savetxt(folder / "numbers.csv", table, delimiter=",")
    np.save(folder / "table.npy", table)
    np.savez(folder / "stored.npz", x=table, y=labels)
    np.savez_compressed(folder / "packed.npz", x=table, y=np.array(["a", "b", "c"])[labels])
    (folder / "default.toml").write_bytes(DEFAULT.read_bytes())
    (folder / "small.toml").write_text(CONFIGURATION, encoding="utf-8")
    run(load_config(folder / "small.toml"), folder / "run", progress=False)
    shutil.copytree(folder / "run", folder / "old")
    _old_run(folder / "old")
    found = [
        Kind("ensemble", folder / "mu.safetensors", _ensemble(folder / "mu.safetensors"), True),
        Kind("ensemble of 0.1.0", folder / "old.safetensors", _ensemble(folder / "old.safetensors"), False),
        Kind("final", folder / "run" / store.FINAL, _ensemble(folder / "run" / store.FINAL), True),
        Kind("costs", folder / "costs.json", lambda: load_costs(folder / "costs.json"), True),
    ]
    for name, sealed in (
        ("text.csv", False),
        ("numbers.csv", False),
        ("table.npy", False),
        ("stored.npz", True),
        ("packed.npz", True),
    ):
        found.append(Kind(name, folder / name, _data(folder / name), sealed))
    for name in ("default.toml", "small.toml"):
        found.append(Kind(name, folder / name, partial(_dumped, folder / name), False))
    for name in (store.CONFIG, store.VERSIONS, store.METRICS, store.FRAMES, store.SUMMARY):
        found.append(Kind(f"run: {name}", folder / "run" / name, _page(folder / "run"), True))
        found.append(Kind(f"run of 0.1.0: {name}", folder / "old" / name, _page(folder / "old"), False))
    return found


def _dumped(path: Path) -> str:
    return dump(load_config(path))


def _page(folder: Path) -> Callable[[], Any]:
    return lambda: write_report(folder).read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------- the search


def fault(kind: Kind, damaged: bytes, whole: Any, sealed: bool = True) -> str:
    """Read a damaged file; what went wrong with the reading, empty if nothing did."""
    original = kind.path.read_bytes()
    clock = time.perf_counter()
    try:
        kind.path.write_bytes(damaged)
        found = kind.read()
    except WgfError as error:
        text = str(error)
        bad = any(len(line) > LONGEST or not line.isprintable() for line in text.splitlines())
        return f"a message that is too long or cannot be printed: {text!r}" if bad or not text else ""
    except BaseException:
        return traceback.format_exc()
    finally:
        kind.path.write_bytes(original)
    seconds = time.perf_counter() - clock
    if seconds > SLOWEST:
        return f"it took {seconds:.0f} s"
    if sealed and kind.sealed and found != whole:
        return "another content was read without an error"
    return ""


def search(
    files: int, seed: int, keep: Path | None = None, say: Callable[[str], None] = lambda text: None
) -> list[str]:
    """Damage so many files and return what went wrong, one text for each fault."""
    faults = []
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = kinds(Path(name))
        wholes = [kind.read() for kind in known]
        contents = [kind.path.read_bytes() for kind in known]
        for number in range(files):
            rng = np.random.default_rng([seed, number])
            which = int(rng.integers(len(known)))
            damage = DAMAGES[rng.integers(len(DAMAGES))]
            damaged = damage(contents[which], rng, contents)
            # a whole file in the place of another of its kind is found only where a summary lists the checksums
            sealed = damage is not another or known[which].name.startswith("run")
            wrong = fault(known[which], damaged, wholes[which], sealed)
            if wrong:
                faults.append(f"number {number}, {known[which].name}, {damage.__name__}: {wrong}")
                say(faults[-1])
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{seed}-{number}{known[which].path.suffix}").write_bytes(damaged)
            if (number + 1) % 100 == 0:
                say(f"{number + 1} files, {len(faults)} faults")
    return faults


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="how many files to damage")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the damage")
    parser.add_argument("--keep", type=Path, help="a folder for the files of faults")
    given = parser.parse_args()
    faults = search(given.files, given.seed, given.keep, say=lambda text: print(text, flush=True))
    print(f"{given.files} damaged files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
