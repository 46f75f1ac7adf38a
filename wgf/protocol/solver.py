"""What a solver is: a scheme with pure functions `init` and `step` over the state of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from ..functional import FreeEnergy, FreeEnergyEvaluation
from ..measure import Ensemble, NoiseSource
from .dynamics import Dynamics
from .state import State


@dataclass(frozen=True, eq=False)
class Step:
    """What one step of a solver gives back.

    Attributes
    ----------
    mu : Ensemble
        The particles after the step.
    dissipation : Tensor or None
        The mean dissipation over the step (0-d, float64), in units of F over flow time. It is in the metric of the
        scheme and by its own quadrature, Σ bᵢ D(stage i). None where the scheme has no such sum: the ledger then
        estimates the dissipation at records.
    memory : object
        What the scheme remembers for the next step: anything immutable, as for `Solver.init`.
    h : float or None
        The length of the step, in flow time, where an adaptive scheme chose it. None stands for the length given to
        `Solver.step`.
    evaluation : FreeEnergyEvaluation or None
        The result of `dynamics.evaluate(mu, t + h, step + 1)`, from schemes that have computed it anyway (first same as
        last). None means that the run evaluates F itself.

    See Also
    --------
    wgf.protocol.Solver, wgf.protocol.State, wgf.protocol.Dynamics, wgf.protocol.Slope

    Examples
    --------
    >>> import wgf
    >>> Step(wgf.Ensemble([[1.0]])).dissipation is None  # the ledger then estimates it
    True
    """

    mu: Ensemble
    dissipation: Tensor | None = None
    memory: Any = None
    h: float | None = None
    evaluation: FreeEnergyEvaluation | None = None


@dataclass(frozen=True, eq=False)
class Slope:
    """∇_W F at some particles, with a second estimate where it is estimated.

    Where noise realises the Shannon entropy, |∇_W F|² is `force`·`twin`: their errors are independent, and do not add.

    Attributes
    ----------
    mu : Ensemble
        The particles (n, d): all of them, or a sample that stands for all.
    force : Tensor
        ∇_W F at these particles (n, d).
    twin : Tensor
        A second, independent estimate (n, d). Where ∇_W F is exact it is `force` itself.

    See Also
    --------
    wgf.protocol.Solver, wgf.protocol.Step, wgf.protocol.State, wgf.protocol.Dynamics

    Examples
    --------
    >>> import torch, wgf
    >>> mu, force = wgf.Ensemble([[1.0]]), torch.tensor([[2.0]], dtype=torch.float64)
    >>> slope = Slope(mu, force, force)
    >>> mu.inner(slope.force, slope.twin).item()  # |∇_W F|²
    4.0
    """

    mu: Ensemble
    force: Tensor
    twin: Tensor


class Solver(ABC):
    """A time-stepping scheme for the flow ẋ = −∇_W F[μ](x).

    A scheme is a frozen dataclass whose fields are its settings. `init` and `step` are pure: they change nothing that
    they are given, and all that a scheme remembers is in `State.memory`. Pass an instance to `wgf.solve`.

    Notes
    -----
    To write a scheme, derive a frozen dataclass, set the facts below and override `step`, and `init` where it has a
    memory. `docs/ARCHITECTURE.md` has the four steps.

    See Also
    --------
    wgf.solvers : the schemes of this package.
    wgf.solve : run a scheme.

    Examples
    --------
    >>> import wgf
    >>> @dataclass(frozen=True)
    ... class Midpoint(Solver):
    ...     order = 2
    ...     def step(self, dynamics, state, h, noise):
    ...         half = state.mu.moved(state.mu.x - h / 2 * state.evaluation.gradient)
    ...         slope = dynamics.evaluate(half, state.t + h / 2, state.step).gradient
    ...         return Step(state.mu.moved(state.mu.x - h * slope), dissipation=half.inner(slope, slope))
    >>> mu = wgf.Ensemble([[1.0], [2.0]])
    >>> sol = wgf.solve(wgf.Quadratic(), mu, Midpoint(), dt=0.01, t_end=1.0)
    >>> [round(x, 4) for x in sol.ensemble.x[:, 0].tolist()]  # e⁻¹ and 2e⁻¹
    [0.3679, 0.7358]
    """

    order: ClassVar[int] = 1
    """The order of a deterministic scheme, or the weak order of a stochastic one."""
    stochastic = False
    """Whether the scheme uses noise."""
    realises_shannon = False
    """Whether the scheme realises −T·Shannon, by noise, a kernel or a grid. Other schemes refuse that term."""
    adaptive = False
    """Whether the scheme chooses its steps: `step` gets the rest of the run as h. It has fields `rtol`, `atol`."""
    evaluations = 1
    """How many evaluations of F a step takes, at least. The default number of records is chosen by it."""
    integrates = False
    """Whether a step sums over particles by methods of the ensemble only. They may then be divided among processes."""
    elementwise = False
    """Whether the torch operations of a step have at most n·d numbers, and the same bits with any number of threads."""
    on_surfaces = False
    """Whether the scheme keeps to a curved domain, such as `wgf.domains.Sphere`. Others refuse it."""
    metric = "Wasserstein"
    """The metric of the gradient flow that the scheme follows; the ledger names it where it is not Wasserstein."""

    @property
    def name(self) -> str:
        """The name of the scheme in messages. A state made by a scheme of another name continues with a new memory."""
        return type(self).__name__

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:  # noqa: B027
        """Refuse, before a run begins, what the scheme cannot do.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy of the run.
        mu : Ensemble
            The initial particles (n, d).
        t : float
            The start time, in flow time.

        Raises
        ------
        ConfigError
            If the scheme cannot do the run. `wgf.protocol.requirements` has common checks.
        """

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        """Give the free energy that the scheme integrates in place of F.

        `RandomBatch`, for example, replaces sums over pairs by sums in random batches. The default is F itself.
        """
        return free_energy

    def start(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Ensemble:
        """Give the ensemble with which the run begins.

        `Grid`, for example, replaces the particles by the cells of a grid. The default is `mu` itself.
        """
        return mu

    def init(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Any:
        """Make the memory of the scheme at the start of a run.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy of the run.
        mu : Ensemble
            The initial particles (n, d).
        t : float
            The start time, in flow time.

        Returns
        -------
        object
            Anything immutable that a file can hold: numbers, tensors, tuples, dictionaries by string, dataclasses with
            the decorator `remembered`. None where the scheme remembers nothing.
        """
        return None

    @abstractmethod
    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy. `dynamics.evaluate(mu, t, step)` gives F and ∇_W F.
        state : State
            Where the run stands. `state.evaluation` holds F and ∇_W F there.
        h : float
            The length of the step, in flow time, for an adaptive scheme the greatest length allowed.
        noise : NoiseSource
            Noise, keyed by particle ids and `state.step`.

        Returns
        -------
        Step
            The new particles, and what else the scheme knows about the step. `state` is not changed.
        """

    def body(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Any:
        """Give the steps of length h as plain numbers, for compiled stretches of steps.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy. Coefficients may depend on t: `heated` of the body then gives it other temperatures, and
            its `nodes` say when it evaluates ∇_W F.
        state : State
            Where the first step begins, with particles on the CPU.
        h : float
            The length of the steps, in flow time.
        noise : NoiseSource
            Noise, keyed by particle ids and the number of the step.

        Returns
        -------
        NamedTuple or None
            A body of `wgf.ops.bodies`, whose compiled steps have the bits of `step`. None where there is none.
        """
        return None

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> Tensor | float | None:
        """Compute the dissipation −dF/dt at a record, in the metric of the scheme.

        Parameters
        ----------
        dynamics : Dynamics
            The free energy.
        state : State
            Where the run stands.
        slope : Slope or None
            ∇_W F at the particles. None where noise realises an entropy whose score cannot be estimated. Where noise
            realises an entropy, the ledger also passes None first: a number then means that no slope is needed.

        Returns
        -------
        Tensor, float or None
            The dissipation. None stands for that of the Wasserstein metric, ∫ |∇_W F|² dμ, which the ledger computes
            itself.
        """
        return None

    def kinetic(self, state: State) -> Tensor | float | None:
        """Compute the kinetic energy ½ ∫ |p|² dμ, for schemes with momenta p.

        The ledger adds it to F in the balance, and has a column for it. The default is None: no momenta.
        """
        return None

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor | float | None:
        """Compute the Shannon entropy −∫ ρ log ρ, for schemes that know the density ρ.

        The default is None: the ledger then estimates it from the particles.
        """
        return None
