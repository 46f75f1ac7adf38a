"""The file of a sweep: a configuration with a table [sweep], which says what varies."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data import SUFFIXES
from ..errors import ConfigError, WgfError, shown
from ..runs import toml
from ..runs.config import Config, anchor, fit_scheme, read_table, validate
from .grid import Grid, is_range
from .identity import identity

SWEEP, BASE, SEEDS, ZIP = "sweep", "base", "seeds", "zip"
"""The table of the file, and the keys in it that are no keys of a configuration."""


@dataclass(frozen=True)
class Planned:
    """One run of a sweep: its id, the values of the keys that vary, and its configuration."""

    id: str
    varied: dict[str, Any]
    config: Config


@dataclass(frozen=True)
class Plan:
    r"""A sweep before it is carried out: the keys that vary, and the runs. `load_plan` reads one from a file.

    Attributes
    ----------
    name : str
        The name of the sweep: that of its file.
    keys : list of str
        The keys that vary.
    runs : list of Planned
        The runs in the order of the grid. Each has an `id`, its values of the keys as `varied`, and its `config`.

    See Also
    --------
    wgf.sweeps.load_plan, wgf.sweeps.run_sweep, wgf.sweeps.Grid

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "steps.toml"
    >>> _ = path.write_text("[data]\nsource = 'digits'\n[solver]\nt_end = 1\n[sweep]\nsolver.dt = [0.1, 0.2]")
    >>> plan = load_plan(path)
    >>> plan.name, plan.keys, [run.varied for run in plan.runs]
    ('steps', ['solver.dt'], [{'solver.dt': 0.1}, {'solver.dt': 0.2}])
    """

    name: str
    keys: list[str]
    runs: list[Planned]


def load_plan(path: str | Path, overrides: Sequence[str] = ()) -> Plan:
    r"""Read the file of a sweep and check every run of it.

    Parameters
    ----------
    path : str or Path
        A TOML file: the configuration of a run, with a table [sweep]. There each key of the configuration may have a
        list of values, or a range such as { from = 1e-3, to = 1e-1, count = 5, log = true }. seeds = 8 stands for the
        seeds 0 to 7. All combinations are taken, but zip = [["solver.dt", "network.neurons"]] takes the values of these
        keys together. base = "run.toml" takes the configuration from another file.
    overrides : sequence of str
        Changes of keys that do not vary, such as "solver.t_end=10".

    Returns
    -------
    Plan
        The runs, in the order of the grid: the last key varies fastest.

    Raises
    ------
    ConfigError
        For a bad file. It names the run, the key, what was given and what was wanted; and two runs that are the same.
    ResourceError
        For more than 100 000 runs. They are counted before one is made.

    See Also
    --------
    wgf.sweeps.Plan, wgf.sweeps.run_sweep, wgf.runs.load_config

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "steps.toml"
    >>> _ = path.write_text("[data]\nsource = 'digits'\n[solver]\nt_end = 1\n[sweep]\nsolver.dt = [1, 2, 3]")
    >>> len(load_plan(path, ["solver.t_end=10"]).runs)
    3
    """
    label = str(path)
    table = read_table(path)
    sweep = table.pop(SWEEP, None)
    if not isinstance(sweep, dict):
        raise ConfigError(
            f"{label}: wanted a table [sweep] with what varies, such as\n[sweep]\nsolver.dt = [0.25, 0.5]\nseeds = 3"
        )
    if BASE in sweep:
        table = _based(label, sweep.pop(BASE), table, Path(path).parent)
    zipped = sweep.pop(ZIP, [])
    varied = _flat(sweep, label)
    grid = Grid.of(varied, zipped if isinstance(zipped, list) else [zipped], f"{label}: [sweep]")
    changed = [toml.override(table, assignment) for assignment in overrides]
    if changed:  # paths that come by --set are relative to the current directory
        anchor(table, Path.cwd())
    for key in changed:
        if any(f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.") for name in varied):
            raise ConfigError(f"--set {key}: the sweep varies {shown(key)}.")
    runs, seen, files = list[Planned](), dict[str, int](), dict[str, str]()
    for number, point in enumerate(grid.points(), start=1):
        said = f"{label}, run {number} ({told(point)})"
        config = _config(table, point, [*changed, *point], Path(path).resolve().parent, said)
        name = identity(_resolved(config, files))
        if seen.setdefault(name, number) != number:
            first = runs[seen[name] - 1].varied
            raise ConfigError(
                f"{label}: runs {seen[name]} and {number} are the same: {told(first)}, and {told(point)}. Remove one "
                "of them."
            )
        runs.append(Planned(name, point, config))
    return Plan(Path(path).stem, grid.keys, runs)


def told(point: Mapping[str, Any]) -> str:
    """The values of a point in a line."""
    return ", ".join(f"{key} = {shown(value, 40)}" for key, value in point.items())


def _based(label: str, base: Any, table: dict[str, Any], folder: Path) -> dict[str, Any]:
    if not isinstance(base, str) or not base:
        raise ConfigError(f"{label}: sweep.base = {shown(base)}: wanted the path of a configuration.")
    if table:
        raise ConfigError(
            f"{label}: it has sweep.base and tables of its own ({', '.join(table)}). Move them into {shown(base)}, or "
            "vary their keys in [sweep]."
        )
    return read_table(folder / base)


def _flat(sweep: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Dotted keys with their lists and ranges; `seeds` as a list of seeds."""
    found: dict[str, Any] = {}

    def visit(table: Mapping[str, Any], before: str) -> None:
        for key, value in table.items():
            name = f"{before}{key}"
            if isinstance(value, dict) and not is_range(value):
                visit(value, f"{name}.")
            elif any(f"{other}.".startswith(f"{name}.") for other in found):
                other = next(other for other in found if f"{other}.".startswith(f"{name}."))
                raise ConfigError(f"{label}: sweep.{name} replaces sweep.{other}; put it before, or take one of them.")
            else:
                found[name] = value

    visit({key: value for key, value in sweep.items() if key != SEEDS}, "")
    if SEEDS in sweep:
        count = sweep[SEEDS]
        if "seed" in found:
            raise ConfigError(f"{label}: [sweep] has both seed and seeds; seeds = 8 stands for the seeds 0 to 7.")
        if (
            isinstance(count, bool)
            or not isinstance(count, (int, list, dict))
            or (isinstance(count, int) and count < 1)
        ):
            raise ConfigError(f"{label}: sweep.seeds = {shown(count)}: wanted a number of seeds, or a list of them.")
        found["seed"] = range(count) if isinstance(count, int) else count
    return found


def _config(table: dict[str, Any], point: Mapping[str, Any], changed: list[str], folder: Path, label: str) -> Config:
    made = copy.deepcopy(table)
    for key, value in point.items():
        parts = key.split(".")
        if not all(parts) or len(parts) > toml.DEEPEST:
            raise ConfigError(f"{label}: sweep.{shown(key)} is no key of a configuration.")
        toml.put(made, parts, copy.deepcopy(value), label)
    anchor(made, folder)
    fit_scheme(made, changed)
    try:
        return validate(made, label)
    except WgfError as error:
        error.args = (str(error).replace(f"\n{label}: ", "\n"),)  # once is enough
        raise


def _resolved(config: Config, files: dict[str, str]) -> dict[str, Any]:
    """What the id of a run depends on: all settings, and the content of files instead of their paths."""
    found: dict[str, Any] = _with_content(config.model_dump(exclude={"output"}), files)
    if config.costs is not None:
        found["costs"] = _content(config.costs, files)
    return found


def _with_content(value: Any, files: dict[str, str]) -> Any:
    """A value of a configuration, with what files of data hold in place of their paths."""
    if isinstance(value, dict):
        return {key: _with_content(part, files) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_content(part, files) for part in value]
    is_file = isinstance(value, str) and Path(value).suffix.lower() in SUFFIXES
    return _content(value, files) if is_file else value


def _content(path: str, files: dict[str, str]) -> str:
    """The name and the hash of a file; its path where it cannot be read, which the run will say."""
    if path not in files:
        try:
            files[path] = f"{Path(path).name} {hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
        except OSError:
            files[path] = path
    return files[path]
