"""Rates of decay of the free energy that a theorem guarantees."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import require_number


@dataclass(frozen=True)
class Certificate:
    """A guaranteed decay rate: F(μ_t) − F* ≤ e^{−rate·t} (F(μ_0) − F*). It is a bound, not a measurement.

    Attributes
    ----------
    rate : float
        The rate, per unit of flow time.
    name : str
        The theorem.
    assumption : str
        What the theorem assumes, in a formula.

    See Also
    --------
    wgf.diagnostics.rates.bakry_emery, wgf.diagnostics.rates.holley_stroock
    wgf.diagnostics.rates.double_well_certificate

    Examples
    --------
    >>> bakry_emery(1.0).rate  # V of curvature 1 at least
    2.0
    """

    rate: float
    name: str
    assumption: str


def bakry_emery(curvature: float) -> Certificate:
    """Certify the decay rate 2k for a potential with ∇²V ≥ k > 0 and Shannon entropy at any temperature T.

        KL(μ_t‖π) ≤ e^{−2kt} KL(μ_0‖π),   π ∝ e^{−V/T}

    Parameters
    ----------
    curvature : float > 0
        k, a lower bound of the eigenvalues of ∇²V, in units of 1/t.

    Returns
    -------
    Certificate
        The rate 2k, per unit of flow time.

    Raises
    ------
    ConfigError
        Unless k > 0.

    See Also
    --------
    wgf.diagnostics.rates.Certificate, wgf.diagnostics.rates.holley_stroock

    Notes
    -----
    The Gibbs law π has the log-Sobolev constant α = k/T, that is KL ≤ I/2α. The rate 2αT = 2k does not depend on T.
    The certificate also holds with a convex interaction W added to V (Carrillo, McCann & Villani 2003).

    References
    ----------
    D. Bakry and M. Émery, Diffusions hypercontractives, Séminaire de probabilités XIX, 177 (1985).
    J. A. Carrillo, R. J. McCann and C. Villani, Revista Matemática Iberoamericana 19, 971 (2003).

    Examples
    --------
    >>> bakry_emery(1.5).rate
    3.0
    """
    k = require_number("curvature", curvature, positive=True)
    return Certificate(2 * k, "Bakry–Émery", f"∇²V ≥ {k:g}")


def holley_stroock(curvature: float, oscillation: float, temperature: float) -> Certificate:
    """Certify a decay rate for V = V₀ + U with ∇²V₀ ≥ k > 0 and U bounded, and Shannon entropy at temperature T.

        rate = 2k e^{−osc U/T},   osc U = sup U − inf U

    Parameters
    ----------
    curvature : float > 0
        k, a lower bound of the eigenvalues of ∇²V₀, in units of 1/t.
    oscillation : float ≥ 0
        osc U, in the units of F.
    temperature : float > 0
        T, in the units of F.

    Returns
    -------
    Certificate
        The rate, per unit of flow time.

    Raises
    ------
    ConfigError
        Unless k > 0, osc U ≥ 0 and T > 0.

    See Also
    --------
    wgf.diagnostics.rates.Certificate, wgf.diagnostics.rates.bakry_emery
    wgf.diagnostics.rates.double_well_certificate

    Notes
    -----
    The log-Sobolev constant of e^{−V/T} is at least that of e^{−V₀/T} times e^{−osc U/T}.

    References
    ----------
    R. Holley and D. Stroock, Journal of Statistical Physics 46, 1159 (1987).

    Examples
    --------
    >>> round(holley_stroock(1.0, 0.5, 1.0).rate, 6)
    1.213061
    """
    k = require_number("curvature", curvature, positive=True)
    osc = require_number("oscillation", oscillation, nonnegative=True)
    T = require_number("temperature", temperature, positive=True)
    rate = 2 * k * math.exp(-osc / T)
    return Certificate(rate, "Holley–Stroock", f"V = V₀ + U, ∇²V₀ ≥ {k:.4g}, osc U ≤ {osc:.4g}, T = {T:g}")


def double_well_certificate(temperature: float) -> Certificate:
    """Certify a decay rate for the double well V = x⁴/4 − x²/2 at temperature T, by `holley_stroock`.

        rate = 2k e^{−(1+k)²/4T},   with k² + k = 2T, where it is largest

    It also holds with a convex potential of other coordinates added, if that has at least the curvature k.

    Parameters
    ----------
    temperature : float > 0
        T, in the units of F.

    Returns
    -------
    Certificate
        The best rate of this splitting, per unit of flow time. A sharper constant exists.

    Raises
    ------
    ConfigError
        Unless T > 0.

    See Also
    --------
    wgf.diagnostics.rates.holley_stroock, wgf.diagnostics.rates.Certificate

    Notes
    -----
    The splitting: let c² = 1 + k. V₀ is V for |x| ≥ c. For |x| < c it is a parabola of curvature k that meets V at
    |x| = c with the same slope. Then V₀″ ≥ k, and U = V − V₀ = (x² − c²)²/4 on |x| < c, so osc U = (1 + k)²/4.

    Examples
    --------
    >>> round(double_well_certificate(0.5).rate, 4)
    0.3338
    """
    T = require_number("temperature", temperature, positive=True)
    k = 0.5 * (math.sqrt(1 + 8 * T) - 1)
    return holley_stroock(k, 0.25 * (1 + k) ** 2, T)
