"""Mean-field models on a line, run as d independent copies at once: one for each column of the particles (n, d).

This works because V, the quadratic attraction and the cosine interaction are sums over components, and each component
has its own noise. So the columns of x do not interact: a run in d dimensions is d runs in one dimension.
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
"""Up to 8 dimensions the ledger estimates the entropy, which would cost more than the steps."""
CIRCLE = PeriodicBox(0.0, 2 * np.pi)


def require_columns(columns: int) -> None:
    """Check that there are at least `FEWEST_COLUMNS` columns; else ConfigError."""
    require_integer("columns", columns, low=FEWEST_COLUMNS)


def linear(confinement: float, attraction: float, temperature: Temperature) -> FreeEnergy:
    """The linear McKean–Vlasov equation: V = a|x|²/2 and W = b|u|²/2 at temperature T.

    In equilibrium n particles have, in each component, E x² = s(a)/n + (1 − 1/n) s(a + b) with s(λ) = T/λ. Under
    Euler–Maruyama with step h, s(λ) = T/(λ(1 − hλ/2)).
    """
    return Quadratic(confinement) + Interaction(QuadraticKernel(attraction)) - temperature * Shannon()


def double_well() -> Potential:
    """The double well V = Σⱼ xⱼ⁴/4 − xⱼ²/2."""
    return Potential(lambda x: (0.25 * x**4 - 0.5 * x**2).sum(1), grad=lambda x: x**3 - x)


def desai_zwanzig(attraction: float, temperature: Temperature) -> FreeEnergy:
    """Double wells with the attraction W = θ|u|²/2 (Desai & Zwanzig 1978).

    The mean m = ∫x dμ becomes different from 0 where βθ Var₀ = 1 (Dawson 1983). β = 1/T, and Var₀ is the variance of
    the symmetric state.
    """
    return double_well() + Interaction(QuadraticKernel(attraction)) - temperature * Shannon()


def kuramoto(coupling: float, temperature: Temperature) -> FreeEnergy:
    """Noisy Kuramoto oscillators: angles x with W = −K cos u (Sakaguchi 1988, Prog. Theor. Phys. 79, 39).

    The dynamics are dx = K r sin(ψ − x) dt + √(2T) dB with r e^{iψ} = ∫e^{ix} dμ. Stationary densities are
    ∝ exp((K r/T) cos(x − ψ)), so r = I₁(Kr/T)/I₀(Kr/T) = Kr/(2T) + O(r³). The angles order (r > 0) where T < K/2.
    """
    return Interaction(Cosine(coupling)) - temperature * Shannon()


def symmetric_moment(attraction: float, beta: float, power: int = 2) -> float:
    """The moment ∫xᵖ ρ dx of the symmetric Desai–Zwanzig state ρ ∝ exp(−β(x⁴/4 − x²/2 + θx²/2)), by quadrature.

    At the critical β, βθ Var₀ = 1:

    >>> round(symmetric_moment(1.0, 2.18844) * 2.18844, 5)
    1.0
    """

    def part(p: int) -> float:
        quartic, quadratic = 0.25 * beta, 0.5 * beta * (attraction - 1)
        return float(integrate.quad(lambda x: x**p * np.exp(-quartic * x**4 - quadratic * x**2), 0, 12)[0])

    return part(power) / part(0)


def ordered_wells(attraction: float, temperature: float) -> float:
    """The order m ≥ 0 of infinitely many double wells: the largest solution of the equation below (Dawson 1983).

        m = ∫xρ dx,   ρ ∝ exp(−(V + θx²/2 − θmx)/T)

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
    """The order r of infinitely many oscillators: the positive solution of r = I₁(Kr/T)/I₀(Kr/T), or 0 for T ≥ K/2.

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
    """Run the flow and return `watch(x)` of the particles (n, d) at the start and after every `every` steps.

    The result has the shape (records, ...). `dt` and `t_end` are in flow time.
    """
    seen: list[NDArray[np.float64]] = []

    def look(now: Ensemble) -> float:
        seen.append(watch(now.x).numpy().astype(np.float64, copy=True))
        return 0.0

    solve(F, mu, solver, dt=dt, t_end=t_end, seed=seed, record_every=every, observers={"seen": look}, domain=domain)
    return np.stack(seen)
