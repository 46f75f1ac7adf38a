"""The study `scaling`: how the residual risk falls with neurons, samples and steps, and what predicts the exponent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import ConfigError, require_integer, require_number
from ..frame import Finding, Outcome, Study, Verdict, Work
from ..frame.statistics import resampled, t_interval
from . import figures as scaling_figures
from . import tables as scaling_tables
from .laws import FEWEST, LawFit, compare_laws
from .stock import Task, train
from .sweep import RESOURCES, Exponents, Sweep, foretell, interval


@dataclass(frozen=True, kw_only=True)
class Scaling(Study):
    """Train students of one teacher network, vary one resource at a time, and fit scaling laws to the residual risk.

    The resources are neurons, samples and steps. The other two stay at the base: `base_neurons`, `base_samples` and
    the last number of steps. A student follows the flow of F = R + k/2 ∫|θ|². A seed draws the samples and the first
    neurons; the teacher is the same for all seeds.

    Parameters
    ----------
    seeds, first_seed : int
        Number of replicas and the first seed.
    neurons, samples, steps : tuple of int
        The sizes of each resource, rising, at least four.
    base_neurons, base_samples : int
        Neurons and samples where another resource is varied.
    dim, teacher : int
        Dimension of the inputs and hidden neurons of the teacher.
    noise : float > 0
        Standard deviation of the noise of the targets.
    confinement : float > 0
        k, the weight decay, in units of 1/t.
    dt : float > 0
        Length of a step, in flow time.
    copies : int ≥ 20
        Bootstrap copies of the seeds, for the intervals of the fits.

    See Also
    --------
    wgf.studies.run, wgf.studies.load, wgf.studies.Study

    Examples
    --------
    >>> import wgf
    >>> study = wgf.studies.load("scaling", quick=True)
    >>> study.seeds, study.steps
    (4, (4, 8, 16, 32, 64))
    """

    name: ClassVar[str] = "scaling"
    title: ClassVar[str] = "Scaling laws and the balance of information"
    question: ClassVar[str] = (
        "Does the residual risk fall with neurons, samples and steps by a power law to an offset, and does the balance "
        "of injected and dissipated information predict the exponent?"
    )

    seeds: int = 8
    neurons: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    samples: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    steps: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    base_neurons: int = 128
    base_samples: int = 512
    dim: int = 6
    teacher: int = 8
    noise: float = 0.1
    confinement: float = 3e-3
    dt: float = 1.0
    copies: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in RESOURCES:
            sizes = getattr(self, name)
            for size in sizes:
                require_integer(name, size, low=1)
            if len(sizes) < FEWEST or list(sizes) != sorted(set(sizes)):
                raise ConfigError(
                    f"{name} = {sizes}: wanted at least {FEWEST} different sizes, rising: a law with an offset has "
                    "three parameters, and one size must be left to judge it by."
                )
        for name in ("base_neurons", "base_samples", "dim", "teacher"):
            require_integer(name, getattr(self, name), low=1)
        require_integer("copies", self.copies, low=20)
        for name in ("noise", "confinement", "dt"):
            require_number(name, getattr(self, name), positive=True)

    def quick(self) -> Study:
        few = {"neurons": (2, 4, 8, 16, 32), "samples": (16, 32, 64, 128, 256), "steps": (4, 8, 16, 32, 64)}
        return self.replace(seeds=4, base_neurons=32, base_samples=128, copies=60, **few)

    @property
    def task(self) -> Task:
        """The regression task of all students."""
        pool = 4 * max(self.base_samples, *self.samples)
        return Task(self.dim, self.teacher, self.noise, self.confinement, self.dt, pool)

    def run(self, work: Work | None = None) -> Outcome:
        sweeps = self.sweeps(work or Work())
        fits = {name: compare_laws(sweep.sizes, list(sweep.residual)) for name, sweep in sweeps.items()}
        exponents = {name: foretell(sweeps, name, self.copies) for name in RESOURCES}
        tables = scaling_tables.tables(sweeps, fits, exponents, self.copies)
        figures = (scaling_figures.laws(sweeps, fits), scaling_figures.stocks(sweeps))
        return Outcome(_findings(sweeps, fits, exponents, self.copies), tables, figures, LIMITS)

    def sweeps(self, work: Work) -> dict[str, Sweep]:
        """Do the sweep over each resource. A student that belongs to several sweeps is trained once."""
        last = self.steps[-1:]
        plans = {(n, self.base_samples): last for n in self.neurons} | {
            (self.base_neurons, m): last for m in self.samples
        }
        plans[self.base_neurons, self.base_samples] = self.steps
        keys = [(plan, seed) for plan in plans for seed in self.seed_numbers]
        done = work.each("students", train, [(self.task, *plan, seed, plans[plan]) for plan, seed in keys])
        runs = dict(zip(keys, done, strict=True))
        places = {
            "neurons": [((n, self.base_samples), -1) for n in self.neurons],
            "samples": [((self.base_neurons, m), -1) for m in self.samples],
            "steps": [((self.base_neurons, self.base_samples), k) for k in range(len(self.steps))],
        }
        found = {}
        for name in RESOURCES:
            rows = [[runs[plan, seed][k] for seed in self.seed_numbers] for plan, k in places[name]]
            found[name] = Sweep.of(name, getattr(self, name), rows)
        return found


LIMITS = (
    "One teacher, one kind of student, and less than three decades of each resource. An exponent from so short a range "
    "depends on the range and on the fitted offset.",
    "The stock is one choice: the information gain of the Gaussian process with the network's own kernel, at the "
    "training inputs. Another stock has another injection and another exponent.",
    "The prediction assumes R − R∞ = c I^{−β} with the same β for all resources, and I = J/γ; β comes from another "
    "sweep. Agreement is consistent with a balance of information, but does not derive the power law from it.",
    "The fits weight the sizes by the standard errors of the means, as if the sizes were independent. They are not: "
    "the steps are points of the same runs, and all sizes share their seeds. The intervals respect this, because whole "
    "seeds are resampled; the weights do not.",
    "Runs stop at a given number of steps and need not be in balance there. A finding says whether they are.",
)


# ---------------------------------------------------------------------------------------------- a sweep


# ---------------------------------------------------------------------------------------------- what it says


def _findings(
    sweeps: dict[str, Sweep], fits: dict[str, dict[str, LawFit]], exponents: dict[str, Exponents], copies: int
) -> tuple[Finding, ...]:
    found = []
    for name, sweep in sweeps.items():
        drawn = [block.mean(axis=-1) for block in resampled(list(sweep.residual), copies, seed=2, paired=True)]
        gains = np.array([sweep.advantage(copy) for copy in np.stack(drawn, axis=1)])
        method = f"bootstrap over {sweep.residual.shape[1]} seeds"
        gain = interval(sweep.advantage(sweep.residual.mean(axis=1)), gains, method, "there are too few sizes for AICc")
        power, freedom = fits[name]["power"], len(sweep.sizes) - 3
        found.append(
            Finding.within(
                f"{name}: is a power law with an offset better than an exponential and a logarithm (AICc)?",
                gain, 2.0, math.inf,
                remark="A difference of 2 is weak evidence, of 10 strong. The better law need not be a good one: the "
                f"power law has χ² = {power.chi_square:.1f} for {freedom} degrees of freedom.",
            )
        )  # fmt: skip
    parts = [(s.injection - s.rate) / (s.dissipation * s.stock) - 1 for s in sweeps.values()]
    found.append(
        Finding.within(
            "Do J and γ, measured apart, add up to dI/dt: (J − γI − dI/dt)/(γI)",
            t_interval(np.concatenate(parts).mean(axis=0)), -0.05, 0.05, 0.0,
            "Mean over all sizes of all sweeps, seed by seed.",
        )
    )  # fmt: skip
    ends = np.concatenate([s.balanced / s.stock for name, s in sweeps.items() if name != "steps"])
    found.append(
        Finding.within(
            "Is the stock in balance at the end: J/(γI)", t_interval(ends.mean(axis=0)), 0.9, 1.1, 1.0,
            "Mean over the sizes of neurons and samples, seed by seed.",
        )
    )  # fmt: skip
    for name, e in exponents.items():
        asked = f"{name}: exponent fitted less the one foretold, with β from the sweep over {e.calibration}"
        remark = f"Fitted {e.fitted}, predicted {e.foretold}."
        if math.isnan(e.difference.value):
            found.append(Finding(asked, e.difference, Verdict.UNDECIDED, "the interval holds 0", 0.0, remark))
            continue
        consistent = Finding.covers(asked, e.difference, 0.0, 0.25, remark)
        word = {Verdict.SUPPORTED: "Consistent with the balance", Verdict.CONTRADICTED: "Not consistent with it"}
        said = word.get(consistent.verdict, "Too wide to say")
        found.append(Finding(asked, e.difference, consistent.verdict, consistent.criterion, 0.0, f"{remark} {said}."))
    return tuple(found)
