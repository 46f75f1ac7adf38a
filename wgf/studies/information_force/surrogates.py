"""What runs of the information-force study share: surrogates, images of digits, and what is kept of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...data import load
from ...diagnostics.force_report import force_report
from ...diagnostics.regimes import REGIMES, Thresholds, variation
from ...diagnostics.transport import wasserstein
from ...entropies import REGISTRY as ENTROPIES
from ...functional import Functional
from ...ledger import Ledger
from ...measure import Ensemble
from ...storage import remembered

VARIANTS = {variant.name: variant for entropy in ENTROPIES.values() for variant in entropy.variants()}
SURROGATES = {name: VARIANTS[name].words for name in sorted(VARIANTS, key=lambda name: name != "LogDet")}
"""Every surrogate of the registry by its name in the tables, and in words; the reference, log-det, comes first."""
LOG_DET, NONE = "LogDet", "none"
CONFINEMENT = 1e-3
"""k of the confinement k|x|²/2 in every energy, as weight decay: without it no entropy has an equilibrium."""
VALIDATION, TEST = 397, 900
"""Images that choose the temperature, and those that test; what is left of the 1797, 500, trains."""
INPUT_NOISE = 1.0
"""Standard deviation of the noise on inputs, in units of the standard deviation of a pixel."""


def surrogate(name: str, mu: Ensemble) -> Functional:
    """A surrogate by its name, made for the particles μ that the run begins with."""
    return VARIANTS[name].make(mu)


def unit_temperature(loss_force: Tensor, entropic: Tensor, mu: Ensemble) -> float:
    """The temperature at which information force and loss force are equal in L²(μ): T with T‖∇S‖ = ‖∇E‖."""
    squares = [float(mu.expect((force.double() ** 2).sum(1))) for force in (loss_force, entropic)]
    return math.sqrt(squares[0] / squares[1])


# ---------------------------------------------------------------------------------------------- images


@dataclass(frozen=True, eq=False)
class Images:
    """Digits with labels for training and validation, and for testing: clean, with noise, and moved by one pixel.

    Pixels are centred by their training mean and divided by one common deviation, since a pixel that is nearly always
    dark would be worth most where it is not, once the image moves.
    """

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    clean: Tensor
    noisy: Tensor
    shifted: tuple[Tensor, ...]
    labels: Tensor


@lru_cache(maxsize=4)
def images(seed: int, train: int, test: int) -> Images:
    """The split of a seed: `train` images to learn from and `test` to test on, others to choose the temperature by."""
    rng = np.random.default_rng([seed, 1])
    whole = load("digits", standardise=False)
    x, y = torch.cat([part.x for part in whole]), torch.cat([part.y for part in whole])
    order = torch.from_numpy(rng.permutation(len(x)))
    x, y = x[order], y[order]
    mean = x[:train].mean(0)
    scale = (x[:train] - mean).square().mean().sqrt()
    last = train + VALIDATION
    raw = x[last : last + test]
    clean = (raw - mean) / scale
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape)))
    moved = tuple((moved_by_a_pixel(raw, *step) - mean) / scale for step in ((0, 1), (0, -1), (1, 0), (-1, 0)))
    return Images(
        ((x[:train] - mean) / scale, y[:train]),
        ((x[train:last] - mean) / scale, y[train:last]),
        clean, clean + INPUT_NOISE * noise, moved, y[last : last + test],
    )  # fmt: skip


def moved_by_a_pixel(x: Tensor, down: int, right: int) -> Tensor:
    """Images (m, 64) of 8 × 8 pixels moved by so many pixels, dark where they came from.

    >>> moved_by_a_pixel(torch.ones(1, 64), 0, 1).sum().item()
    56.0
    """
    square = x.reshape(-1, 8, 8)
    out = torch.zeros_like(square)
    rows, columns = (slice(max(step, 0), 8 + min(step, 0)) for step in (down, right))
    from_rows, from_columns = (slice(max(-step, 0), 8 + min(-step, 0)) for step in (down, right))
    out[:, rows, columns] = square[:, from_rows, from_columns]
    return out.reshape(len(x), 64)


# ---------------------------------------------------------------------------------------------- a run


@remembered(name="run of information-force")
@dataclass(frozen=True, eq=False)
class Run:
    """What is kept of one run: its place in the sweep, the forces, and what was learned.

    `matched` is r₀, the force ratio at the start, and T the temperature that it takes. c₀ and c₁ bound I/G and
    `typical` is its geometric mean over time; `varies` is
    the coefficient of variation of I over the whole run, `restless` the largest in a window of a quarter of it;
    `regimes` the share of the time in each; `collapse` the collapse index at the end. `ratio` is I/G at the times `t`.
    `end` are the particles or representations at the end and `length` the length of their path.
    """

    setting: str
    surrogate: str
    seed: int
    matched: float
    temperature: float
    c0: float
    c1: float
    typical: float
    varies: float
    restless: float
    regimes: dict[str, float]
    degenerate: bool
    degenerate_alone: bool
    collapse: float
    rank: float
    accuracy: dict[str, float]
    closure: float
    t: NDArray[np.float64]
    ratio: NDArray[np.float64]
    end: Ensemble
    length: float
    finished: bool = True

    @property
    def overall(self) -> float:
        """The mean of the accuracies on clean, noisy and shifted images."""
        return sum(self.accuracy[name] for name in ACCURACIES) / len(ACCURACIES)


ACCURACIES = ("clean", "noise", "shift")


def forces(ledger: Ledger, end: Ensemble, plain: Run | None) -> dict[str, Any]:
    """The fields of a `Run` that its ledger and the `plain` run, the one without entropy, give.

    The collapse index is W₂ between the ends of both over the length of the path of the plain one; below its threshold
    the whole run is collapsed. A run is degenerate where it has no information force, or where regimes cover half of
    its time or more; `degenerate_alone` leaves out misalignment, whose reference is one of the surrogates.
    """
    report = force_report(ledger)
    t, force, ratio = report.t, report.columns["information_force"], report.columns["force_ratio"]
    duration, acts = float(t[-1] - t[0]), bool((force > 0).any())
    index = float(wasserstein(end, plain.end)) / plain.length if plain is not None else 0.0
    shares, bad, alone = {}, np.zeros(len(t)), np.zeros(len(t))
    for regime in REGIMES:
        inside = np.zeros(len(t))
        for span in report.of(regime):
            inside[(t >= span.start) & (t <= span.end)] = 1.0
        if regime == "collapsed" and index < Thresholds().collapsed:
            inside[:] = 1.0
        shares[regime] = float(np.trapezoid(inside, t)) / duration
        bad = np.maximum(bad, inside)
        alone = alone if regime == "misaligned" else np.maximum(alone, inside)
    window = report.columns["stability"]
    return {
        "c0": report.c0 if acts else 0.0,
        "c1": report.c1 if acts else 0.0,
        "typical": _geometric_mean(t, ratio) if acts else 0.0,
        "varies": float(variation(t, force, duration)[-1]) if acts else math.nan,
        "restless": float(np.nanmax(window)) if acts and np.isfinite(window).any() else math.nan,
        "regimes": shares,
        "degenerate": not acts or float(np.trapezoid(bad, t)) >= 0.5 * duration,
        "degenerate_alone": not acts or float(np.trapezoid(alone, t)) >= 0.5 * duration,
        "collapse": index,
        "t": t,
        "ratio": ratio,
        "end": end,
    }


def _geometric_mean(t: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """exp of the mean over time of the logarithm, where it is known."""
    known = np.isfinite(values) & (values > 0)
    if known.sum() < 2:
        return math.nan
    return math.exp(float(np.trapezoid(np.log(values[known]), t[known]) / (t[known][-1] - t[known][0])))


def accuracies(data: Images, classify: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """The share of images put into their class: of validation, and of test images clean, noisy and shifted."""

    def share(x: Tensor, y: Tensor) -> float:
        return float((classify(x) == y).double().mean())

    return {
        "validation": share(*data.validation),
        "clean": share(data.clean, data.labels),
        "noise": share(data.noisy, data.labels),
        "shift": sum(share(x, data.labels) for x in data.shifted) / len(data.shifted),
    }
