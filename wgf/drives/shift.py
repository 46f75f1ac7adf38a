"""Distribution shift: data that are exchanged, inputs that move, classes that become more or less frequent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ..energies import CrossEntropy, Logistic, NetworkRisk
from ..errors import ConfigError, ShapeError, WgfError, require_number
from ..functional import Functional, View
from ..measure import ArrayLike, Ensemble, to_tensor
from ..measure.arrays import weight_rows
from ..ops import linalg, one_torch_thread
from .altered import AlteredRisk
from .events import Events
from .plain import require_plain
from .schedules import reached


class CovariateShift(AlteredRisk):
    """The risk at inputs that move: R_t[μ] = (1/M) Σ ℓ(f_μ(z_m + s(t)), y_m), or at transform(z, t).

    `displacement` s is a number, (D,) or (M, D), or a callable of t that returns one, in the units of the inputs;
    `transform(z, t)` maps all inputs (M, D) to as many others, in torch. Give one of them. The targets stay:
    the law of the inputs shifts, that of y given z as well unless transform keeps it (Shimodaira 2000, J. Stat.
    Plan. Inference 90, who calls the former covariate shift). What the shift does to F is booked as work.
    Raises ConfigError, ShapeError where a displacement does not fit.

    >>> import wgf
    >>> risk = wgf.NetworkRisk([[1.0], [3.0]], [0.0, 0.0], unit=wgf.Unit(lambda z, theta: theta @ z, dim=1))
    >>> shifted = wgf.drives.CovariateShift(risk, lambda t: [-t])
    >>> shifted.at(1.0).inputs.flatten().tolist()
    [0.0, 2.0]
    """

    def __init__(
        self,
        risk: NetworkRisk | AlteredRisk,
        displacement: ArrayLike | Callable[[float], ArrayLike] | None = None,
        *,
        transform: Callable[[Tensor, float], ArrayLike] | None = None,
    ) -> None:
        super().__init__(risk)
        if (displacement is None) == (transform is None):
            raise ConfigError("CovariateShift: wanted a displacement or transform=, and one of them only.")
        if transform is not None and not callable(transform):
            raise ConfigError(f"CovariateShift(transform={transform!r}): wanted a callable (z, t) -> z.")
        self._displacement, self._transform = displacement, transform
        if not self.varies:
            _ = self._still

    @property
    def _driven(self) -> bool:
        return self._transform is not None or callable(self._displacement)

    def _altered(self, risk: NetworkRisk, t: float) -> NetworkRisk:
        try:
            with one_torch_thread():
                if self._transform is not None:
                    return risk.with_inputs(self._transform(risk.inputs.clone(), t))
                shift = self._displacement(t) if callable(self._displacement) else self._displacement
                return risk.with_inputs(risk.inputs + self._fit(shift, risk.inputs))
        except WgfError as error:
            raise type(error)(f"CovariateShift at t = {t:g}: {error}") from error

    @staticmethod
    def _fit(displacement: ArrayLike, z: Tensor) -> Tensor:
        try:
            shift = to_tensor(displacement).to(z)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ConfigError(f"displacement = {displacement!r}: wanted numbers.") from error
        if shift.shape not in ((), z.shape[1:], z.shape):
            raise ShapeError(
                f"displacement of shape {tuple(shift.shape)}; wanted {tuple(z.shape[1:])} or {tuple(z.shape)}."
            )
        return shift


class LabelShift(AlteredRisk):
    """The risk when classes have the frequencies π(t): R_t[μ] = Σₖ πₖ(t) E[ℓ | y = k] (Saerens et al. 2002).

    `priors` π (K,) ≥ 0 sum to one, or a callable of t that returns them: for cross-entropy the classes 0..K−1, for
    logistic targets (no, yes). Sample m counts by π(y_m) times its share of its class, so inputs given the class
    keep their law, and minibatches remain unbiased. What the shift does to F is booked as work.
    ConfigError for a risk without classes, or a class with πₖ > 0 of which there is no sample.

    >>> import wgf
    >>> risk = wgf.NetworkRisk([[1.0], [1.0], [2.0]], [0, 0, 1], loss="cross_entropy")
    >>> wgf.drives.LabelShift(risk, [0.2, 0.8]).at(0.0).law.tolist()
    [0.1, 0.1, 0.8]
    """

    def __init__(self, risk: NetworkRisk | AlteredRisk, priors: ArrayLike | Callable[[float], ArrayLike]) -> None:
        super().__init__(risk)
        self._labels, self._classes = _labels(self.base)
        self._priors = priors
        if not self.varies:
            _ = self._still

    @property
    def _driven(self) -> bool:
        return callable(self._priors)

    def _altered(self, risk: NetworkRisk, t: float) -> NetworkRisk:
        try:
            given = to_tensor(self._priors(t) if callable(self._priors) else self._priors)
            if given.shape != (self._classes,):
                raise ShapeError(f"shape {tuple(given.shape)}; wanted ({self._classes},), one for each class.")
            priors = weight_rows(given, self._classes, copy=False)
            members = torch.nn.functional.one_hot(self._labels, self._classes).double()
            share = linalg.product(members.T.contiguous(), risk.law[:, None])[:, 0]
            absent = torch.nonzero((share == 0) & (priors.to(share) > 0))
            if len(absent):
                k = int(absent[0])
                raise ConfigError(f"class {k} has the frequency {float(priors[k]):g}, and there is no sample of it.")
            ratio = torch.where(share > 0, priors.to(share) / share, torch.zeros_like(share))
            return risk.with_law(risk.law * ratio[self._labels])
        except WgfError as error:
            raise type(error)(f"LabelShift: priors at t = {t:g}: {error}") from error


def _labels(risk: NetworkRisk) -> tuple[Tensor, int]:
    """The class of each sample (M,) and how many classes there are."""
    if isinstance(risk.loss, CrossEntropy):
        return risk.targets, max(2, int(risk.targets.max()) + 1)
    if isinstance(risk.loss, Logistic) and risk.targets.shape[1] == 1:
        return (risk.targets[:, 0] > 0).long(), 2
    raise ConfigError(
        f"LabelShift of a risk with loss {type(risk.loss).__name__} and targets {tuple(risk.targets.shape)}; wanted "
        "one class for each sample (loss='cross_entropy', or 'logistic' with one label)."
    )


class Swap(Events):
    """A term exchanged for another at given times: F holds the last term whose time has come.

    `terms` are pairs (t, term) in order; the first is there from the start of the run. An exchange takes place between
    steps, at the end of the first step that reaches its time: F jumps at the same particles and all of the jump is work
    (docs/theory.md §4). Terms with schedules of their own are welcome, entropies and controls are not.

    Every time must lie in the run: ConfigError otherwise. For a run in pieces, say `continued=True`, which allows times
    after t_end; a run that goes on by `state=` remembers what was exchanged and accepts times that have passed. Outside
    a run, `.at(t)` is the term in force at t.

    >>> import wgf
    >>> F = wgf.drives.Swap([(0.0, wgf.Quadratic()), (0.5, wgf.Quadratic(center=1.0))])
    >>> mu = wgf.Ensemble([[2.0]])
    >>> wgf.solve(F, mu, wgf.solvers.Heun(), dt=0.01, t_end=1.0, record_every=50).ledger["work"].round(3).tolist()
    [0.0, -0.713, 0.0]
    """

    def __init__(self, terms: Iterable[tuple[float, Functional]], *, continued: bool = False) -> None:
        try:
            pairs = [(when, term) for when, term in terms]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"Swap({terms!r}): wanted pairs (t, term).") from error
        if not pairs:
            raise ConfigError("Swap: no terms; wanted pairs (t, term), the first from the start of the run.")
        self._times = tuple(require_number("Swap time", when) for when, _ in pairs)
        if list(self._times) != sorted(set(self._times)):
            raise ConfigError(f"Swap: times {', '.join(f'{t:g}' for t in self._times)}; wanted increasing times.")
        self._members = tuple(require_plain(f"Swap at t = {when:g}", term) for when, term in pairs)
        for member in self._members:
            if member.is_entropy:
                raise ConfigError(
                    f"Swap: {member.name} is an entropy, which counts by its temperature; wanted energies. "
                    "Exchange entropies by schedules: - Steps([(0, T), (5, 0)]) * S."
                )
        self._continued = continued

    def __repr__(self) -> str:
        return f"Swap([{', '.join(f'({t:g}, {m!r})' for t, m in zip(self._times, self._members, strict=True))}])"

    def require(self, start: float, t_end: float, resumed: bool) -> None:
        """Every exchange lies between the start and t_end; what lies before the start is for runs that go on."""
        if not reached(start, self._times[0]):
            raise ConfigError(
                f"Swap: the first term is there from t = {self._times[0]:g}, the run starts at t = {start:g}; wanted a "
                "term from the start."
            )
        passed = [when for when in self._times[1:] if reached(start, when)]
        if passed and not resumed:
            raise ConfigError(
                f"Swap at t = {passed[-1]:g}: the run starts at t = {start:g}, which is later; wanted times within the "
                "run. Leave out the terms before it, or go on from a state by state=."
            )
        self._require_before("Swap", self._times[-1], t_end)

    def _index(self, t: float) -> int:
        return max([k for k, when in enumerate(self._times) if reached(t, when)], default=0)

    def begin(self, mu: Ensemble, t: float) -> tuple[int, Ensemble]:
        """Which term is in force, and the start of the run, from which the rules of all terms are settled."""
        return self._index(t), mu

    def advance(self, memory: tuple[int, Ensemble], view: View, h: float) -> tuple[int, Ensemble]:
        index = max(memory[0], self._index(view.t))
        return memory if index == memory[0] else (index, memory[1])

    def resolve(self, memory: tuple[int, Ensemble]) -> Functional:
        return self._members[memory[0]].prepare(memory[1])

    @property
    def varies(self) -> bool:
        return True

    def at(self, t: float) -> Functional:
        return self._members[self._index(t)].at(t)
