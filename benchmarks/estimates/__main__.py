"""The command `python -m wgf.benchmarks.estimates`: estimates and their error bars on many laws, as a page."""

from __future__ import annotations

import argparse
import datetime
import time
from pathlib import Path

from ...runs import store
from ..frame.facts import default_folder, machine_facts
from .page import page
from .study import measure


def main() -> None:
    """Make the records and the runs, and write `estimates.json` and `estimates.md`."""
    parser = argparse.ArgumentParser(prog="python -m wgf.benchmarks.estimates", description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[200, 2000, 20_000], help="particles of the records")
    parser.add_argument("--seeds", type=int, default=20, help="records for each law and n")
    parser.add_argument("--runs", type=int, default=20, help="whole runs from each of the laws that are not held out")
    parser.add_argument("--only", default="", help="the laws whose name contains this text; writes no files")
    parser.add_argument("--out", type=Path, default=None, help="folder; by default benchmarks/results in a clone")
    options = parser.parse_args()
    start = time.monotonic()
    rows = measure(options.n, options.seeds, options.runs, options.only)
    if options.only:
        return
    folder = options.out or default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"seeds": options.seeds, "runs": options.runs, "seconds": round(time.monotonic() - start)}
    result = {"date": datetime.date.today().isoformat(), "rows": rows} | asked | machine_facts()
    store.write_json(folder / "estimates.json", result)
    (folder / "estimates.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
