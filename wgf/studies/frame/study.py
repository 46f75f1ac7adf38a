"""The classes of a study: `Study` (a question with settings) and its `Outcome` (findings, tables, figures, limits)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ConfigError, closest, require_integer
from ...sweeps import Work
from .finding import Finding

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


@dataclass(frozen=True)
class Table:
    """A table of a study: rows of numbers and words under named columns.

    Parameters
    ----------
    name : str
        The name of its CSV file.
    title : str
        Its heading in the report.
    columns : tuple of str
        The names of the columns.
    rows : sequence of sequences
        The rows, as long as `columns`.
    text : str
        What to know when reading it.
    first : bool
        Whether it stands before the findings.

    Raises
    ------
    ConfigError
        For a row of another length than `columns`.

    See Also
    --------
    wgf.studies.Outcome

    Examples
    --------
    >>> Table("rates", "Rates", ("n", "rate"), [(10, 1.9), (20, 2.0)]).column("rate")
    [1.9, 2.0]
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    text: str = ""
    first: bool = False

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"table {self.name!r}: row {number} has {len(row)} entries under {len(self.columns)} columns."
                )

    def column(self, name: str) -> list[Any]:
        """The entries of one column; ConfigError for a name that is not there."""
        if name not in self.columns:
            raise ConfigError(f"table {self.name!r}: column {name!r}{closest(name, self.columns)}")
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure of a study: a matplotlib drawing with a title and a caption.

    Parameters
    ----------
    name : str
        The name of its files.
    title : str
        Its heading in the report.
    caption : str
        What it shows.
    drawing : matplotlib.figure.Figure
        The drawing.

    See Also
    --------
    wgf.studies.Outcome

    Examples
    --------
    >>> import wgf
    >>> drawing = wgf.figures.transport([0.0, 1.0], [0.0, 0.3])
    >>> Figure("way", "The way", "W₂ from the start.", drawing).title
    'The way'
    """

    name: str
    title: str
    caption: str
    drawing: Drawing


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a study found.

    Attributes
    ----------
    findings : tuple of Finding
        The questions with their measured numbers and verdicts.
    tables : tuple of Table
        The numbers.
    figures : tuple of Figure
        The figures.
    limits : tuple of str
        What the study does not show, one point in a sentence or two.

    See Also
    --------
    wgf.studies.Study, wgf.studies.Finding, wgf.studies.run

    Examples
    --------
    >>> outcome = Outcome((), (Table("rates", "Rates", ("n",), [(10,)]),), (), ("It shows nothing.",))
    >>> outcome.table("rates").rows
    [(10,)]
    """

    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    limits: tuple[str, ...]

    def table(self, name: str) -> Table:
        """A table by its name; ConfigError for an unknown name, with the nearest known one."""
        known = {table.name: table for table in self.tables}
        if name not in known:
            raise ConfigError(f"table {name!r}{closest(name, known)}")
        return known[name]


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """Base class of a study: a scientific question that is answered by runs over many seeds.

    A study is a frozen dataclass whose fields are its settings. `run` answers the question at these settings. To add a
    study, write one package and one line in the registry of `wgf/studies/__init__.py`.

    Parameters
    ----------
    seeds : int
        Number of replicas. Runs are repeated over the seeds first_seed, ..., first_seed + seeds − 1. Intervals are
        over these.
    first_seed : int ≥ 0
        The first seed. Another value repeats the study on new noise.

    Raises
    ------
    ConfigError
        For fewer than `fewest_seeds` seeds, or a negative first seed.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Outcome

    Examples
    --------
    >>> import wgf
    >>> [study.name for study in wgf.studies.REGISTRY.values()][:3]
    ['chaos', 'dissipation', 'generalisation']
    """

    name: ClassVar[str]
    """Its name on the command line."""
    title: ClassVar[str]
    question: ClassVar[str]
    """One sentence that ends in a question mark."""
    fewest_seeds: ClassVar[int] = 3
    """The fewest seeds; with fewer the intervals would be uselessly wide."""

    seeds: int = 8
    first_seed: int = 0

    def __post_init__(self) -> None:
        require_integer("seeds", self.seeds, low=self.fewest_seeds)
        require_integer("first_seed", self.first_seed, low=0)

    @abstractmethod
    def quick(self) -> Study:
        """The study at small settings that take some seconds. They test that it works; do not draw conclusions."""

    @abstractmethod
    def run(self, work: Work | None = None) -> Outcome:
        """Do all runs and draw the conclusions. `work` says in how many processes, and shows the progress."""

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds of the replicas."""
        return list(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, as study.json keeps them."""
        return asdict(self)

    def replace(self, **changes: Any) -> Study:
        """The study with some settings changed; ConfigError for a setting that it does not have."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(f"study {self.name!r} has no setting {name!r}{closest(name, known)}")
        return replace(self, **changes)
