"""The configuration of a run: a TOML file, checked key by key before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from .. import solvers
from ..data import SUFFIXES
from ..domains import Domain
from ..energies.losses import LOSSES
from ..errors import BackendError, ConfigError, ShapeError, shown
from ..extension import settings_of
from ..functional import Functional
from ..measure import require_device
from ..summation import load_costs
from . import toml
from .complaints import complaints
from .schemes import AnySolver, SolverSection
from .sections import LARGEST_SEED as LARGEST_SEED
from .sections import Data, Network, Output, Problem, Seed, one_of
from .terms import AnyDomain, AnyDrive, AnyEnergy, AnyEntropy, acts_on_risk, alters_risk, from_data, is_term
from .values import Section

DEFAULT = Path(__file__).with_name("default.toml")
"""What `wgf run` without a file runs, and what `wgf new` writes."""


STAND_IN = ([[0.0]], [0.0])
"""Data by which the settings of a term are checked before its data are read."""


class Config(Section):
    """The settings of a whole run, checked.

    `load_config` makes one: a `NetworkConfig` for a network on data, or a `ProblemConfig` for particles in a free
    energy. `terms()`, `drives()` and `solver.scheme()` turn it into objects of `wgf`. A configuration does not change;
    `model_copy(update={...})` makes another.

    See Also
    --------
    wgf.runs.load_config, wgf.runs.dump, wgf.runs.run

    Examples
    --------
    >>> config = load_config(None, ["solver.dt=0.25"])
    >>> config.solver.dt, config.seed
    (0.25, 0)
    """

    seed: Seed = 0
    dtype: Annotated[str, one_of("float64", "float32")] = "float64"
    device: str = "cpu"
    costs: Annotated[str, Field(min_length=1)] | None = None
    energy: Annotated[tuple[AnyEnergy, ...], Field(strict=False)] = ()
    entropy: Annotated[tuple[AnyEntropy, ...], Field(strict=False)] = ()
    drive: Annotated[tuple[AnyDrive, ...], Field(strict=False)] = ()
    solver: AnySolver
    domain: AnyDomain | None = None
    output: Output = Output()

    @property
    def name(self) -> str:
        """What is run, in a word."""
        raise NotImplementedError

    def terms(self, data: tuple[Any, Any] = STAND_IN) -> list[Functional]:
        """The terms of the tables [[energy]] and [[entropy]], each with its coefficient.

        `data` are the inputs and targets for terms that take theirs from the data set.
        """
        costs = None if self.costs is None else load_costs(self.costs)
        built: list[Functional] = []
        for index, term in enumerate(self.energy):
            with _at(f"energy.{index}"):
                built.append(term.build(costs, data))
        for index, term in enumerate(self.entropy):
            with _at(f"entropy.{index}"):
                built.append(term.build(costs))
        return built

    def drives(self, risk: Functional | None = None) -> tuple[Any, list[Any]]:
        """The risk as the drives alter it one after the other, and the drives that are terms or stops of their own."""
        others: list[Any] = []
        for index, table in enumerate(self.drive):
            with _at(f"drive.{index}"):
                made = table.build(risk)
            if alters_risk(table.drive):
                risk = made
            else:
                others.append(made)
        return risk, others

    def place(self) -> Domain | None:
        """The domain of the particles, if there is one."""
        return None if self.domain is None else self.domain.build()

    def complete(self, label: str) -> None:
        """Refuse what no single table shows to be wrong: ConfigError, which begins with `label`."""

    def _with(self, **parts: Any) -> Any:
        """The configuration as it is stored. The output directory is left out, so that the stored file can be run again
        as it is."""
        return self.model_copy(update={**parts, "output": Output()})


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say in an error which table it was."""
    try:
        yield
    except (ConfigError, ShapeError) as error:
        raise type(error)(f"{place}: {error}") from error


class NetworkConfig(Config):
    """The training of a network on data."""

    data: Data
    network: Network = Network()

    @property
    def name(self) -> str:
        return self.data.name

    def complete(self, label: str) -> None:
        for index, term in enumerate(self.energy):
            if from_data(term.term):
                wanted = f"{term.term} takes the data itself; wanted a table [problem] in place of a network"
                raise ConfigError(f"{label}: energy.{index}: {wanted}.")
        self.network.require_room(3, label)  # θ = (a, w, b) has at least 3 numbers; the run asks again, with the data

    def resolved(self, task: str, batch_limit: int) -> NetworkConfig:
        """The configuration as it is stored, with the task known: its loss is settled and its minibatch fits the data.

        The output directory is left out, so that the stored file can be run again as it is.
        """
        losses = [name for name, loss in LOSSES.items() if loss.classifies == (task == "classification")]
        loss = self.network.loss or ("cross_entropy" if task == "classification" else "squared")
        if loss not in losses:
            raise ConfigError(
                f"network.loss = {shown(loss)}: {self.data.source} is a {task}; wanted {' or '.join(losses)}."
            )
        batch = self.network.batch
        if batch is not None and batch > batch_limit:
            raise ConfigError(f"network.batch = {batch}: wanted at most the {batch_limit} training samples.")
        network = self.network.model_copy(update={"loss": loss})
        made: NetworkConfig = self._with(network=network, data=self.data.model_copy(update={"task": task}))
        return made


class ProblemConfig(Config):
    """A system of particles in potentials, without a network."""

    problem: Problem
    data: Data | None = None

    @property
    def name(self) -> str:
        first = self.energy[0].term.lower() if self.energy else "problem"
        return self.problem.name or first

    def complete(self, label: str) -> None:
        if not (self.energy or self.entropy or any(is_term(drive.drive) for drive in self.drive)):
            raise ConfigError(f"{label}: energy is missing; wanted one or more tables [[energy]].")
        needing = [term.term for term in self.energy if from_data(term.term)]
        if needing and self.data is None:
            raise ConfigError(f"{label}: data is missing; wanted a table [data], as {needing[0]} takes its data there.")
        if self.data is not None and not needing:
            raise ConfigError(f"{label}: data: no term takes data; wanted one such as LogisticPosterior, or no [data].")
        for index, drive in enumerate(self.drive):
            if acts_on_risk(drive.drive):
                verb = "alters the risk" if alters_risk(drive.drive) else "needs the outputs"
                raise ConfigError(f"{label}: drive.{index}: {drive.drive} {verb} of a network, and there is none.")
        self.drives()
        with _at(f"{label}: problem.initial"):
            law = self.problem.law  # any law has two dimensions where none is told
            law.draw(law.count or 1, law.dim or self.problem.dim or 2, 0)

    def resolved(self, terms: list[Functional]) -> ProblemConfig:
        """The configuration as it is stored, with the number and the dimension of the particles known."""
        made: ProblemConfig = self._with(problem=self.problem.resolved(terms))
        return made


def load_config(path: str | Path | None = None, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Read and check a configuration file.

    Parameters
    ----------
    path : str or Path, optional
        A TOML file. By default the configuration of `wgf run` without a file. Paths in `data.source` and `costs` are
        relative to its folder.
    overrides : sequence of str
        Changes, such as "solver.dt=0.05". A scheme that comes by `solver.name=` takes none of the settings that the
        file has for another scheme.

    Returns
    -------
    Config
        The checked configuration.

    Raises
    ------
    ConfigError
        It names the file, the key, what was given and what was wanted.

    See Also
    --------
    wgf.runs.Config, wgf.runs.run, wgf.sweeps.load_plan

    Examples
    --------
    >>> load_config(None, ["network.neurons=64"]).network.neurons
    64
    """
    label = "the default configuration" if path is None else str(path)
    table = read_table(path)
    changed = [toml.override(table, assignment) for assignment in overrides]
    if changed:  # what comes by --set is relative to the current directory
        anchor(table, Path.cwd())
    fit_scheme(table, changed)
    return validate(table, label, changed)


def read_table(path: str | Path | None) -> dict[str, Any]:
    """The tables of a file, unchecked, with the relative paths in them made absolute."""
    if path is None:
        return toml.read(DEFAULT, "the default configuration")
    table = toml.read(Path(path), str(path))
    anchor(table, Path(path).resolve().parent)
    return table


def fit_scheme(table: dict[str, Any], changed: list[str]) -> None:
    """Where another scheme comes by --set, take out the settings of the file that it does not have."""
    solver: Any = table.get("solver")
    name = solver.get("name") if "solver.name" in changed and isinstance(solver, dict) else None
    if not isinstance(name, str) or name not in solvers.REGISTRY:
        return
    known = {*SolverSection.model_fields, *settings_of(solvers.REGISTRY[name])}
    others = {key for scheme in solvers.REGISTRY.values() for key in settings_of(scheme)} - known
    given = {key.removeprefix("solver.") for key in changed}
    table["solver"] = {key: value for key, value in solver.items() if key not in others - given}


def validate(table: dict[str, Any], label: str = "configuration", changed: list[str] | tuple[str, ...] = ()) -> Config:
    """A checked Config from plain tables; `changed` are the keys that came by --set, for the messages."""
    toml.require_plain(table, label)
    model: type[Config] = ProblemConfig if "problem" in table else NetworkConfig
    if {"problem", "network"} <= set(table):
        raise ConfigError(f"{label}: [problem] and [network] are both there; wanted one of them.")
    try:
        config = model.model_validate(table)
    except ValidationError as error:
        raise ConfigError(complaints(error, model, label, changed)) from None
    try:
        config.terms()
        config.solver.scheme()
        config.place()
        require_device(config.device)
    except (BackendError, ConfigError, ShapeError) as error:
        raise type(error)(f"{label}: {error}") from error
    config.complete(label)
    return config


def dump(config: Config) -> str:
    """Write a configuration as TOML. `load_config` of this text gives the same configuration.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    str
        The text, with every key, defaults included.

    See Also
    --------
    wgf.runs.load_config

    Examples
    --------
    >>> dump(load_config()).splitlines()[0]
    'seed = 0'
    """
    tables = config.model_dump(exclude_none=True)
    for section, tag in (("energy", "term"), ("entropy", "term"), ("drive", "drive")):
        tables[section] = [{tag: table[tag], **table} for table in tables[section]]  # the name comes first
    first = [key for key in ("data", "network", "problem") if key in tables]
    text = toml.write({**{key: tables.pop(key) for key in first}, **tables})
    empty = isinstance(config, ProblemConfig) and "\n[problem]\n" not in f"\n{text}"
    return f"{text}\n[problem]\n" if empty else text


def anchor(table: dict[str, Any], folder: Path) -> None:
    data = table.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str) and Path(source).suffix.lower() in SUFFIXES:
        table["data"] = {**table["data"], "source": str(folder / source)}
    if isinstance(table.get("costs"), str) and table["costs"]:
        table["costs"] = str(folder / table["costs"])
