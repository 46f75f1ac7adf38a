"""The section See Also of the reference: what belongs together, for names whose docstring has no such section."""

from __future__ import annotations

import importlib
import inspect
from itertools import islice
from typing import Any

GROUPS = tuple(
    line.split()
    for line in """
DoubleWell Banana MullerBrown GaussianMixture LogisticPosterior Potential
Quadratic Potential solvers.ExponentialEuler
Potential from_function Quadratic
Interaction kernels.Kernel solvers.RandomBatch kernels.RadialKernel
MMD KSD SlicedWasserstein Wasserstein diagnostics.wasserstein
NetworkRisk Unit energies.TwoLayer estimators.MeanFieldClassifier estimators.MeanFieldRegressor data.load
LeastSquares energies.LinearisedLeastSquares solvers.AffineInvariant
from_function Potential energies.FunctionOf Functional
Ensemble solve Noise
Noise Ensemble solvers.Langevin
Status Solution solve
sweep solve benchmark
Shannon Blob LogDet solvers.Langevin solvers.Grid diagnostics.knn_entropy
LogDet LogVariance Variance CodingRate SpectralEntropy
Softmax LogDet SpectralEntropy diagnostics.force_report
HingeVariance Decorrelation LogVariance
Uniformity KoLeo Blob
KoLeo diagnostics.knn_entropy
Score Shannon Blob solvers.Langevin diagnostics.knn_entropy
Blob Power Shannon
solvers.Euler solvers.Heun solvers.RungeKutta4 solvers.BogackiShampine
solvers.Accelerated solvers.Euler solvers.Underdamped
solvers.Langevin solvers.LeimkuhlerMatthews solvers.Underdamped solvers.ExponentialEuler
solvers.AffineInvariant solvers.Langevin LeastSquares
solvers.Stein KSD solvers.Langevin
solvers.BirthDeath solvers.Langevin
solvers.JKO solvers.Euler solvers.BogackiShampine
solvers.Grid Shannon solvers.JKO
solvers.RandomBatch Interaction
solvers.by_name protocol.Solver
kernels.Gaussian kernels.Matern kernels.Laplace kernels.InverseMultiquadric
kernels.Log kernels.Riesz kernels.Newtonian
kernels.QuadraticKernel kernels.Linear kernels.Cosine
kernels.Morse kernels.KernelSum
kernels.RadialKernel kernels.Kernel
kernels.Kernel kernels.KernelSum Interaction
kernels.Exponential kernels.Kernel
domains.Ball domains.Box domains.PeriodicBox domains.Domain solve
drives.Schedule drives.Constant drives.Linear drives.Exponential drives.Cosine drives.Steps
drives.Piecewise drives.Steps drives.Warmup drives.Schedule
drives.Budget drives.Displacement drives.EvaluationCap
drives.Controller drives.Schedule diagnostics.force_report
drives.CVaR drives.EntropicRisk drives.MeanVariance energies.Aggregate
drives.LabelShift drives.CovariateShift drives.Swap
drives.Preferences drives.Swap
diagnostics.CollapseIndex diagnostics.collapse_of collapse_index
diagnostics.EffectiveSize diagnostics.ess diagnostics.chains
diagnostics.ForceReport diagnostics.force_report diagnostics.Span diagnostics.Thresholds
diagnostics.GapBound diagnostics.gap_bounds diagnostics.information_bound diagnostics.channel_information
diagnostics.Transport diagnostics.wasserstein diagnostics.bures
diagnostics.effective_rank diagnostics.gaussian_entropy diagnostics.knn_entropy
diagnostics.reference_alignment diagnostics.force_report
diagnostics.rates.DecayRate diagnostics.rates.decay_rate
diagnostics.rates.Certificate diagnostics.rates.bakry_emery diagnostics.rates.holley_stroock
diagnostics.rates.double_well_certificate diagnostics.rates.holley_stroock diagnostics.rates.Certificate
diagnostics.rates.relative_fisher diagnostics.rates.decay_rate
callbacks.CSV callbacks.TensorBoard callbacks.ForceLogger callbacks.Callback
callbacks.EarlyStopping callbacks.Progress callbacks.Callback
regularizers.ForceMonitor regularizers.Regularizer callbacks.ForceLogger diagnostics.force_report
data.load data.Dataset data.teacher_student
energies.CrossEntropy energies.Huber energies.Logistic energies.Squared energies.Loss NetworkRisk
energies.Mean energies.Aggregate drives.CVaR
energies.TwoLayer Unit NetworkRisk
energies.FunctionOf from_function
entropies.Entropy LogDet Functional
protocol.Solver protocol.Step protocol.State protocol.Dynamics protocol.Slope
protocol.remembered protocol.State
errors.WgfError errors.WgfWarning
""".strip().splitlines()
)
"""Names of `wgf`. Each has the others of its groups as its relatives."""
MOST = 6
EXAMPLES = {
    "wgf.diagnostics.ForceReport": """
>>> import wgf
>>> F, mu = wgf.Quadratic() - 0.5 * wgf.LogDet(), wgf.Ensemble.gaussian(50, 2, cov=4.0)
>>> report = wgf.diagnostics.force_report(wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.05, t_end=5.0))
>>> report.effective, report.c0 > 0.1, report.spans
(True, True, ())
""",
    "wgf.drives.Schedule": """
>>> import wgf
>>> class Wave(wgf.drives.Schedule):
...     def __call__(self, t):
...         return 1.0 + 0.5 * (t % 1.0)
>>> Wave()(0.5)
1.25
""",
}
"""Examples of names whose files are as long as a file may be."""


def named(name: str) -> Any:
    """The object of a full name, `wgf.kernels.Gaussian`; None where there is none."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return None


def relatives(name: str) -> list[str]:
    """The full names that belong to a name. Without a group they are the neighbours in its registry."""
    short = name.removeprefix("wgf.")
    found = [other for group in GROUPS if short in group for other in group if other != short]
    module, _, own = name.rpartition(".")
    if not found and module == "wgf.regularizers":
        return ["wgf.regularizers.Regularizer", f"wgf.{own}"]
    if not found and module == "wgf.errors":
        return ["wgf.errors.WgfError"]
    if not found:
        rooms = ("wgf.energies", "wgf.entropies") if module == "wgf" else (module,)
        registries = [getattr(importlib.import_module(room), "REGISTRY", {}) for room in rooms]
        family = next((list(registry) for registry in registries if own in registry), [])
        found = [f"{module}.{other}".removeprefix("wgf.") for other in family if other != own]
    return list(islice(dict.fromkeys(f"wgf.{other}" for other in found), MOST))


def section(name: str) -> list[str]:
    """The lines of See Also: each relative with the first line of its docstring."""
    found = relatives(name)
    if not found:
        return []
    lines = ["See Also", "--------"]
    for other in found:
        first = (inspect.getdoc(named(other)) or "").partition("\n")[0]
        lines.append(f"{other} : {first}")
    return [*lines, ""]


def completed(name: str, lines: list[str]) -> list[str]:
    """A docstring with the sections that it lacks."""
    if name in EXAMPLES and "Examples" not in lines:
        lines = [*lines, "", "Examples", "--------", *EXAMPLES[name].strip("\n").split("\n"), ""]
    if "See Also" in lines:
        return lines
    places = [lines.index(head) for head in ("Notes", "References", "Examples") if head in lines]
    at = min(places, default=len(lines))
    return [*lines[:at], *([""] if at == len(lines) else []), *section(name), *lines[at:]]
