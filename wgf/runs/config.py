"""The configuration of a run: a TOML file, checked key by key before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from .. import solvers
from ..data import SUFFIXES, TASKS
from ..domains import Domain
from ..energies.losses import LOSSES
from ..errors import BackendError, ConfigError, ResourceError, ShapeError, closest, shown
from ..extension import settings_of
from ..functional import Functional
from ..measure import require_device, require_room
from ..ops.activations import NAMES as ACTIVATIONS
from ..summation import load_costs
from . import toml
from .complaints import complaints
from .schemes import AnySolver, SolverSection
from .terms import AnyDomain, AnyEnergy, AnyEntropy, Column, Section

LARGEST_SEED = 2**64 - 1
DEFAULT = Path(__file__).with_name("default.toml")
"""What `wgf run` without a file runs, and what `wgf new` writes."""


def _one_of(*names: str) -> Any:
    """A string that is one of the names, else an error with the nearest of them."""

    def check(value: str) -> str:
        if value not in names:
            raise PydanticCustomError("unknown_name", "{hint}", {"hint": closest(value, names)})
        return value

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]


class Data(Section):
    """Where the samples come from and how they are split."""

    source: str
    target: Column = None
    header: bool | None = None
    task: Annotated[str, _one_of(*TASKS)] | None = None
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    seed: Seed = 0
    standardise: bool = True

    @property
    def name(self) -> str:
        """The data set in a word, also where it is a file."""
        return Path(self.source).stem if Path(self.source).suffix.lower() in SUFFIXES else self.source


class Network(Section):
    """The two-layer network a σ(w·z + b), averaged over its neurons."""

    neurons: int = Field(default=4096, ge=1)
    activation: Annotated[str, _one_of(*ACTIVATIONS)] = "tanh"
    loss: Annotated[str, _one_of(*LOSSES)] | None = None
    batch: int | None = Field(default=None, ge=1)

    def require_room(self, dim: int, label: str) -> None:
        """Refuse more neurons of dimension `dim` than there is memory for: ConfigError, with the source of the size."""
        try:
            require_room(self.neurons, dim)
        except (ConfigError, ResourceError) as error:
            raise ConfigError(f"{label}: network.neurons: {error}") from error


class Output(Section):
    """Where the run is written."""

    directory: Annotated[str, Field(min_length=1)] | None = None


class Config(Section):
    """A whole run. `functional` and `solver.scheme()` turn it into objects of `wgf`."""

    seed: Seed = 0
    dtype: Annotated[str, _one_of("float64", "float32")] = "float64"
    device: str = "cpu"
    costs: Annotated[str, Field(min_length=1)] | None = None
    data: Data
    network: Network = Network()
    energy: Annotated[tuple[AnyEnergy, ...], Field(strict=False)] = ()
    entropy: Annotated[tuple[AnyEntropy, ...], Field(strict=False)] = ()
    solver: AnySolver
    domain: AnyDomain | None = None
    output: Output = Output()

    def terms(self) -> list[Functional]:
        """The terms beside the risk, each with its coefficient."""
        built = []
        costs = None if self.costs is None else load_costs(self.costs)
        for section in ("energy", "entropy"):
            for index, term in enumerate(getattr(self, section)):
                try:
                    built.append(term.build(costs))
                except (ConfigError, ShapeError) as error:
                    raise type(error)(f"{section}.{index}: {error}") from error
        return built

    def place(self) -> Domain | None:
        """The domain of the particles, if there is one."""
        return None if self.domain is None else self.domain.build()

    def resolved(self, task: str, batch_limit: int) -> Config:
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
        data = self.data.model_copy(update={"task": task})
        return self.model_copy(update={"network": network, "data": data, "output": Output()})


def load_config(path: str | Path | None = None, overrides: list[str] | tuple[str, ...] = ()) -> Config:
    """Read and check a TOML file, by default the embedded one, with overrides such as "solver.dt=0.05" applied.

    A scheme that comes by `solver.name=` takes none of the settings that the file has for another scheme.
    A relative path in `data.source` or `costs` is taken from the folder of the file; one in an override from the
    current directory. Raises ConfigError naming the
    file, the key, what was given and what was wanted.

    >>> load_config(None, ["network.neurons=64"]).network.neurons
    64
    """
    label = "the default configuration" if path is None else str(path)
    table = read_table(path)
    changed = [toml.override(table, assignment) for assignment in overrides]
    if changed:  # what comes by --set is relative to the current directory
        _anchor(table, Path.cwd())
    fit_scheme(table, changed)
    return validate(table, label, changed)


def read_table(path: str | Path | None) -> dict[str, Any]:
    """The tables of a file, unchecked, with the relative paths in them made absolute."""
    if path is None:
        return toml.read(DEFAULT, "the default configuration")
    table = toml.read(Path(path), str(path))
    _anchor(table, Path(path).resolve().parent)
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
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        raise ConfigError(complaints(error, Config, label, changed)) from None
    try:
        config.terms()
        config.solver.scheme()
        config.place()
        require_device(config.device)
    except (BackendError, ConfigError, ShapeError) as error:
        raise type(error)(f"{label}: {error}") from error
    config.network.require_room(3, label)  # θ = (a, w, b) has at least 3 numbers; the run asks again, with the data
    return config


def dump(config: Config) -> str:
    """The configuration as TOML; `load_config` of this text gives the same configuration."""
    tables = config.model_dump(exclude_none=True)
    for section in ("energy", "entropy"):
        tables[section] = [{"term": term["term"], **term} for term in tables[section]]  # the name comes first
    return toml.write(tables)


def _anchor(table: dict[str, Any], folder: Path) -> None:
    data = table.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str) and Path(source).suffix.lower() in SUFFIXES:
        table["data"] = {**table["data"], "source": str(folder / source)}
    if isinstance(table.get("costs"), str) and table["costs"]:
        table["costs"] = str(folder / table["costs"])
