"""Finite volumes in one and two dimensions: the flow of a density on the cells of a box, to compare particles with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf.domains import Box, Domain, PeriodicBox
from wgf.errors import ConfigError, StepSizeError, WgfError, require_integer, shown
from wgf.functional import FreeEnergy
from wgf.measure import Ensemble, NoiseSource
from wgf.ops.memory import require_memory
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, require_dim, require_first_variation, require_full_batch

from .finite_volume import Diffusion, dissipation, explicit_limit, self_consistent
from .lattice import Cells, Lattice, PowerOnCells, on_cells

_CELL = 500
"""Bytes that a step needs for each cell, about."""


@dataclass(frozen=True)
class Grid(Solver):
    """Finite volumes for ∂ρ/∂t = ∇·(ρ ∇ δF/δμ). Take it in one or two dimensions where the density itself is wanted.

        m'ᵢ = mᵢ − h Σ ± (vol/Δ) J,   J the flux through a face, of the sign of −Δ(δF/δμ)

    The cells fill a `domain=wgf.domains.Box(...)`; no mass flows through its walls. The ensemble is the centres of the
    cells with their masses mᵢ. Particles given at the start are deposited on the cells (cloud in cell).

    Parameters
    ----------
    cells : int or tuple of int, default 128
        The number of cells along each axis, or one number per axis; from 2 to 2²⁰.
    implicit : bool, default True
        Whether h is free of a stability bound, at the price of a linear solve. If False, the step is cut into explicit
        sub-steps, each at most half of what would empty a cell.

    Raises
    ------
    ConfigError
        If a setting is out of range. From `solve`, without a box; in more than two dimensions; with
        minibatches; for a term without first variation; for an interaction that is singular at 0, since a cell acts on
        itself (give it a softening of some cells); and for `Power` with m < 1, whose diffusivity is infinite in an
        empty cell.
    StepSizeError
        From `solve`, if a step would need more than MOST explicit sub-steps, or if implicit steps do not converge even
        at a length of dt/4096.

    See Also
    --------
    wgf.Shannon, wgf.Blob, wgf.LogDet, wgf.solvers.Langevin

    Notes
    -----
    t and h are times of the flow, in units of |x|² over F. The order in h is 1. Masses stay ≥ 0 and their sum stays 1.

    Terms: Shannon is exact on the cells, −Σ m log(m/vol). So is `Power`, without its bandwidth. Every other term acts
    by its first variation at the centres, `Blob` with its bandwidth.

    Fluxes: with Shannon those of Scharfetter and Gummel. They are of order 2 in Δ if |u|Δ < 2T, u the velocity of the
    other terms, and upwind (order 1) beyond. The discrete Gibbs density is their exact equilibrium. Without Shannon
    they are upwind with minmod slopes, of order 2 in Δ where ρ is smooth.

    The implicit step takes Shannon and powers at its end, and δE/δμ at the mean of both ends. F falls at every h if E
    is at most quadratic in μ (potentials, interactions). One iteration costs a tridiagonal solve, in two dimensions a
    sparse one. It iterates only if E is not linear in μ or there are powers. A step that does not converge is halved.

    The dissipation is Σ J (−Δ(δF/δμ)) over the faces at the end of each step, in the Wasserstein metric; an empty cell
    counts with the density 1e-300. The masses of a frame are its weights: `sol.frame(k)`.

    References
    ----------
    Scharfetter & Gummel (1969), Large-signal analysis of a silicon Read diode oscillator, IEEE Trans. Electron Devices
    16, 64–77.
    Carrillo, Chertock & Huang (2015), A finite-volume method for nonlinear nonlocal equations with a gradient flow
    structure, Commun. Comput. Phys. 17, 233–258.
    Bailo, Carrillo & Hu (2020), Fully discrete positivity-preserving and energy-dissipating schemes for
    aggregation-diffusion equations with a gradient-flow structure, Commun. Math. Sci. 18, 1259–1303.

    Examples
    --------
    >>> import wgf
    >>> mu, box = wgf.Ensemble.gaussian(500, 1, cov=0.5), wgf.domains.Box(-5.0, 5.0)
    >>> sol = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Grid(50), dt=0.02, t_end=4.0, domain=box)
    >>> sol.ensemble.n, round(float(sol.ensemble.covariance()), 2)
    (50, 1.0)
    """

    cells: int | tuple[int, ...] = 128
    implicit: bool = True

    order: ClassVar[int] = 1
    MOST: ClassVar[int] = 1_000_000
    """The largest number of explicit sub-steps in one step."""
    realises_shannon = True

    def __post_init__(self) -> None:
        several = isinstance(self.cells, (list, tuple))
        numbers = tuple(
            require_integer("cells", n, low=2, high=2**20)
            for n in (self.cells if several else (self.cells,))  # type: ignore[union-attr]
        )
        if len(numbers) not in (1, 2):
            raise ConfigError(f"cells = {shown(self.cells)}: wanted one integer, or one for each of one or two axes.")
        object.__setattr__(self, "cells", numbers if several else numbers[0])
        if not isinstance(self.implicit, bool):
            raise ConfigError(f"implicit = {shown(self.implicit)}: wanted True or False.")

    @property
    def name(self) -> str:
        return f"Grid({self.cells})"

    # ---------------------------------------------------------------------------------------- cells

    def lattice(self, domain: Domain | None, dim: int) -> Lattice:
        """Cut a box into the cells of this scheme.

        Parameters
        ----------
        domain : Domain or None
            A `wgf.domains.Box` or `PeriodicBox`.
        dim : int
            The dimension d of the particles.

        Returns
        -------
        Lattice
            The cells.

        Raises
        ------
        ConfigError
            If the domain is no box, or `cells` has numbers for another dimension.
        """
        if isinstance(domain, Box | PeriodicBox):
            return Lattice.of(domain, self._shape(dim))
        refuse(self, f"domain = {domain!r}", "a reflecting or periodic box", "Pass domain=wgf.domains.Box(low, high).")

    def _shape(self, dim: int) -> tuple[int, ...]:
        numbers = self.cells if isinstance(self.cells, tuple) else (self.cells,) * dim
        if len(numbers) != dim:
            raise ConfigError(f"{self.name}: cells for {len(numbers)} axes; the particles have dimension {dim}.")
        require_memory(f"{math.prod(numbers)} cells", _CELL * math.prod(numbers), "take fewer cells along each axis")
        return numbers

    def centres(self, domain: Domain, dim: int = 1) -> Tensor:
        """The centres of the cells, to start from given masses: `wgf.Ensemble(grid.centres(box), masses)`.

        Parameters
        ----------
        domain : Domain
            A `wgf.domains.Box` or `PeriodicBox`.
        dim : int, default 1
            The dimension d of space, 1 or 2.

        Returns
        -------
        Tensor
            The centres (n, d), float64.

        Examples
        --------
        >>> Grid(4).centres(Box(0.0, 1.0)).flatten().tolist()
        [0.125, 0.375, 0.625, 0.875]
        """
        return self.lattice(domain, dim).centres()

    # ---------------------------------------------------------------------------------------- protocol

    def require(self, dynamics: Dynamics, mu: Ensemble, t: float) -> None:
        require_dim(self, mu, 2, "Use particles.")
        self.lattice(dynamics.domain, mu.dim)
        require_full_batch(self, dynamics.free_energy)
        for term in dynamics.free_energy.terms:
            if isinstance(term.functional, PowerOnCells) and term.functional.m < 1:
                given = f"{term.name} has m = {term.functional.m:g}"
                refuse(self, given, "m > 1", "Diffusivity is infinite in empty cells; use particles.")
            if term.functional.pair_kernel is not None and term.functional.pair_kernel.singular:
                refuse(
                    self, f"{term.name} has the singular kernel {term.functional.pair_kernel.formula}",
                    "one that is finite at 0, since a cell acts on itself", "Give it a softening of some cells.",
                )  # fmt: skip
        others = dynamics.free_energy.only(lambda term: not isinstance(term.functional, PowerOnCells))
        require_first_variation(self, Dynamics(others, dynamics.noise, dynamics.domain), mu, t)

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        return on_cells(free_energy, self.cells)

    def start(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Ensemble:
        return self.lattice(dynamics.domain, mu.dim).deposit(mu)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """Take one step. Its dissipation is the mean over the sub-steps of the dissipation at their ends."""
        lattice = self.lattice(dynamics.domain, state.mu.dim)
        advance = self._implicit if self.implicit else self._explicit
        density, released = advance(_Problem(lattice, dynamics, state), lattice.density(state.mu), state.t, h)
        return Step(lattice.with_density(state.mu, density), torch.tensor(released / h, dtype=torch.float64))

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> float:
        lattice = self.lattice(dynamics.domain, state.mu.dim)
        problem, density = _Problem(lattice, dynamics, state), lattice.density(state.mu)
        return dissipation(lattice, problem.diffusion(state.t), problem.energy(density, state.t), density)

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor:
        """The entropy of the density of the cells, −Σ m log(m/vol), exactly."""
        weights = state.mu.weights
        volume = self.lattice(dynamics.domain, state.mu.dim).volume
        return -state.mu.expect(torch.log(weights / volume).where(weights > 0, 0.0))

    # ---------------------------------------------------------------------------------------- in time

    def _implicit(self, problem: _Problem, density: Cells, t: float, h: float) -> tuple[Cells, float]:
        """ρ at t + h and ∫ D dt, by an implicit step; in two halves if it does not converge."""
        end = t + h
        found = self_consistent(
            problem.lattice, problem.diffusion(end), lambda rho: problem.energy(rho, end), problem.linear, density, h
        )
        if found is not None:
            new = np.maximum(found[0], 0.0)
            return new, h * dissipation(problem.lattice, problem.diffusion(end), found[1], new)
        if h < problem.state.dt / 2**12:
            raise StepSizeError(
                f"{problem.where}: the implicit step does not converge even at h = {h:.2g}, {problem.state.dt:g}/4096; "
                "try a smaller dt, or Grid(implicit=False)."
            )
        middle, first = self._implicit(problem, density, t, h / 2)
        new, second = self._implicit(problem, middle, t + h / 2, h / 2)
        return new, first + second

    def _explicit(self, problem: _Problem, density: Cells, t: float, h: float) -> tuple[Cells, float]:
        """ρ at t + h and ∫ D dt, by as many Euler steps as positive masses require."""
        done, length, released = 0.0, 0.0, 0.0
        while True:
            diffusion, energy = problem.diffusion(t + done), problem.energy(density, t + done)
            if done:
                released += length * dissipation(problem.lattice, diffusion, energy, density)
            if done >= h:
                return density, released
            limit, change = explicit_limit(problem.lattice, diffusion, energy, density)
            if not h - done <= self.MOST * limit:  # true also if the limit is NaN
                raise StepSizeError(
                    f"{problem.where}: an explicit step may not exceed {limit:.3g}, and h = {h:g}; wanted at most "
                    f"{self.MOST} of them in one. Take fewer cells, or Grid(implicit=True)."
                )
            count = max(1, math.ceil((h - done) / limit))
            length = (h - done) / count
            density = density + length * change
            done = h if count == 1 else done + length


class _Problem:
    """F on the cells during one step: δE/δμ of the other terms, and the diffusion of Shannon and the powers."""

    def __init__(self, lattice: Lattice, dynamics: Dynamics, state: State) -> None:
        self.lattice, self._dynamics, self.state = lattice, dynamics, state
        # always float64: in float32 the iterations would not converge, because of rounding
        self._cells = state.mu.moved(lattice.centres().to(state.mu.device))
        smooth = dynamics.drift.only(lambda term: not isinstance(term.functional, PowerOnCells))
        self._outer = smooth.only(lambda term: term.functional.linear)
        self._inner = smooth.only(lambda term: not term.functional.linear)
        self._fixed: tuple[float, Cells] | None = None  # δE/δμ of the linear terms, and its time
        self.where = f"step {state.step}, t = {state.t:g}"

    def diffusion(self, t: float) -> Diffusion:
        """The temperatures of Shannon and the powers at time t."""
        powers = tuple(
            (-term.coefficient.number, term.functional.m)
            for term in self._dynamics.drift.at(t).terms
            if isinstance(term.functional, PowerOnCells) and term.coefficient.number
        )
        return Diffusion(self._dynamics.noise_temperature(t), powers)

    @property
    def linear(self) -> bool:
        """Whether δE/δμ does not depend on μ."""
        return not self._inner.terms

    def energy(self, density: Cells, t: float) -> Cells:
        """δE/δμ at the centres for this density. An error names step, time, term and cell."""
        mu = self.lattice.with_density(self._cells, density)
        self._dynamics.evaluations += 1
        if self._fixed is None or self._fixed[0] != t:
            self._fixed = t, self._sum(self._outer, mu, t)
        return self._fixed[1] + self._sum(self._inner, mu, t)

    def _sum(self, terms: FreeEnergy, mu: Ensemble, t: float) -> Cells:
        total = np.zeros(self.lattice.cells)
        for term in terms.at(t).terms:
            try:
                values = term.functional.first_variation(mu)
            except WgfError as error:
                raise type(error)(f"{self.where}: {term.name}: {error}") from error
            total += term.coefficient.number * values.double().cpu().numpy().reshape(total.shape)
        return total
