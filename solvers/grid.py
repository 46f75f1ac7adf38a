"""Finite volumes in one and two dimensions: the density on the cells of a box, the truth particles are judged by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from wgf.domains import Box, Domain
from wgf.errors import ConfigError, StepSizeError, WgfError, require_integer
from wgf.functional import FreeEnergy
from wgf.measure import Ensemble, NoiseSource
from wgf.protocol import Dynamics, Slope, Solver, State, Step
from wgf.protocol.requirements import refuse, require_dim, require_first_variation, require_full_batch

from .finite_volume import Diffusion, dissipation, explicit_limit, self_consistent
from .lattice import Cells, Lattice, PowerOnCells, on_cells


@dataclass(frozen=True)
class Grid(Solver):
    """∂ρ/∂t = ∇·(ρ ∇ δF/δμ) on the cells of `domain=wgf.domains.Box(...)`, without flux through its walls.

        m'ᵢ = mᵢ − h Σ ± (vol/Δ) J,   J the flux through a face, of the sign of −Δ(δF/δμ)

    The ensemble is the cell centres with their masses; `cells` is their number per axis, an integer or one per axis.
    Particles given at the start are deposited cloud in cell; cells may be empty. Shannon is exact on the cells,
    −Σ m log(m/vol), and so is `Power`: its bandwidth, which particles need, is not used here. Every other term acts by
    its first variation at the centres, `Blob` with its bandwidth. Singular interactions are refused, since a cell acts
    on itself too: give them a softening of some cells. So is `Power` with m < 1, whose diffusivity is infinite in an
    empty cell.

    With Shannon fluxes are Scharfetter–Gummel's: of order 2 in Δ once |u|Δ < 2T, upwind (order 1) beyond that, with
    the discrete Gibbs density as their exact equilibrium. Without it they are upwind with minmod slopes, order 2 in Δ
    where ρ is smooth. `implicit` (the default): backward in Shannon and powers, δE/δμ at the mean of both ends; order
    1 in h, positive for any h, and F falls for any h where E is at most quadratic in μ (potentials, interactions). Its
    price is a tridiagonal or sparse solve per iteration, iterations only where E is not linear or there are powers; a
    step whose iteration does not converge is cut in two. Otherwise explicit, in sub-steps of at most half of what
    empties no cell. StepSizeError where sub-steps would be more than MOST. h and t are times of the flow.

    D is Σ J (−Δ(δF/δμ)) over the faces, at the end of each step; empty cells count in it with a density of 1e-300. A
    trajectory has the centres alone: keep masses by an observer. (Carrillo, Chertock & Huang 2015; Bailo, Carrillo & Hu
    2020; Scharfetter & Gummel 1969.)

    >>> import wgf
    >>> mu, box = wgf.Ensemble.gaussian(5000, 1, cov=0.5), wgf.domains.Box(-5.0, 5.0)
    >>> sol = wgf.solve(wgf.Quadratic() - wgf.Shannon(), mu, Grid(50), dt=0.02, t_end=4.0, domain=box)
    >>> sol.ensemble.n, round(float(sol.ensemble.covariance()), 2)
    (50, 1.0)
    """

    cells: int | tuple[int, ...] = 128
    implicit: bool = True

    order: ClassVar[int] = 1
    MOST: ClassVar[int] = 1_000_000
    realises_shannon = True

    def __post_init__(self) -> None:
        several = isinstance(self.cells, (list, tuple))
        numbers = tuple(
            require_integer("cells", n, low=2, high=2**20)
            for n in (self.cells if several else (self.cells,))  # type: ignore[union-attr]
        )
        if len(numbers) not in (1, 2):
            raise ConfigError(f"cells = {self.cells!r}: wanted one integer, or one for each of one or two axes.")
        object.__setattr__(self, "cells", numbers if several else numbers[0])
        if not isinstance(self.implicit, bool):
            raise ConfigError(f"implicit = {self.implicit!r}: wanted True or False.")

    @property
    def name(self) -> str:
        return f"Grid({self.cells})"

    # ---------------------------------------------------------------------------------------- cells

    def lattice(self, domain: Domain | None, dim: int) -> Lattice:
        """The cells of a box; ConfigError for another domain or dimension."""
        if type(domain) is not Box:
            refuse(self, f"domain = {domain!r}", "a reflecting box", "Pass domain=wgf.domains.Box(low, high).")
        assert isinstance(domain, Box)
        return Lattice.of(domain, self._shape(dim))

    def _shape(self, dim: int) -> tuple[int, ...]:
        numbers = self.cells if isinstance(self.cells, tuple) else (self.cells,) * dim
        if len(numbers) != dim:
            raise ConfigError(f"{self.name}: cells for {len(numbers)} axes; the particles have dimension {dim}.")
        return numbers

    def centres(self, domain: Domain, dim: int = 1) -> Tensor:
        """The centres of the cells (n, d) in float64, to start from masses of one's own: wgf.Ensemble(centres, m)."""
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
                    self, f"{term.name} has the singular kernel {term.functional.pair_kernel!r}",
                    "one that is finite at 0, since a cell acts on itself", "Give it a softening of some cells.",
                )  # fmt: skip
        others = dynamics.free_energy.only(lambda term: not isinstance(term.functional, PowerOnCells))
        require_first_variation(self, Dynamics(others, dynamics.noise, dynamics.domain), mu, t)

    def rewrite(self, free_energy: FreeEnergy) -> FreeEnergy:
        return on_cells(free_energy, self.cells)

    def start(self, dynamics: Dynamics, mu: Ensemble, t: float) -> Ensemble:
        return self.lattice(dynamics.domain, mu.dim).deposit(mu)

    def step(self, dynamics: Dynamics, state: State, h: float, noise: NoiseSource) -> Step:
        """One step; D̄ is the mean over its sub-steps of D at their ends."""
        lattice = self.lattice(dynamics.domain, state.mu.dim)
        advance = self._implicit if self.implicit else self._explicit
        density, released = advance(_Problem(lattice, dynamics, state), lattice.density(state.mu), state.t, h)
        return Step(lattice.with_density(state.mu, density), torch.tensor(released / h, dtype=torch.float64))

    def dissipation(self, dynamics: Dynamics, state: State, slope: Slope | None) -> float:
        lattice = self.lattice(dynamics.domain, state.mu.dim)
        problem, density = _Problem(lattice, dynamics, state), lattice.density(state.mu)
        return dissipation(lattice, problem.diffusion(state.t), problem.energy(density, state.t), density)

    def entropy(self, dynamics: Dynamics, state: State) -> Tensor:
        """−Σ m log(m/vol), exact for the density of the cells."""
        weights = state.mu.weights
        volume = self.lattice(dynamics.domain, state.mu.dim).volume
        return -state.mu.expect(torch.log(weights / volume).where(weights > 0, 0.0))

    # ---------------------------------------------------------------------------------------- in time

    def _implicit(self, problem: _Problem, density: Cells, t: float, h: float) -> tuple[Cells, float]:
        """ρ at t + h, and ∫ D dt; in halves where the iteration does not converge."""
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
        """ρ at t + h, and ∫ D dt, by as many Euler steps as positivity asks for."""
        done, length, released = 0.0, 0.0, 0.0
        while True:
            diffusion, energy = problem.diffusion(t + done), problem.energy(density, t + done)
            if done:
                released += length * dissipation(problem.lattice, diffusion, energy, density)
            if done >= h:
                return density, released
            limit, change = explicit_limit(problem.lattice, diffusion, energy, density)
            if not h - done <= self.MOST * limit:  # a limit that is no number is none
                raise StepSizeError(
                    f"{problem.where}: an explicit step may not exceed {limit:.3g}, and h = {h:g}; wanted at most "
                    f"{self.MOST} of them in one. Take fewer cells, or Grid(implicit=True)."
                )
            count = max(1, math.ceil((h - done) / limit))
            length = (h - done) / count
            density = density + length * change
            done = h if count == 1 else done + length


class _Problem:
    """F on the cells during one step: δE/δμ of the terms beside Shannon and the powers, and what these add."""

    def __init__(self, lattice: Lattice, dynamics: Dynamics, state: State) -> None:
        self.lattice, self._dynamics, self.state = lattice, dynamics, state
        # in float64 whatever the particles are: iterations would not converge on the rounding of float32
        self._cells = state.mu.moved(lattice.centres().to(state.mu.device))
        smooth = dynamics.drift.only(lambda term: not isinstance(term.functional, PowerOnCells))
        self._outer = smooth.only(lambda term: term.functional.linear)
        self._inner = smooth.only(lambda term: not term.functional.linear)
        self._fixed: tuple[float, Cells] | None = None  # of the outer terms, and at what time
        self.where = f"step {state.step}, t = {state.t:g}"

    def diffusion(self, t: float) -> Diffusion:
        """The temperatures at time t."""
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
        """δE/δμ at the centres for this density; an error names step, time, term and cell."""
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
