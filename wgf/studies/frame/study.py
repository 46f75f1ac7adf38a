"""What a study is: a question with settings, and its outcome in tables, figures, findings and limits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ConfigError, closest, require_integer
from .statistics import Estimate
from .work import Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


class Verdict(Enum):
    """What the measurement says about the expectation."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """What was asked, the measured number with its interval, the verdict, and the criterion that gave it.

    The criterion is a sentence fixed before the measurement. `expected` is the number that theory gives, where it gives
    one; `remark` says in words what the number alone does not.
    """

    asked: str
    measured: Estimate
    verdict: Verdict
    criterion: str
    expected: float | None = None
    remark: str = ""

    @staticmethod
    def within(
        asked: str, measured: Estimate, low: float, high: float, expected: float | None = None, remark: str = ""
    ) -> Finding:
        """An equivalence test: supported where the whole interval lies in [low, high], contradicted where none does."""
        inside, outside = low <= measured.low and measured.high <= high, measured.high < low or high < measured.low
        verdict = Verdict.SUPPORTED if inside else Verdict.CONTRADICTED if outside else Verdict.UNDECIDED
        where = f"in [{low:.4g}, {high:.4g}]".replace("-", "−")
        if math.inf in (high, -low):
            where = f"at or above {low:.4g}" if high == math.inf else f"at or below {high:.4g}"
        criterion = f"the whole interval lies {where}"
        return Finding(asked, measured, verdict, criterion, expected, remark)

    @staticmethod
    def covers(asked: str, measured: Estimate, expected: float, resolution: float, remark: str = "") -> Finding:
        """Supported where the interval holds the expected number and is no wider than ± resolution.

        Contradicted where it does not hold it; an interval that holds it but is wider decides nothing.
        """
        narrow = measured.half_width <= resolution
        verdict = Verdict.CONTRADICTED
        if measured.covers(expected):
            verdict = Verdict.SUPPORTED if narrow else Verdict.UNDECIDED
        criterion = f"the interval holds {expected:.6g} and its half-width is at most {resolution:.2g}"
        return Finding(asked, measured, verdict, criterion, expected, remark)


def above_zero(asked: str, measured: Estimate, remark: str = "") -> Finding:
    """Supported where the whole interval lies above 0, contradicted where it lies below; NaN and 0 decide nothing."""
    verdict = Verdict.UNDECIDED
    if measured.low > 0:
        verdict = Verdict.SUPPORTED
    elif measured.high < 0:
        verdict = Verdict.CONTRADICTED
    return Finding(asked, measured, verdict, "the whole interval lies above 0", remark=remark)


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words under named columns; `name` is its file, `title` what it shows."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    text: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"table {self.name!r}: row {number} has {len(row)} entries under {len(self.columns)} columns."
                )

    def column(self, name: str) -> list[Any]:
        """The entries under a name."""
        if name not in self.columns:
            raise ConfigError(f"table {self.name!r}: column {name!r}{closest(name, self.columns)}")
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Figure:
    """A drawing with a title and a caption that says what to look at."""

    name: str
    title: str
    caption: str
    drawing: Drawing


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a study found, and in `limits`, sentence by sentence, what it does not show."""

    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]
    limits: tuple[str, ...]

    def table(self, name: str) -> Table:
        """A table by its name; ConfigError with the names there are."""
        known = {table.name: table for table in self.tables}
        if name not in known:
            raise ConfigError(f"table {name!r}{closest(name, known)}")
        return known[name]


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A question that runs answer. Settings are the fields of a frozen dataclass; `run` answers at these settings.

    A new study is one file and one line in the registry of `wgf/studies/__init__.py`. The base has the seeds: runs are
    replicated over first_seed, ..., first_seed + seeds − 1, and intervals are over these; another first_seed repeats
    the study on noise that it has not seen.
    """

    name: ClassVar[str]
    """As the command line knows it."""
    title: ClassVar[str]
    question: ClassVar[str]
    """One sentence that ends in a question mark."""
    fewest_seeds: ClassVar[int] = 3
    """Below it there would be no intervals to speak of."""

    seeds: int = 8
    first_seed: int = 0

    def __post_init__(self) -> None:
        require_integer("seeds", self.seeds, low=self.fewest_seeds)
        require_integer("first_seed", self.first_seed, low=0)

    @abstractmethod
    def quick(self) -> Study:
        """The settings of a small version, some seconds long: to see that it works, not to conclude from."""

    @abstractmethod
    def run(self, work: Work | None = None) -> Outcome:
        """Measure and conclude. `work` does the runs, in processes if it was told to, and shows how far they are."""

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds of the replicas."""
        return list(range(self.first_seed, self.first_seed + self.seeds))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, as study.json keeps them."""
        return asdict(self)

    def replace(self, **changes: Any) -> Study:
        """The study at other settings; ConfigError for one that it does not have."""
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ConfigError(f"study {self.name!r} has no setting {name!r}{closest(name, known)}")
        return replace(self, **changes)
