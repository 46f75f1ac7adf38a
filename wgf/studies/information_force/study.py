"""The study `information-force`: surrogates × temperatures × seeds, on neurons and on representations of digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import ConfigError, require_integer, require_number
from ..frame import Estimate, Finding, Outcome, Study, Work, above_zero
from ..frame.statistics import LEVEL, t_interval
from . import figures, tables
from .neurons import PARTICLES, train_neurons
from .representations import train_encoder
from .runs import SETTINGS, Runs
from .surrogates import LOG_DET, NONE, SURROGATES, TEST, Run

SOFTMAX = ("SoftmaxFeatures", "SoftmaxParticles")
LEAST = 1e-12
"""Smaller forces and variations are replaced by this number, so that they have a logarithm."""


@dataclass(frozen=True, kw_only=True)
class InformationForce(Study):
    """Train on digits with each surrogate entropy, and without entropy, and compare the information forces.

    There are two settings. "particles" is the flow of F = R + k/2 ∫|θ|² − T S[μ] by Heun. "representations" is Adam on
    cross-entropy + k/2 E|z|² − T S[z] of an encoder's outputs z. The surrogates differ in scale by orders of
    magnitude. To compare them fairly, T = r₀ ‖∇E‖/‖∇S‖ at the start: all begin with the same force ratio r₀.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed.
    ratios : tuple of float > 0
        The force ratios r₀ at the start, rising.
    neurons : int
        Neurons of the network, from 80 to 4096.
    train, test : int
        Numbers of training and of test images.
    dt, t_end : float > 0
        Time step and end of the flow, in flow time.
    steps : int ≥ 8
        Steps of Adam.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("information-force", quick=True)
    >>> study.seeds, study.ratios
    (3, (0.1, 1.0))
    """

    name: ClassVar[str] = "information-force"
    title: ClassVar[str] = "The information force of entropy surrogates"
    question: ClassVar[str] = (
        "Does log-determinant covariance exert a stronger and steadier information force than softmax-normalised "
        "entropy (Human-Centered Learning Mechanics, arXiv:2605.22940), and does a force that does not degenerate come "
        "with a higher effective rank and a better accuracy?"
    )

    seeds: int = 5
    ratios: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    neurons: int = 256
    train: int = 500
    test: int = TEST
    dt: float = 0.5
    t_end: float = 100.0
    steps: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        for ratio in self.ratios:
            require_number("ratios", ratio, positive=True)
        if not self.ratios or list(self.ratios) != sorted(set(self.ratios)):
            raise ConfigError(f"ratios = {self.ratios}: wanted different positive numbers, rising.")
        require_integer("neurons", self.neurons, low=80, high=4096)  # with more than 75 = dim θ, C has full rank
        require_integer("train", self.train, low=100, high=1000)
        require_integer("test", self.test, low=50, high=1400 - self.train)
        require_integer("steps", self.steps, low=8)
        for name in ("dt", "t_end"):
            require_number(name, getattr(self, name), positive=True)

    def quick(self) -> Study:
        return self.replace(seeds=3, ratios=(0.1, 1.0), neurons=96, train=150, test=300, t_end=5.0, steps=24)

    def run(self, work: Work | None = None) -> Outcome:
        runs = self.runs(work or Work())
        findings = [finding for setting in SETTINGS for finding in _findings(runs, setting)]
        drawn = (figures.forces(runs), figures.bounds(runs), figures.learned(runs))
        written = (tables.chosen(runs), *(tables.sweep(runs, setting) for setting in SETTINGS))
        return Outcome(tuple(findings), written, drawn, LIMITS)

    def runs(self, work: Work) -> Runs:
        """Do every run of the sweep, those without entropy first, because the others are compared with them."""
        places = [(setting, seed) for setting in SETTINGS for seed in self.seed_numbers]
        plain = work.each("runs without entropy", train_one, [(self, s, NONE, 0.0, seed, None) for s, seed in places])
        beside = dict(zip(places, plain, strict=True))
        tasks = [
            (self, setting, name, ratio, seed, beside[setting, seed])
            for setting, seed in places
            for name in SURROGATES
            for ratio in self.ratios
        ]
        every = [*plain, *work.each("runs with entropy", train_one, tasks)]
        return Runs(every, self.ratios, self.seed_numbers)


LIMITS = (
    "Digits, one hidden layer, a few hundred images and neurons, and a fixed time: the runs do not reach their "
    "equilibrium. Other data or deeper networks may order the surrogates differently.",
    "Surrogates are matched by the force ratio at the start. They do not stay matched, and that is what is measured. "
    "Another way of matching, such as at the end, would compare them at other temperatures. The sweep has all of them.",
    "Steadiness is the coefficient of variation of I over the whole run. A force that moves to a new constant value "
    "counts as unsteady. The tables also have the largest variation in a window of a quarter of the run.",
    "Misalignment is judged by the force of log-det, which is never misaligned with itself. So it is partly by "
    "definition that log-det degenerates less often. The remark has the share without misalignment.",
    "Where the closure in the tables is beyond 10 %, mostly at the strongest forces, the step does not resolve the "
    "flow. Those numbers are properties of the scheme.",
    "Runs with a degenerate and a non-degenerate force differ in surrogate and temperature. So a difference between "
    "them does not prove that the force is its cause.",
    "c₀ cannot exceed r₀, the common ratio at the start, so it shows only what a surrogate loses. The mean of log I/G "
    "over the run has no such limit and is therefore measured too.",
    "Softmax has temperature τ = 1, and the blob the median distance of the first particles as bandwidth; neither is "
    "tuned. The only tuned quantity is the temperature in the table of chosen runs, by the validation images.",
    "Every interval stands alone at 95 %: without any real difference, one finding in twenty would still be decided.",
)


def train_one(study: InformationForce, setting: str, name: str, ratio: float, seed: int, plain: Run | None) -> Run:
    """Do one run of the sweep. `plain` is the run of the same seed without entropy, for the collapse index."""
    if setting == PARTICLES:
        return train_neurons(name, ratio, seed, (study.neurons, study.train, study.test, study.dt, study.t_end), plain)
    return train_encoder(name, ratio, seed, (study.train, study.test, study.steps), plain)


# ---------------------------------------------------------------------------------------------- what it says


QUANTITIES = (
    # question, quantity, whether larger is better
    ("stronger: decades by which its least I/G, c₀, is higher", lambda run: run.c0, True),
    ("stronger: decades by which its I/G is higher on average", lambda run: run.typical, True),
    ("steadier: decades by which I varies less over the run", lambda run: run.varies, False),
)


def _findings(runs: Runs, setting: str) -> list[Finding]:
    found = []
    for rival in SOFTMAX:
        beside = f"On {setting}, beside {SURROGATES[rival]}, is log-det"
        for asked, quantity, more in QUANTITIES:
            pair = (LOG_DET, rival) if more else (rival, LOG_DET)
            measured = _decades(runs, setting, *pair, quantity)
            found.append(above_zero(f"{beside} {asked}", measured, "Paired by seed and r₀, averaged over r₀."))
        alone = _rarer(runs, setting, rival, lambda run: run.degenerate_alone)
        found.append(
            above_zero(
                f"{beside} less often degenerate: share of runs by which",
                _rarer(runs, setting, rival, lambda run: run.degenerate),
                "Over r₀; degenerate are runs without force, or weak, unstable, misaligned or collapsed for half of "
                f"the time. Without misalignment, which is judged by log-det itself, the difference is {alone}.",
            )
        )
    for words, measure in (("higher effective rank", _rank), ("better accuracy", _overall)):
        asked = f"On {setting}, does a non-degenerate force come with a {words}?"
        found.append(_contrast(runs, setting, asked, measure))
    plain = runs.chosen(setting, NONE)
    gained = [a.overall - b.overall for a, b in zip(runs.chosen(setting, LOG_DET), plain, strict=True)]
    found.append(
        above_zero(
            f"On {setting}, is log-det more accurate than no entropy?",
            t_interval(gained),
            "Mean of clean, noisy and shifted test images, at the temperature that validation images chose.",
        )
    )
    return found


def _rank(run: Run) -> float:
    return run.rank


def _overall(run: Run) -> float:
    return run.overall


def _rarer(runs: Runs, setting: str, rival: str, degenerate: Callable[[Run], bool]) -> Estimate:
    """(share of degenerate runs of a rival) − (that of log-det), over all r₀, with its interval over seeds."""

    def share(name: str, seed: int) -> float:
        return float(np.mean([degenerate(runs.at(setting, name, ratio, seed)) for ratio in runs.ratios]))

    return t_interval([share(rival, seed) - share(LOG_DET, seed) for seed in runs.seeds])


def _decades(runs: Runs, setting: str, above: str, below: str, quantity: Callable[[Run], float]) -> Estimate:
    """log₁₀ of the ratio of a quantity between two surrogates, averaged over r₀, with its interval over seeds."""

    def logs(name: str) -> np.ndarray:
        values = [[quantity(run) for run in runs.over(setting, name, ratio)] for ratio in runs.ratios]
        return np.log10(np.maximum(np.array(values), LEAST))  # NaN stays NaN

    return t_interval(np.nanmean(logs(above) - logs(below), axis=0))


def _contrast(runs: Runs, setting: str, asked: str, quantity: Callable[[Run], float]) -> Finding:
    """Mean over the runs with a non-degenerate force minus the mean over the others, with its interval over seeds."""
    differences, counts = [], []
    for seed in runs.seeds:
        here = [run for run in runs.all if run.setting == setting and run.seed == seed]
        values = {flag: [quantity(run) for run in here if run.degenerate is flag] for flag in (True, False)}
        counts.append(len(values[False]))
        if values[True] and values[False]:
            differences.append(float(np.mean(values[False]) - np.mean(values[True])))
    total = len(runs.all) // (len(SETTINGS) * len(runs.seeds))
    few, many = min(counts), max(counts)
    share = f"{few}" if few == many else f"{few} to {many}"
    remark = f"{share} of the {total} runs of a seed are non-degenerate."
    if len(differences) < 2:
        nothing = Estimate(math.nan, math.nan, math.nan, LEVEL, "no seed has runs of both kinds")
        return above_zero(asked, nothing, remark)
    return above_zero(asked, t_interval(differences), f"Difference of means. {remark}")
