"""The energy of a pair interaction, ½ ∬ W dμ dμ, for any kernel W."""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, DivergenceError, WgfWarning, closest, require_number, shown
from ..functional import Evaluation, Functional, Work
from ..kernels import Kernel
from ..kernels.radial import pair_bodies
from ..measure import Ensemble, checks
from ..ops import bodies
from ..summation import (
    METHODS,
    Check,
    Costs,
    Summation,
    default_costs,
    load_costs,
    require_method,
    takes_all_pairs,
)


class Interaction(Functional):
    """The energy of particles that act on each other in pairs through a kernel W.

        𝓕[μ] = ½ ∬ W(x − y) dμ(x) dμ(y)
        δ𝓕/δμ = W * μ,    ∇_W 𝓕(x) = ∫ ∇W(x − y) dμ(y)

    A kernel that decreases with the distance repels, and −W attracts. Smooth and softened kernels include the self
    pair. Singular ones leave it out.

    Parameters
    ----------
    kernel : Kernel
        W, such as `wgf.kernels.Gaussian(1.0)`. Its lengths are in the units of x.
    method : {"auto", "dense", "fourier", "sorting", "moments"}
        How to sum over pairs, in O(n·d) memory and the workspace of a grid:

        - "dense": all pairs, in O(n²·d) time. For any kernel.
        - "fourier": non-uniform transforms, in O(n) time and that of a grid. For a finite function of |x − y| in d ≤ 3.
          Needs the extra `wgflow[fast]`.
        - "sorting": exact, in O(n log n) time. On a line, for Laplace, Matern, Morse and Newtonian(1).
        - "moments": exact, in O(n·d) time. For QuadraticKernel, Cosine and Linear.
        - "auto": the one that should be fastest by a table of costs. It depends on its arguments, never on a timing.
    rtol : float
        The error allowed to "fourier": the largest error of a sum over particles relative to the largest sum, for
        values and for forces each.
    costs : Costs or path, optional
        A table of costs that `wgf tune` measured. By default the table of the package.

    Raises
    ------
    ConfigError
        If `kernel` is no kernel, the method is not known, or it cannot sum the kernel to `rtol`.
    DivergenceError
        If two particles coincide under a singular kernel. The message names both.
    BackendError
        If "fourier" is wanted and finufft is not installed.

    See Also
    --------
    wgf.kernels.Kernel, wgf.solvers.RandomBatch, wgf.kernels.RadialKernel, wgf.kernels.KernelSum

    Notes
    -----
    `rtol` is kept by construction and confirmed on 32 particles each time. At records, 256 particles are compared with
    sums over all pairs. The ledger has that error as `sums_error:<name>`.
    A singular kernel gives large forces between close particles: use a small step or a softening.

    References
    ----------
    Villani (2003), Topics in Optimal Transportation, chapter 5.
    Carrillo, McCann & Villani (2003), Rev. Mat. Iberoam. 19.

    Examples
    --------
    >>> import wgf
    >>> Interaction(wgf.kernels.QuadraticKernel(1.0)).value(Ensemble([[0.0], [2.0]])).item()
    0.5
    """

    integrates = True
    elementwise = True

    def __init__(
        self,
        kernel: Kernel,
        method: str = "auto",
        rtol: float = 1e-6,
        costs: Costs | str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(kernel, Kernel):
            raise ConfigError(
                f"Interaction(kernel={shown(kernel)}): wanted a kernel of wgf.kernels, such as Gaussian(1.0)."
            )
        if method not in METHODS:
            raise ConfigError(f"Interaction(method={shown(method)}){closest(method, METHODS)}")
        self.kernel, self.method, self.rtol = kernel, method, require_number("rtol", rtol, positive=True)
        require_method(kernel, method, self.rtol)
        self._costs = costs if isinstance(costs, Costs) else default_costs() if costs is None else load_costs(costs)

    @property
    def pair_kernel(self) -> Kernel:
        return self.kernel

    def prepare(self, mu: Ensemble) -> Functional:
        """On a torus: refuse a kernel that does not fade within half a period, and warn where it has not quite."""
        if mu.period is not None:
            _require_fading(self.kernel, 0.5 * float(mu.period.min()))
        return self

    def audit(self, mu: Ensemble) -> Check:
        """Say how the sums over μ are made, and measure their error where they are approximate.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d).

        Returns
        -------
        Check
            The method in use, and the error against sums over all pairs at 256 particles.
        """
        return mu.audit(self.kernel, Summation(self.method, self.rtol, self._costs))

    def undivided(self, mu: Ensemble) -> str | None:
        return "method='sorting' sorts all particles" if self.method == "sorting" else super().undivided(mu)

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        if self.kernel.by_moments and self.method in ("auto", "moments"):
            return super().work(mu)
        return Work.over_pairs(mu, mu.n, dense=self.method == "dense")

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        value, gradient = mu.kernel_sums(self.kernel, at, None, self.method, self.rtol, self._costs)
        if self.kernel.singular:
            mu.together(lambda: None if checks.finite(gradient) else self._name_coincident(mu, at))
        return value, gradient

    def _name_coincident(self, mu: Ensemble, at: Tensor | None) -> None:
        """DivergenceError that names two points at the same place, if there are any."""
        points = mu.x if at is None else torch.cat([mu.x, at])
        _, group, count = torch.unique(points, dim=0, return_inverse=True, return_counts=True)
        repeated = torch.nonzero(count[group] > 1).flatten()
        if len(repeated):
            first = int(repeated[0])
            second = int(torch.nonzero(group == group[first]).flatten()[1])
            other = f"particle {second}" if second < mu.n else f"point {second - mu.n} of `at`"
            raise DivergenceError(
                f"{self.name}: particle {first} and {other} coincide at {points[first].tolist()}, where "
                f"{self.kernel.formula} is infinite; move them apart or give the kernel a softening."
            )

    def __repr__(self) -> str:
        text = f"Interaction(kernel={self.kernel.formula}, method={self.method!r}, rtol={self.rtol!r})"
        return f"{text}  # {self.kernel.acts}" if self.kernel.acts else text

    def body(self, mu: Ensemble) -> Any:
        how, dtype = Summation(self.method, self.rtol, self._costs), str(mu.dtype).removeprefix("torch.")
        small = mu.n <= bodies.BLOCK and mu.dim <= ops.DIRECT_UP_TO and mu.whole
        if not (small and takes_all_pairs(self.kernel, mu.n, mu.dim, dtype, how)):
            return None
        made = pair_bodies(self.kernel, mu.weights, mu.dtype, mu.dim)
        return made and bodies.Pairs(tuple(pair for pair, _ in made), made[0][1], (0,) * mu.dim)

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * mu.expect(self._sums(mu, None)[0])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._sums(mu, at)[0].to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._sums(mu, at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient = self._sums(mu, None)
        return Evaluation(0.5 * mu.expect(value), gradient)


FADED, CONSTANT = 0.05, 0.5
"""|K| at half a period, relative to its largest value: above the first a warning, above the second a refusal."""


def _require_fading(kernel: Kernel, half: float) -> None:
    """The nearest image is right where K has faded at half a period; there the force jumps by twice what is left."""
    if kernel.long_ranged or not kernel.radial:
        return  # sums refuse what is long-ranged; a cosine is periodic
    values = kernel.profile(torch.linspace(0.0, half, 65, dtype=torch.float64)[1:] ** 2).abs()
    left = float(values[-1] / values.max())
    if left > CONSTANT:
        raise ConfigError(
            f"Interaction: {kernel!r} is {left:.2f} of its largest value at half a period ({half:.3g}); wanted a "
            "kernel that fades within it, such as one of a smaller range."
        )
    if left > FADED:
        warnings.warn(
            f"Interaction: {kernel!r} is {left:.2f} of its largest value at half a period ({half:.3g}); only the "
            "nearest image acts, so the force jumps there. A smaller range avoids it.",
            WgfWarning,
            stacklevel=2,
        )
