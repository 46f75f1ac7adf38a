"""The study `generalisation`: does the information bound limit the gap between training and test error?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...diagnostics.information import gap_bounds
from ...errors import ConfigError, require_integer, require_number
from ...figures.canvas import BLUE, CYCLE, MUTED, ORANGE, RED, canvas, finish, log_scale
from ..frame import Estimate, Figure, Finding, Outcome, Study, Table, Work, above_zero
from ..frame.statistics import LEVEL, t_interval
from .decoders import DECODERS, MOST, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
PRECISION = 0.02
"""Tolerance for the Monte Carlo error of I(X; Z) when it is compared with B, in nats."""


@dataclass(frozen=True, kw_only=True)
class Generalisation(Study):
    """Compare the generalisation gap of decoders on Z = f(X) + σξ with the bounds of `gap_bounds`.

    X is an image of a digit, f(X) its leading principal components (fitted to other images, scaled to mean variance 1),
    and Y the parity of the digit. The bounds use B = ½ log det(I + Cov f(X)/σ²) ≥ I(X; Z). The loss is 0 or 1, so
    σ_ℓ = ½. Every seed makes its own split of the images and its own noise.

    Parameters
    ----------
    seeds, first_seed : int
        Number of splits and the first seed.
    noises : tuple of float > 0
        The σ, rising, in units of the standard deviation of f(X).
    samples : tuple of int
        The numbers n of images that a decoder learns from, rising, from 8 to 600.
    components : int
        Number of principal components, from 1 to 60.
    draws : int
        Monte Carlo draws for I(X; Z).

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("generalisation", quick=True)
    >>> study.seeds, study.samples
    (4, (32, 128))
    """

    name: ClassVar[str] = "generalisation"
    title: ClassVar[str] = "Generalisation from noisy representations"
    question: ClassVar[str] = (
        "Does the information that a noisy representation has of its input bound the gap between training and test "
        "error, and under which assumption?"
    )

    seeds: int = 12
    noises: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    samples: tuple[int, ...] = (32, 128, 512)
    components: int = 8
    draws: int = 4000

    def __post_init__(self) -> None:
        super().__post_init__()
        for sigma in self.noises:
            require_number("noises", sigma, positive=True)
        for n in self.samples:
            require_integer("samples", n, low=8, high=MOST)
        require_integer("components", self.components, low=1, high=60)
        for name in ("noises", "samples"):
            given = getattr(self, name)
            if len(given) < 2 or list(given) != sorted(set(given)):
                raise ConfigError(f"{name} = {given}: wanted two different ones or more, rising.")

    def quick(self) -> Study:
        return self.replace(seeds=4, noises=(0.3, 1.0, 3.0), samples=(32, 128), draws=1000)

    def run(self, work: Work | None = None) -> Outcome:
        tasks = [(seed, self.noises, self.samples, self.components, self.draws) for seed in self.seed_numbers]
        measured = (work or Work()).each("splits of the images", measure, tasks)
        parts = {name: np.stack([run[name] for run in measured]) for name in measured[0]}
        findings, table = _findings(self, parts), _table(self, parts)
        return Outcome(findings, (table,), (_gaps(self, parts), _information(self, parts)), LIMITS)


LIMITS = (
    "The bounds are on the expected gap of a 0–1 loss. With H(Y) = log 2 the bound without assumptions lies above ½ "
    "everywhere. So it is no surprise that it holds: it is the only one of the three that does, but it is not useful.",
    "One data set, and a linear encoder that was fitted to other images. An encoder that learns from the same sample "
    "has more information about it, and none of these bounds then applies.",
    "I(S; W) itself is not measured. Where the gap lies above √(2σ_ℓ²B/n), the assumption I(S; W) ≤ B is false. Where "
    "it lies below, the assumption need not be true.",
    "Gaps beyond a bound are searched in the worst of all cells of noise and sample size, with the level of the "
    "interval raised for the number of cells (Bonferroni). For the other findings each interval stands alone.",
)


# ---------------------------------------------------------------------------------------------- what it says


def _bounds(study: Generalisation, parts: dict[str, Array]) -> dict[str, Array]:
    """Each bound as an array (seeds, noises, samples), from B and H(Y) of each split."""
    found: dict[str, Array] = {}
    for seed, row in enumerate(parts["bound"]):
        for s, b in enumerate(row):
            for k, n in enumerate(study.samples):
                for name, bound in gap_bounds(b, n, label_entropy=float(parts["labels"][seed])).items():
                    values = found.setdefault(name, np.zeros((study.seeds, len(study.noises), len(study.samples))))
                    values[seed, s, k] = bound.value
    return found


def _worst(study: Generalisation, excess: Array) -> tuple[Estimate, str]:
    """The cell of noise and sample size with the largest mean over seeds of `excess` (seeds, noises, samples).

    Returns the mean there, with an interval corrected for the number of cells, and the name of the cell.
    """
    s, k = np.unravel_index(int(excess.mean(axis=0).argmax()), excess.shape[1:])
    level = 1 - (1 - LEVEL) / excess[0].size
    return t_interval(excess[:, s, k], level), f"σ = {study.noises[s]:g} and n = {study.samples[k]}"


def _findings(study: Generalisation, parts: dict[str, Array]) -> tuple[Finding, ...]:
    bounds, gap = _bounds(study, parts), parts["gap"]
    spare = parts["bound"] - parts["information"]
    tightest = int(spare.mean(axis=0).argmin())
    rows = [
        Finding.within(
            "B − I(X; Z) in nats: is B above the information, at every noise?",
            t_interval(spare[:, tightest], 1 - (1 - LEVEL) / len(study.noises)), -PRECISION, math.inf,
            remark=f"At the noise where they are closest, σ = {study.noises[tightest]:g}; the criterion leaves "
            f"{PRECISION:g} nats to the Monte Carlo value of I(X; Z).",
        )
    ]  # fmt: skip
    words = {"logistic": "logistic regression", "neighbour": "1-nearest neighbour", "memorised": "random labels"}
    every = (gap - bounds["labelled"][:, None]).max(axis=1)
    excess, cell = _worst(study, every)
    rows.append(
        Finding.within(
            "Gap less √(2σ_ℓ²(B + H(Y))), which assumes nothing more: does it hold for every decoder?",
            excess, -math.inf, 0.0, remark=f"In the worst cell, {cell}, of the decoder with the largest excess.",
        )
    )  # fmt: skip
    for d, name in enumerate(DECODERS):
        excess, cell = _worst(study, gap[:, d] - bounds["assumed"])
        rows.append(
            Finding.within(
                f"Gap less √(2σ_ℓ²B/n), which assumes I(S; W) ≤ B: does it hold for {words[name]}?",
                excess, -math.inf, 0.0, remark=f"In the worst cell, {cell}."
                + (" The counterexample: it was built to fail." if name == "memorised" else ""),
            )
        )  # fmt: skip
    memorised, last = gap[:, DECODERS.index("memorised")], len(study.samples) - 1
    rows.append(
        Finding.covers(
            "Gap of random labels, memorised by the nearest neighbour",
            t_interval(memorised[:, :, last].mean(axis=1)), 0.5, 0.03,
            f"Mean over the noises at n = {study.samples[last]}; test labels cannot be predicted.",
        )
    )  # fmt: skip
    excess, cell = _worst(study, memorised - bounds["unlabelled"])
    rows.append(
        Finding.within(
            "Gap less √(2σ_ℓ²B), data processing without labels: does it hold for random labels?",
            excess, -math.inf, 0.0,
            remark=f"In the worst cell, {cell}. The decoder learned labels that Z knows nothing of.",
        )
    )  # fmt: skip
    for d in range(2):
        rank = [_rank(parts["bound"][seed], gap[seed, d].mean(axis=1)) for seed in range(study.seeds)]
        rows.append(
            above_zero(
                f"Rank correlation of B with the gap over the noises, {words[DECODERS[d]]}: do they fall together?",
                t_interval(rank),
                "Spearman's, of the gaps averaged over n, split by split.",
            )
        )
    return tuple(rows)


def _rank(a: Array, b: Array) -> float:
    """Spearman's rank correlation, 0 where one of the two does not vary."""
    return float(stats.spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _table(study: Generalisation, parts: dict[str, Array]) -> Table:
    bounds = _bounds(study, parts)
    columns = ["σ", "n", "B", "I(X; Z)", *(f"bound, {name}" for name in bounds)]
    columns += [text for name in DECODERS for text in (f"gap, {name}", f"± {name}")] + ["test error, logistic"]
    rows: list[list[Any]] = []
    for s, sigma in enumerate(study.noises):
        for k, n in enumerate(study.samples):
            row = [sigma, n, parts["bound"][:, s].mean(), parts["information"][:, s].mean()]
            row += [values[:, s, k].mean() for values in bounds.values()]
            for d in range(len(DECODERS)):
                found = t_interval(parts["gap"][:, d, s, k])
                row += [found.value, found.half_width]
            rows.append([*row, parts["error"][:, 0, s, k].mean()])
    text = (
        "Means over the splits with half-widths of 95 % intervals. Assumptions: " + "; ".join(
            f"{name}: {bound.assumption}" for name, bound in gap_bounds(1.0, 1, label_entropy=1.0).items()
        ) + ". Information in nats; errors are fractions."
    )  # fmt: skip
    return Table("gaps", "Every noise and sample size", tuple(columns), rows, text)


def _gaps(study: Generalisation, parts: dict[str, Array]) -> Figure:
    figure, axes = canvas(1, 3, share=True)
    bounds = _bounds(study, parts)
    titles = ("logistic regression", "1-nearest neighbour", "random labels, 1-nearest neighbour")
    for d, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        for k, n in enumerate(study.samples):
            _with_interval(axis, study, parts["gap"][:, d, :, k], CYCLE[k % len(CYCLE)], f"gap, n = {n}")
            line = bounds["assumed"][:, :, k].mean(axis=0)
            axis.plot(study.noises, line, color=CYCLE[k % len(CYCLE)], lw=1.2, ls="--")
        axis.plot(study.noises, bounds["unlabelled"][:, :, 0].mean(axis=0), color=MUTED, lw=1.2, ls=":")
        _noise_axis(axis, study)
        axis.set_ylim(-0.03, 1.0)
        axis.tick_params(labelleft=True)  # on a phone each panel stands alone
        axis.set_title(title, fontsize=9.5)
        finish(axis, "test error − training error" if d == 0 else "", "noise σ", legend=d == 0)
    return Figure(
        "gaps",
        "Gaps and bounds",
        "Points: measured gap with 95 % intervals over the splits, by the number n of images learned from. Dashed, in "
        "the same colour: √(2σ_ℓ²B/n), which assumes I(S; W) ≤ B. A point above its dashed line shows that the "
        "assumption is false. Dotted: √(2σ_ℓ²B), data processing for weights that saw no labels. A gap is at most 1, "
        "so bounds above 1 say nothing.",
        figure,
    )


def _noise_axis(axis: Axes, study: Generalisation) -> None:
    """The σ of the study as the ticks of a logarithmic axis."""
    axis.set_xscale("log")
    axis.set_xticks(study.noises, [f"{sigma:g}" for sigma in study.noises])
    axis.set_xticks([], minor=True)


def _information(study: Generalisation, parts: dict[str, Array]) -> Figure:
    figure, (left, right) = canvas(1, 2)
    _with_interval(left, study, parts["bound"], BLUE, "B")
    _with_interval(left, study, parts["information"], ORANGE, "I(X; Z)")
    _noise_axis(left, study)
    log_scale(left, always=True)
    finish(left, "nats", "noise σ")
    for k, n in enumerate(study.samples):
        _with_interval(right, study, parts["error"][:, 0, :, k], CYCLE[k % len(CYCLE)], f"n = {n}")
    right.axhline(0.5, color=RED, lw=0.9, ls=":")
    _noise_axis(right, study)
    right.set_ylim(0, 0.6)
    finish(right, "test error, logistic regression", "noise σ")
    return Figure(
        "information",
        "What the representation knows",
        "Left: the bound B and the information itself, which cannot exceed the logarithm of the number of images. "
        "Right: how the test error grows with the noise; the dotted line is chance.",
        figure,
    )


def _with_interval(axis: Axes, study: Generalisation, values: Array, colour: str, label: str) -> None:
    """Draw the means over seeds of values (seeds, noises) with their intervals."""
    found = [t_interval(column) for column in values.T]
    reach = [estimate.half_width for estimate in found]
    means = [estimate.value for estimate in found]
    axis.errorbar(study.noises, means, reach, color=colour, label=label, lw=1.2, marker="o", ms=3.5, capsize=2)
