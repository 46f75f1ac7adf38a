"""The number of a paper and ours, side by side: printed by each script of this folder, and kept for the table.

`python NAME.py` runs at full size, `python NAME.py --small` in seconds, and `python NAME.py --keep` also writes
`numbers/NAME.json` and `figures/NAME.png`. `python comparison.py` writes the page README.md from all kept numbers.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
SMALL = "--small" in sys.argv
BEGAN = time.process_time()


class Row(NamedTuple):
    """One claim of a paper: what the paper says, what comes out here, and why the two differ."""

    claim: str
    paper: str
    ours: str
    why: str


def show(script: str, title: str, rows: list[Row], figure: Any) -> None:
    """Print the rows, keep them and the figure where that is wanted, and show the figure."""
    import matplotlib.pyplot as plt

    print(title)
    for row in rows:
        print(f"\n{row.claim}\n    paper: {row.paper}\n    ours:  {row.ours}\n    {row.why}")
    if "--keep" in sys.argv:
        name = Path(script).stem
        kept = {
            "title": title,
            "seconds": round(time.process_time() - BEGAN, 1),
            "rows": [row._asdict() for row in rows],
        }
        for folder in ("numbers", "figures"):
            (HERE / folder).mkdir(exist_ok=True)
        (HERE / "numbers" / f"{name}.json").write_text(
            json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        figure.savefig(HERE / "figures" / f"{name}.png", dpi=80)
    plt.show()


INTRODUCTION = """# Published results, reproduced

Each script of `examples/papers/` repeats one result of a paper: the number of the paper, ours, and why they differ.
"Reference" marks a number that the paper shows only as a curve, or not at all: then the paper's setting was computed
in another way, by quadrature or by an ordinary differential equation.

The numbers come from runs at full size, each on one core. `python examples/papers/NAME.py` repeats one, and with
`--small` it takes seconds, as in the tests. `--keep` stores numbers and figure again, and
`python examples/papers/comparison.py` writes this page from them.
"""


def page() -> str:
    """The page README.md, from the kept numbers."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("numbers/*.json"))}
    lines = ["| paper | claim | paper's number | ours | why it differs |", "|---|---|---|---|---|"]
    for name, kept in found.items():
        for row in kept["rows"]:
            cells = (part.replace("|", "\\|") for part in row.values())
            lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    parts = [INTRODUCTION, "\n".join(lines) + "\n"]
    for name, kept in found.items():
        parts.append(
            f"## `{name}`\n\n{kept['title']} ({kept['seconds']:.0f} s)\n\n![{kept['title']}](figures/{name}.png)\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    (HERE / "README.md").write_text(page(), encoding="utf-8")
