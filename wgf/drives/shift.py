"""Distribution shift: inputs that move, classes that change their frequency, data that are exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ..energies import CrossEntropy, Logistic, NetworkRisk
from ..errors import ConfigError, ShapeError, WgfError, require_number, shown
from ..functional import Functional, View
from ..measure import ArrayLike, Ensemble, as_numbers, as_real
from ..measure.arrays import weight_rows
from ..ops import linalg, one_torch_thread
from .altered import AlteredRisk
from .events import Events
from .plain import require_plain
from .schedules import reached


class CovariateShift(AlteredRisk):
    """A network risk at inputs that move.

        R_t[μ] = (1/M) Σₘ ℓ(f_μ(zₘ + s(t)), yₘ),    or at transform(z, t) in place of z + s(t)

    First variation and gradient are those of the risk at the moved inputs. The targets stay.

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        The risk.
    displacement : float, array (D,) or (M, D), or callable of t that returns one
        s, in the units of the inputs.
    transform : callable (z (M, D), t) -> (M, D)
        Any other motion of the inputs, in torch. Give this or `displacement`.

    Raises
    ------
    ConfigError
        If both or none are given, or numbers are not finite.
    ShapeError
        If inputs of another shape result.

    See Also
    --------
    wgf.drives.LabelShift, wgf.drives.Swap

    Notes
    -----
    The law of the inputs shifts, and that of y given z as well unless `transform` keeps it. (Shimodaira calls the case
    where it stays covariate shift.) The change of F is booked as work.

    References
    ----------
    Shimodaira (2000), J. Stat. Plan. Inference 90.

    Examples
    --------
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
            raise ConfigError(f"CovariateShift(transform={shown(transform)}): wanted a callable (z, t) -> z.")
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
        shift = as_numbers("displacement", displacement).to(z)
        if shift.shape not in ((), z.shape[1:], z.shape):
            raise ShapeError(
                f"displacement of shape {tuple(shift.shape)}; wanted {tuple(z.shape[1:])} or {tuple(z.shape)}."
            )
        return shift


class LabelShift(AlteredRisk):
    """A network risk where classes have the frequencies π(t).

        R_t[μ] = Σₖ πₖ(t) E[ℓ | y = k]

    First variation and gradient are those of the risk with sample m weighted by π(yₘ) times its share of its class.

    Parameters
    ----------
    risk : NetworkRisk or AlteredRisk
        A risk of cross-entropy, or logistic with one label.
    priors : array (K,), or callable of t that returns one
        π ≥ 0 with sum one: of the classes 0..K−1, or for logistic targets of (no, yes).

    Raises
    ------
    ConfigError
        For a risk without classes, numbers that are no frequencies, or a class with πₖ > 0 that has no sample.
    ShapeError
        If there is not one frequency for each class.

    See Also
    --------
    wgf.drives.CovariateShift, wgf.drives.Swap

    Notes
    -----
    The law of the inputs within a class stays, and minibatches remain unbiased. The change of F is booked as work.

    References
    ----------
    Saerens, Latinne & Decaestecker (2002), Neural Computation 14.

    Examples
    --------
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
            given = as_real("priors", self._priors(t) if callable(self._priors) else self._priors)
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
    """The class of each sample (M,), and the number of classes."""
    if isinstance(risk.loss, CrossEntropy):
        return risk.targets, risk.loss.encode(risk.targets)[1]
    if isinstance(risk.loss, Logistic) and risk.targets.shape[1] == 1:
        return (risk.targets[:, 0] > 0).long(), 2
    raise ConfigError(
        f"LabelShift of a risk with loss {type(risk.loss).__name__} and targets {tuple(risk.targets.shape)}; wanted "
        "one class for each sample (loss='cross_entropy', or 'logistic' with one label)."
    )


class Swap(Events):
    """A term that is exchanged for another at given times, such as the risk on one data set for that on another.

    F holds the last term whose time has come. An exchange takes place between steps, at the end of the first step that
    reaches its time: F jumps at the same particles, and the whole jump is work (docs/theory.md §4).

    Parameters
    ----------
    terms : iterable of (t, Functional)
        Increasing times of the run and the term from each on. The first must be there from the start of the run. Terms
        may have schedules. Entropies and controls are refused.
    continued : bool
        Allow times after t_end, for a run that will be continued by `state=`.

    Raises
    ------
    ConfigError
        If there are no terms, times do not increase or do not lie in the run, or a term is refused.

    See Also
    --------
    wgf.drives.LabelShift, wgf.drives.CovariateShift, wgf.drives.Preferences

    Notes
    -----
    A continued run remembers what was exchanged and accepts times that have passed. Outside a run `.at(t)` is the term
    in force at t. An entropy is exchanged by schedules of its temperature instead.

    Examples
    --------
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
            raise ConfigError(f"Swap({shown(terms)}): wanted pairs (t, term).") from error
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

    @property
    def members(self) -> tuple[Functional, ...]:
        """The terms, in the order of their times."""
        return self._members

    def __repr__(self) -> str:
        return f"Swap([{', '.join(f'({t:g}, {m!r})' for t, m in zip(self._times, self._members, strict=True))}])"

    def require(self, start: float, t_end: float, resumed: bool) -> None:
        """Refuse times outside the run. Times before the start are allowed in a continued run."""
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
        """The index of the last term whose time has come."""
        return max([k for k, when in enumerate(self._times) if reached(t, when)], default=0)

    def begin(self, mu: Ensemble, t: float) -> tuple[int, Ensemble]:
        """The index of the term in force, and the ensemble at the start, from which every term is resolved."""
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
