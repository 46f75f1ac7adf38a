"""Write the lists of README.md from the registries: `python docs/readme.py`. A test holds that they are current."""

from __future__ import annotations

import re
from pathlib import Path

from wgf import domains, drives, energies, entropies, kernels, solvers, studies
from wgf.energies.losses import LOSSES
from wgf.ops.activations import NAMES as ACTIVATIONS

README = Path(__file__).parent.parent / "README.md"


def names(found: list[str]) -> str:
    """The names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in found)


def parts() -> str:
    """What there is of each kind."""
    noisy = [name for name, scheme in solvers.REGISTRY.items() if scheme.stochastic]
    adaptive = [name for name, scheme in solvers.REGISTRY.items() if scheme.adaptive]
    quiet = [name for name in solvers.REGISTRY if name not in (*noisy, *adaptive)]
    forces = [name for name, entropy in entropies.REGISTRY.items() if not entropy.realised_by_noise]
    by_noise = [name for name in entropies.REGISTRY if name not in forces]
    schedules = [name for name, drive in drives.REGISTRY.items() if issubclass(drive, drives.Schedule)]
    others = [name for name in drives.REGISTRY if name not in schedules]
    rows = {
        "energies, `wgf.`": f"{names(list(energies.REGISTRY))}, and any torch function by `from_function`",
        "kernels, `wgf.kernels.`": names(list(kernels.REGISTRY)),
        "entropies, `wgf.`": f"{names(forces)}; by noise: {names(by_noise)}",
        "solvers, `wgf.solvers.`": f"{names(quiet)}; adaptive: {names(adaptive)}; with noise: {names(noisy)}",
        "domains, `wgf.domains.`": f"all of space, {names(list(domains.REGISTRY))}",
        "drives, `wgf.drives.`": f"{names(others)}; schedules: {names(schedules)}",
        "losses": f"{names(list(LOSSES))}; units: two layers with {len(ACTIVATIONS)} activations, "
        "or your own by `Unit`",
    }
    head, *rest = rows.items()
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| **{kind}** | {text} |" for kind, text in rest)]
    return "\n".join(lines)


def questions() -> str:
    """The studies and their questions."""
    lines = [f"| `{name}` | {study.question} |" for name, study in studies.REGISTRY.items()]
    return "\n".join(["| study | question |", "|---|---|", *lines])


def written(text: str) -> str:
    """The text of the README with its lists made anew, between `<!-- parts -->` and `<!-- end -->` and so on."""
    for mark, table in (("parts", parts()), ("questions", questions())):
        text, count = re.subn(
            rf"(<!-- {mark}: [^\n]*-->\n).*?(\n<!-- end -->)", lambda m, t=table: m[1] + t + m[2], text, flags=re.S
        )
        if count != 1:
            raise SystemExit(f"README.md: wanted one place <!-- {mark}: ... --> ... <!-- end -->, found {count}.")
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
