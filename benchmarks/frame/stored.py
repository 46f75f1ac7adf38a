"""The stored results of a benchmark: facts of the machine and one row for each piece of work, in JSON."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...runs import store
from .facts import BUSY, machine_facts
from .measure import Row

VARYING = {BUSY}
"""Facts that may differ between the pieces of one benchmark."""


class Stored:
    """Results that grow row by row.

    Parameters
    ----------
    path : Path
        The JSON file. Its folder is created if needed.
    quick : bool
        Whether the sizes are small.
    only : str, optional
        Which part of the benchmark the file holds; None for everything.
    merge : bool
        Go on from the rows that are in the file.
    """

    def __init__(self, path: Path, quick: bool, only: str | None, merge: bool) -> None:
        facts = machine_facts()
        self.path = path
        self.result: dict[str, Any] = {"quick": quick, "only": only, **facts, "rows": []}
        self._before = 0.0
        if merge and path.exists():
            known = store.read_json(path)
            changed = [key for key in facts if key not in VARYING and known.get(key) != facts[key]]
            if changed:
                raise ConfigError(
                    f"{path.name} has rows that were measured with another {changed[0]}: {known.get(changed[0])}, now "
                    f"{facts[changed[0]]}. Remove the file, and measure everything anew."
                )
            self.result["rows"] = known["rows"]
            self.result[BUSY] = max(self.result.get(BUSY, 0.0), known.get(BUSY, 0.0))
            self._before = known.get("seconds", 0.0)
        path.parent.mkdir(parents=True, exist_ok=True)

    def put(self, row: Row, order: Sequence[tuple[str, str | None]]) -> None:
        """Add a row, in place of an older one of that name.

        `order` has the family and the name of every row of the whole benchmark, in the order of the page. The name is
        None for work that makes rows of its own. Rows that are no longer part of the benchmark go.
        """
        row["date"] = datetime.date.today().isoformat()
        old = {row["name"], row["family"]}  # a family that failed as a whole has a row of its name
        rows = [known for known in self.result["rows"] if known["name"] not in old] + [row]
        names = {name for _, name in order}
        self.result["rows"] = [
            known
            for family, name in order
            for known in rows
            if (known["name"] == name if name else known["family"] == family and known["name"] not in names)
        ]
        dates = sorted({known["date"] for known in self.result["rows"]})
        self.result["date"] = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"

    def write(self, seconds: float) -> None:
        """Write the file, after so many seconds of measuring."""
        self.result["seconds"] = round(self._before + seconds)
        store.write_json(self.path, self.result)
