"""Pair interaction ½ ∬ W dμ dμ by any kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import checks
from ..ensemble import Ensemble
from ..errors import ConfigError, DivergenceError, closest, require_number
from ..functional import Evaluation, Functional
from ..kernels import Kernel

METHODS = ("auto", "dense")
"""Ways to sum over pairs; the near-linear ones join here."""


class Interaction(Functional):
    """½ ∬ W(x − y) dμ(x) dμ(y), with δ/δμ = W * μ and ∇_W = ∫ ∇W(x − y) dμ(y).

    Smooth and softened kernels include the self pair; singular ones leave it out.
    `method`: "dense" sums all pairs in O(n²·d) time and O(n·d) memory; "auto" is free to choose any method
    whose relative error is below `rtol`, and dense is the only one so far.

    Raises DivergenceError naming two particles that coincide under a singular kernel.

    >>> import wgf
    >>> Interaction(wgf.kernels.QuadraticKernel(1.0)).value(Ensemble([[0.0], [2.0]])).item()
    0.5
    """

    def __init__(self, kernel: Kernel, method: str = "auto", rtol: float = 1e-6) -> None:
        if not isinstance(kernel, Kernel):
            raise ConfigError(f"Interaction(kernel={kernel!r}): wanted a kernel of wgf.kernels, such as Gaussian(1.0).")
        if method not in METHODS:
            raise ConfigError(f"Interaction(method={method!r}){closest(method, METHODS)}")
        self.kernel, self.method, self.rtol = kernel, method, require_number("rtol", rtol, positive=True)

    def _sums(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        value, gradient = mu.kernel_sums(self.kernel, at)
        if self.kernel.singular and not checks.finite(gradient):
            self._name_coincident(mu, at)
        return value, gradient

    def _name_coincident(self, mu: Ensemble, at: Tensor | None) -> None:
        points = mu.x if at is None else torch.cat([mu.x, at])
        _, group, count = torch.unique(points, dim=0, return_inverse=True, return_counts=True)
        repeated = torch.nonzero(count[group] > 1).flatten()
        if len(repeated):
            first = int(repeated[0])
            second = int(torch.nonzero(group == group[first]).flatten()[1])
            other = f"particle {second}" if second < mu.n else f"point {second - mu.n} of `at`"
            raise DivergenceError(
                f"{self.name}: particle {first} and {other} coincide at {points[first].tolist()}, where "
                f"{self.kernel!r} is infinite; move them apart or give the kernel a softening."
            )

    def _value(self, mu: Ensemble) -> Tensor:
        return 0.5 * mu.expect(self._sums(mu, None)[0])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._sums(mu, at)[0].to(mu.dtype)

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._sums(mu, at)[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        value, gradient = self._sums(mu, None)
        return Evaluation(0.5 * mu.expect(value), gradient)
