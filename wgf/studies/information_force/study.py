"""The study `information-force`: surrogates × temperatures × seeds, with labels and without, on two data sets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ...errors import ConfigError, closest, require_integer, require_number
from ..frame import Outcome, Study, Work
from . import figures, tables
from .criteria import CLAIMS, SHARE, judged
from .matching import at_dissipation, first_guess
from .neurons import NEURONS, train_neurons
from .representations import VIEWS, train_encoder
from .runs import SETTINGS, Runs, data_of, task_of
from .surrogates import NONE, SURROGATES, Run


@dataclass(frozen=True, kw_only=True)
class InformationForce(Study):
    """Train with each surrogate entropy, and without entropy, and compare the information forces and what is learned.

    There are three tasks, each on digits and on the breast-cancer table. "neurons" is the flow of
    F = R + k/2 ∫|θ|² − T S[μ] by Heun. "representations" is Adam on cross-entropy + k/2 E|z|² − T S[z] of an encoder's
    outputs z. "two views" has no labels: ½ E|z − z'|² takes the place of the cross-entropy. The surrogates differ in
    scale by orders of magnitude. To compare them fairly, T = r₀ ‖∇E‖/‖∇S‖ at the start: all begin with the same force
    ratio r₀. And once more at matched dissipation, where T is searched such that ∫I² dt is the same.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed.
    places : tuple of str
        The settings, such as "two views, digits"; by default all six.
    surrogates : tuple of str
        The surrogates; by default all that are registered.
    ratios : tuple of float > 0
        The force ratios r₀ at the start, rising.
    share : float > 0
        The level of matched dissipation: ∫I² dt in units of ∫G² dt of the run without entropy.
    tries : int ≥ 1
        The most runs in the search for it.
    neurons : int
        Neurons of the network, from 80 to 4096.
    train, test : int
        The most training and test samples. The table has 200 and 219 at most.
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
        "Is an entropy useful only when its surrogate exerts a force that does not degenerate, and does "
        "log-determinant covariance exert a stronger and steadier one than softmax-normalised entropy "
        "(Human-Centered Learning Mechanics, arXiv:2605.22940)?"
    )

    seeds: int = 12
    places: tuple[str, ...] = SETTINGS
    surrogates: tuple[str, ...] = tuple(SURROGATES)
    ratios: tuple[float, ...] = (1e-2, 1e-1, 1.0, 10.0)
    share: float = SHARE
    tries: int = 2
    neurons: int = 128
    train: int = 400
    test: int = 900
    dt: float = 0.5
    t_end: float = 60.0
    steps: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        for ratio in self.ratios:
            require_number("ratios", ratio, positive=True)
        if not self.ratios or list(self.ratios) != sorted(set(self.ratios)):
            raise ConfigError(f"ratios = {self.ratios}: wanted different positive numbers, rising.")
        for name, given, known in (("places", self.places, SETTINGS), ("surrogates", self.surrogates, SURROGATES)):
            for one in given:
                if one not in known:
                    raise ConfigError(f"{name}: {one!r}{closest(str(one), list(known))}")
            if not given or len(set(given)) < len(given):
                raise ConfigError(f"{name} = {given}: wanted different ones, one at least.")
        require_number("share", self.share, positive=True)
        require_integer("tries", self.tries, low=1)
        require_integer("neurons", self.neurons, low=80, high=4096)  # with more than 75 = dim θ, C has full rank
        require_integer("train", self.train, low=100, high=1000)
        require_integer("test", self.test, low=50, high=1400 - self.train)
        require_integer("steps", self.steps, low=8)
        for name in ("dt", "t_end"):
            require_number(name, getattr(self, name), positive=True)

    def quick(self) -> Study:
        return self.replace(
            seeds=3, ratios=(0.1, 1.0), tries=1, neurons=80, train=120, test=200, t_end=4.0, steps=16
        )  # fmt: skip

    def run(self, work: Work | None = None) -> Outcome:
        runs = self.runs(work or Work())
        findings = tuple(judged(claim, runs) for claim in CLAIMS if claim.settings(runs))
        drawn = [figures.forces(runs), figures.degenerate(runs), figures.bounds(runs)]
        if figures.views(runs):
            drawn.insert(1, figures.collapse(runs))
        first, *written = tables.opening(runs), tables.claims(runs), *tables.accuracy(runs), tables.references(runs)
        sweeps = [tables.sweep(runs, setting) for setting in runs.settings]
        return Outcome(findings, (first, *written, *sweeps), tuple(drawn), LIMITS)

    def runs(self, work: Work) -> Runs:
        """Do every run: first those without entropy, which the others are compared with; matched dissipation last."""
        places = [(setting, seed) for seed in self.seed_numbers for setting in self.places]
        tasks = [(self, setting, NONE, 0.0, seed, None) for setting, seed in places]
        plain = dict(zip(places, work.each("runs without entropy", train_one, tasks), strict=True))
        cells = [(setting, name, seed) for setting, seed in places for name in self.surrogates]
        sweep = work.each("runs with entropy", train_one, [
            (self, setting, name, ratio, seed, plain[setting, seed])
            for setting, name, seed in cells for ratio in self.ratios
        ])  # fmt: skip
        width = len(self.ratios)
        guesses = [
            first_guess(sweep[k * width : (k + 1) * width], self.share * plain[setting, seed].released)
            for k, (setting, _, seed) in enumerate(cells)
        ]
        searched = work.each("runs at matched dissipation", train_matched, [
            (self, setting, name, guess, seed, plain[setting, seed])
            for (setting, name, seed), guess in zip(cells, guesses, strict=True)
        ])  # fmt: skip
        every = [*plain.values(), *sweep, *searched]
        return Runs(every, self.places, self.surrogates, self.ratios, self.share, self.seed_numbers)


LIMITS = (
    "Digits and one table, one hidden layer, a few hundred samples and neurons, and a fixed time: the runs do not "
    "reach their equilibrium. Other data, augmentations or deeper networks may order the surrogates differently.",
    "Two noisy views are the simplest of self-supervised tasks. Noise is the only augmentation, and the encoder has "
    "no projector and no normalisation.",
    "Surrogates are matched by the force ratio at the start, or by ∫I² dt over the run. Other ways of matching would "
    "compare them at other temperatures. Where a force switches off, as that of the hinge at its target, ∫I² dt may "
    "not reach its level; the tables have what was reached.",
    "The effective rank is free of scale: a cloud that shrinks to a point may keep it. The probe, whose ridge is fixed "
    "before training, and the spread in the tables see that.",
    "Under Adam time counts steps, and G² is not what the optimiser dissipates. There, ∫I² dt is a measure of effort.",
    "Steadiness is the coefficient of variation of I over the whole run. A force that moves to a new constant value "
    "counts as unsteady.",
    "A surrogate is misaligned where the median cosine with the references other than itself is negative. For log-det "
    "these are KoLeo and the spectral entropy; other references would judge otherwise, as the table of references "
    "shows.",
    "Where the closure in the tables is beyond 10 %, mostly at the strongest forces, the step does not resolve the "
    "flow. Those numbers are properties of the scheme. A run that diverges counts as degenerate.",
    "Runs with a degenerate and a non-degenerate force differ in the surrogate. So a difference between them at the "
    "same level does not prove that the force is its cause.",
    "c₀ cannot exceed r₀, the common ratio at the start, so it shows only what a surrogate loses. The mean of log I/G "
    "over the run has no such limit and is therefore measured too.",
    "Scales are set from the first particles and not tuned: the bandwidth of the blob, ε of the coding rate and t of "
    "uniformity. Softmax has τ = 1 and the hinge the target 1. Shannon entropy has no force on particles; the blob is "
    "its kernel estimate. Power entropies are left out: of order 2 they differ from uniformity by a logarithm.",
    "A run counts as useful by test samples, so noise of the test makes some runs useful by chance. That is why the "
    "criterion is nine in ten and not all.",
    "The intervals of different claims each stand alone at 95 %.",
)


def train_one(study: InformationForce, setting: str, name: str, ratio: float, seed: int, plain: Run | None) -> Run:
    """Do one run of the sweep. `plain` is the run of the same seed without entropy, for the collapse index."""
    return _train(study, setting, name, ratio, seed, plain, None)


def train_matched(study: InformationForce, setting: str, name: str, guess: float, seed: int, plain: Run) -> Run:
    """Do the run at matched dissipation. `guess` is the first temperature, 0 where no run has a force."""
    target = study.share * plain.released
    if guess == 0.0 or not math.isfinite(target):
        return _train(study, setting, name, study.share, seed, plain, 0.0)

    def train(temperature: float) -> Run:
        return _train(study, setting, name, study.share, seed, plain, temperature)

    return at_dissipation(train, target, guess, study.tries)


def _train(study: InformationForce, setting: str, name: str, matched: float, seed: int, plain: Run | None,
           temperature: float | None) -> Run:  # fmt: skip
    task, data = task_of(setting), data_of(setting)
    if task == NEURONS:
        sizes = (study.neurons, study.train, study.test, study.dt, study.t_end)
        return train_neurons(name, matched, seed, sizes, plain, data, temperature)
    sizes_of_encoder = (study.train, study.test, study.steps)
    return train_encoder(name, matched, seed, sizes_of_encoder, plain, data, temperature, task == VIEWS)
