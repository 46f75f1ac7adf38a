"""Mean-field models whose columns are independent copies: a run of (n, d) particles is d replicas on a line.

V, the quadratic attraction and the cosine interaction are sums over components, and so is the noise; hence the columns
of x do not know of each other, and a run in d dimensions is d runs in one, with noise keyed by the component.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, special
from torch import Tensor

from ...domains import Domain, PeriodicBox
from ...energies import Interaction, Potential, Quadratic
from ...entropies import Shannon
from ...errors import require_integer
from ...flow import solve
from ...functional import FreeEnergy
from ...kernels import Cosine, QuadraticKernel
from ...measure import Ensemble
from ...protocol import Solver

Temperature = float | Callable[[float], float]

FEWEST_COLUMNS = 9
"""Above the dimension where the ledger still estimates the entropy, which would cost more than the steps."""
CIRCLE = PeriodicBox(0.0, 2 * np.pi)


def require_columns(columns: int) -> None:
    """ConfigError for too few."""
    require_integer("columns", columns, low=FEWEST_COLUMNS)


def linear(confinement: float, attraction: float, temperature: Temperature) -> FreeEnergy:
    """V = a|x|²/2, W = b|u|²/2: the linear McKean–Vlasov equation. Its n particles have, stationary and per component,
    E x² = s(a)/n + (1 − 1/n) s(a + b) with s(λ) = T/λ, or T/(λ(1 − hλ/2)) under Euler–Maruyama."""
    return Quadratic(confinement) + Interaction(QuadraticKernel(attraction)) - temperature * Shannon()


def double_well() -> Potential:
    """V = Σⱼ xⱼ⁴/4 − xⱼ²/2."""
    return Potential(lambda x: (0.25 * x**4 - 0.5 * x**2).sum(1), grad=lambda x: x**3 - x)


def desai_zwanzig(attraction: float, temperature: Temperature) -> FreeEnergy:
    """Double wells with W = θ|u|²/2 (Desai & Zwanzig 1978); m = ∫x dμ leaves 0 where βθ Var₀ = 1 (Dawson 1983)."""
    return double_well() + Interaction(QuadraticKernel(attraction)) - temperature * Shannon()


def kuramoto(coupling: float, temperature: Temperature) -> FreeEnergy:
    """Angles with W = −K cos u, as dx = K r sin(ψ − x) dt + √(2T) dB with r e^{iψ} = ∫e^{ix} dμ.

    Stationary densities ∝ exp((K r/T) cos(x − ψ)), so r = I₁(Kr/T)/I₀(Kr/T) = Kr/(2T) + O(r³): order sets in where
    T < K/2 (Sakaguchi 1988, Prog. Theor. Phys. 79, 39).
    """
    return Interaction(Cosine(coupling)) - temperature * Shannon()


def symmetric_moment(attraction: float, beta: float, power: int = 2) -> float:
    """∫xᵖ ρ dx for ρ ∝ exp(−β(x⁴/4 − x²/2 + θx²/2)), the symmetric state of Desai–Zwanzig, by quadrature.

    >>> round(symmetric_moment(1.0, 2.18844) * 2.18844, 5)  # βθ Var₀ = 1 at β_c
    1.0
    """

    def part(p: int) -> float:
        quartic, quadratic = 0.25 * beta, 0.5 * beta * (attraction - 1)
        return float(integrate.quad(lambda x: x**p * np.exp(-quartic * x**4 - quadratic * x**2), 0, 12)[0])

    return part(power) / part(0)


def ordered_wells(attraction: float, temperature: float) -> float:
    """The positive solution m of m = ∫xρ, ρ ∝ exp(−(V + θx²/2 − θmx)/T), or 0 where there is none (Dawson 1983).

    >>> round(ordered_wells(1.0, 1 / 3), 5)
    0.63732
    """
    x = np.linspace(-5.0, 5.0, 2001)

    def excess(m: float) -> float:
        exponent = -(x**4 / 4 + (attraction - 1) * x**2 / 2 - attraction * m * x) / temperature
        density = np.exp(exponent - exponent.max())
        return float((x * density).sum() / density.sum()) - m

    return float(optimize.brentq(excess, 1e-6, 3.0)) if excess(1e-6) > 0 else 0.0


def ordered_circle(coupling: float, temperature: float) -> float:
    """The positive solution r of r = I₁(Kr/T)/I₀(Kr/T), or 0 for T ≥ K/2.

    >>> ordered_circle(1.0, 0.5), round(ordered_circle(1.0, 0.25), 4)
    (0.0, 0.8315)
    """

    def excess(r: float) -> float:
        return float(special.ive(1, coupling * r / temperature) / special.ive(0, coupling * r / temperature)) - r

    return float(optimize.brentq(excess, 1e-6, 1.0)) if excess(1e-6) > 1e-12 else 0.0


def follow(
    F: FreeEnergy,
    mu: Ensemble,
    solver: Solver,
    watch: Callable[[Tensor], Tensor],
    *,
    dt: float,
    t_end: float,
    every: int,
    seed: int,
    domain: Domain | None = None,
) -> NDArray[np.float64]:
    """What `watch` makes of the particles (n, d), at the start and every so many steps: (records, ...)."""
    seen: list[NDArray[np.float64]] = []

    def look(now: Ensemble) -> float:
        seen.append(watch(now.x).numpy().astype(np.float64, copy=True))
        return 0.0

    solve(F, mu, solver, dt=dt, t_end=t_end, seed=seed, record_every=every, observers={"seen": look}, domain=domain)
    return np.stack(seen)
