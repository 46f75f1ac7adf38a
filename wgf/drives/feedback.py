"""Human feedback: preferences between pairs of items that arrive over time, as a Bradley–Terry likelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .. import ops
from ..energies import NetworkRisk
from ..energies.aggregates import Mean
from ..energies.two_layer import require_unit
from ..energies.units import NetworkUnit
from ..errors import ConfigError, ShapeError, require_integer, require_number, require_unmasked
from ..extension import Numbers, Pairs, Rows
from ..functional import Evaluation, Functional, View
from ..measure import ArrayLike, Ensemble, as_real, require_finite_rows, to_tensor
from .altered import AlteredRisk
from .events import Events
from .schedules import reached


class BradleyTerry(Functional):
    """The mean negative log-likelihood of P preferences (w over l) in the scores f_μ of a network.

        𝓕[μ] = −(1/P) Σ log σ((f_μ(z_w) − f_μ(z_l))/s)

    It is 0 where there are no preferences. `Preferences` makes one for what has arrived by a time.
    """

    integrates = True

    def __init__(self, unit: NetworkUnit, items: Tensor, pairs: Tensor, scale: float, output: int | None) -> None:
        self.unit, self.items, self.pairs, self.scale, self.output = unit, items, pairs, scale, output

    @property
    def name(self) -> str:
        return "Preferences"

    def __repr__(self) -> str:
        return f"Preferences({len(self.pairs)} pairs of {len(self.items)} items)"

    def _forward(self, mu: Ensemble) -> tuple[Tensor, int, Tensor]:
        """Outputs at the items (N, K), the index of the score among them, and the margins (P,) of the pairs."""
        items = self.items.to(mu.device)
        f = mu.summed(lambda x, weights: self.unit.forward(x, weights, items))
        if self.output is None and f.shape[1] != 1:
            raise ConfigError(
                f"Preferences: the unit has {f.shape[1]} outputs; wanted one score for an item. Say which by output=."
            )
        column = self.output or 0
        if column >= f.shape[1]:
            raise ConfigError(f"Preferences: output = {column}; the unit has {f.shape[1]}, counted from 0.")
        score, pairs = f[:, column], self.pairs.to(mu.device)
        return f, column, (score[pairs[:, 0]] - score[pairs[:, 1]]) / self.scale

    @staticmethod
    def _mean(margins: Tensor) -> Tensor:
        with ops.one_torch_thread():
            losses = torch.logaddexp(torch.zeros_like(margins), -margins)
        return Mean().value(losses, torch.full_like(losses, 1.0 / len(losses)))

    def _residual(self, f: Tensor, column: int, margins: Tensor) -> Tensor:
        """∂𝓕/∂f (N, K): each pair pushes its winner up and its loser down, by σ(−margin)/(P s)."""
        with ops.one_torch_thread():
            push = torch.sigmoid(-margins) / (len(margins) * self.scale)
            residual, pairs = torch.zeros_like(f), self.pairs.to(f.device)
            residual[:, column].index_add_(0, pairs.T.reshape(-1), torch.cat([-push, push]))
        return residual

    def _pull_back(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        points = mu.points(at)
        if not len(self.pairs):
            return torch.zeros_like(points[:, 0]), torch.zeros_like(points)
        residual = self._residual(*self._forward(mu))
        return self.unit.backward(points, self.items.to(mu.device), residual)

    def _value(self, mu: Ensemble) -> Tensor:
        if not len(self.pairs):
            return torch.zeros((), dtype=torch.float64, device=mu.device)
        return self._mean(self._forward(mu)[2])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._pull_back(mu, at)[0]

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._pull_back(mu, at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        if not len(self.pairs):
            return Evaluation(self._value(mu), torch.zeros_like(mu.x))
        f, column, margins = self._forward(mu)
        residual, items = self._residual(f, column, margins), self.items.to(mu.device)
        gradient: Tensor = mu.rowwise(lambda x: self.unit.backward(x, items, residual)[1], mu.x)
        return Evaluation(self._mean(margins), gradient)


class Preferences(Events):
    """What people preferred so far: the reward model of learning from human preferences, as a term.

    For the P_t pairs that arrived by time t, with the scores f_μ(z) = ∫ φ(z; θ) dμ(θ) of a network:

        𝓕_t[μ] = −(1/P_t) Σ log σ((f_μ(winner) − f_μ(loser))/s)
        δ𝓕/δμ(θ) = Σ_z ∂𝓕/∂f(z) · φ(z; θ),    ∇_W 𝓕(θ) = ∇_θ of it

    It is the negative log-likelihood per preference of the Bradley–Terry model. 𝓕 = 0 before the first arrival.

    Parameters
    ----------
    unit : NetworkRisk, NetworkUnit, or callable φ(z, θ)
        The network that gives scores; of a risk, its unit.
    items : array (N, D), float64 or float32
        The inputs that were compared.
    pairs : array (P, 2) of int
        For each preference the row of the winner and the row of the loser.
    times : array (P,), optional
        When each preference arrives, in the time of the run. By default all are there from the start.
    scale : float
        s > 0: the score difference at which a preference has the probability 1/(1 + 1/e) = 73 %.
    output : int, optional
        Which output is the score. Needed where there are several.
    continued : bool
        Allow arrivals after t_end, for a run that will be continued by `state=`.

    Raises
    ------
    ConfigError
        For a preference about an unknown item or an item over itself, an output that is missing, or an arrival after
        the end of the run.
    ShapeError
        If arrays do not fit.

    See Also
    --------
    wgf.drives.Swap

    Notes
    -----
    Arrivals act between steps, at the end of the first step that reaches their time, and are booked as work. Outside a
    run `.at(t)` is the term with what arrived by t. The force of a pair fades where its margin is far above s. Scores
    are defined up to a constant, and grow without bound where all pairs agree: add a confinement.

    References
    ----------
    Bradley & Terry (1952), Biometrika 39.
    Christiano et al. (2017), Deep reinforcement learning from human preferences, NeurIPS.

    Examples
    --------
    >>> import wgf
    >>> score = wgf.Unit(lambda z, theta: theta @ z, dim=1)
    >>> told = Preferences(score, items=[[0.0], [1.0]], pairs=[[1, 0]], times=[2.0])
    >>> mu = wgf.Ensemble([[0.0]])
    >>> told.at(1.0).value(mu).item(), round(told.at(2.0).value(mu).item(), 6), told.at(2.0).gradient(mu).item()
    (0.0, 0.693147, -0.5)
    """

    given_risk: ClassVar[str] = "unit"
    """The setting that is the risk of the run, where a configuration file makes the term."""
    integrates = True

    def __init__(
        self,
        unit: NetworkRisk | AlteredRisk | NetworkUnit | Callable[[Tensor, Tensor], Tensor],
        items: Rows,
        pairs: Pairs,
        times: Numbers | None = None,
        *,
        scale: float = 1.0,
        output: int | None = None,
        continued: bool = False,
    ) -> None:
        z = as_real("items", items)
        if z.ndim != 2 or min(z.shape) == 0:
            raise ShapeError(f"items: shape {tuple(z.shape)}; wanted (N, D), a row for each item.")
        require_finite_rows("items", z)
        risk = unit.base if isinstance(unit, AlteredRisk) else unit
        if isinstance(risk, NetworkRisk) and risk.inputs.shape[1] != z.shape[1]:
            raise ShapeError(f"items of {z.shape[1]} features; the risk has {risk.inputs.shape[1]}.")
        given = risk.unit if isinstance(risk, NetworkRisk) else require_unit(risk, z.shape[1], 1, "tanh")
        told, arrivals = _pairs(pairs, len(z)), _times(times)
        if arrivals is not None and len(arrivals) != len(told):
            raise ShapeError(f"times: {len(arrivals)} of them for {len(told)} pairs; wanted one for each.")
        order = np.arange(len(told)) if arrivals is None else np.argsort(arrivals, kind="stable")
        self._times = None if arrivals is None else arrivals[order].tolist()
        self._all = BradleyTerry(
            given,
            z.clone(),
            told[torch.from_numpy(order)],
            require_number("Preferences scale", scale, positive=True),
            None if output is None else require_integer("Preferences output", output, low=0),
        )
        self._continued = continued

    def __repr__(self) -> str:
        return repr(self._all)

    def require(self, start: float, t_end: float, resumed: bool) -> None:
        """Refuse a last arrival after t_end, unless the run will be continued."""
        if self._times:
            self._require_before("Preferences: an arrival", self._times[-1], t_end)

    def _count(self, t: float) -> int:
        return len(self._all.pairs) if self._times is None else sum(reached(t, when) for when in self._times)

    def begin(self, mu: Ensemble, t: float) -> int:
        """How many preferences have arrived at the start; it is all that the term remembers."""
        return self._count(t)

    def advance(self, memory: int, view: View, h: float) -> int:
        later = memory
        while self._times is not None and later < len(self._times) and reached(view.t, self._times[later]):
            later += 1
        return later

    def resolve(self, memory: int) -> Functional:
        told = self._all
        return BradleyTerry(told.unit, told.items, told.pairs[:memory], told.scale, told.output)

    @property
    def varies(self) -> bool:
        return self._times is not None

    def at(self, t: float) -> Functional:
        return self.resolve(self._count(t))


def _pairs(pairs: ArrayLike, items: int) -> Tensor:
    """The pairs (P, 2) int64: rows of known items, no item against itself."""
    try:
        told = to_tensor(require_unmasked("pairs", pairs)).clone()
    except (TypeError, ValueError) as error:
        raise ShapeError(f"pairs: not an array of pairs ({error}); wanted (P, 2) integers.") from error
    if told.ndim != 2 or told.shape[1] != 2 or not len(told):
        raise ShapeError(f"pairs: shape {tuple(told.shape)}; wanted (P, 2): the winner and the loser of each.")
    if told.is_floating_point() or told.is_complex() or told.dtype == torch.bool:
        raise ConfigError(f"pairs: dtype {told.dtype}; wanted integers, the rows of the items.")
    told = told.long().cpu()
    unknown = torch.nonzero((told < 0) | (told >= items))
    if len(unknown):
        row, side = unknown[0].tolist()
        raise ConfigError(
            f"preference {row} is about item {int(told[row, side])}, which is unknown; the items are 0 to {items - 1}."
        )
    same = torch.nonzero(told[:, 0] == told[:, 1])
    if len(same):
        row = int(same[0])
        raise ConfigError(f"preference {row} is of item {int(told[row, 0])} over itself; wanted two items.")
    return told


def _times(times: ArrayLike | None) -> np.ndarray | None:
    if times is None:
        return None
    try:
        arrivals = np.asarray(require_unmasked("times", times), dtype=float).copy()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"times: {error}; wanted one number for each pair.") from error
    if arrivals.ndim != 1:
        raise ShapeError(f"times: shape {arrivals.shape}; wanted (P,), one for each pair.")
    if not np.isfinite(arrivals).all():
        raise ConfigError(f"times: {arrivals[~np.isfinite(arrivals)][0]} among them; wanted finite numbers.")
    return arrivals
