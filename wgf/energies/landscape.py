"""The base class of the potentials that have a name: V and its gradient in closed form."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from .. import ops
from ..errors import ShapeError
from ..functional import Evaluation, Functional
from ..measure import Ensemble


class Landscape(Functional):
    """The energy of particles in a potential V that is known in closed form.

        𝓕[μ] = ∫ V dμ,    δ𝓕/δμ = V,    ∇_W 𝓕 = ∇V

    It is the base class of the named potentials, such as `DoubleWell`. For a function of your own take `Potential`.

    Raises
    ------
    ShapeError
        If the particles have a dimension in which V is not defined.

    Notes
    -----
    A subclass defines `_landscape`, and sets `least_dim` or overrides `dim` where V needs that. Its settings are the
    arguments of its constructor, so that configuration files can write them. Register it by one import line in
    `wgf/energies/__init__.py`, or from outside by `wgf.energies.REGISTRY.add`.

    See Also
    --------
    wgf.Potential : any function V, by autograd.
    wgf.Quadratic : particles on springs.

    Examples
    --------
    >>> class Tilt(Landscape):  # V(x) = x₁
    ...     def _landscape(self, x):
    ...         slope = x.new_zeros(x.shape)
    ...         slope[:, 0] = 1.0
    ...         return x[:, 0].clone(), slope
    >>> Tilt().value(Ensemble([[1.0], [3.0]])).item()
    2.0
    """

    linear = True
    integrates = True
    elementwise = True
    least_dim: int = 1
    """The least dimension of the particles."""

    @property
    def dim(self) -> int | None:
        """The dimension of the particles, where V fixes it; else None."""
        return None

    @abstractmethod
    def _landscape(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """V (m,) and ∇V (m, d) at points x (m, d), in the dtype of x."""

    def _at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[1] < self.least_dim or self.dim not in (None, x.shape[1]):
            wanted = f"{self.dim}" if self.dim is not None else f"at least {self.least_dim}"
            raise ShapeError(f"{self.name}: the particles have dimension {x.shape[1]}; wanted {wanted}.")
        with ops.one_torch_thread():
            values, gradient = self._landscape(x)
        return values.to(x.dtype), gradient.to(x.dtype)

    def _value(self, mu: Ensemble) -> Tensor:
        return mu.expect(mu.rowwise(self._at, mu.x)[0])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._at(mu.points(at))[0]

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._at(mu.points(at))[1]

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        values, gradient = mu.rowwise(self._at, mu.x)
        return Evaluation(mu.expect(values), gradient)
