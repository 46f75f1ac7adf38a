"""The risk of a mean-field network: every particle is a neuron, and the data are its environment."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..errors import ShapeError, require_integer, require_seed
from ..functional import Evaluation, Work
from ..measure import ArrayLike, Ensemble, require_device, require_dtype
from .aggregates import Mean
from .batches import Samples, uniform
from .losses import CrossEntropy, Loss, require_loss
from .modules import AsModule
from .samples import as_inputs, as_targets
from .two_layer import require_unit
from .units import NetworkUnit


class NetworkRisk(AsModule, Samples):
    """The mean loss of a network that is an average over neurons, as a functional of the law μ of the neurons.

        R[μ] = (1/M) Σₘ ℓ(f_μ(zₘ), yₘ),    f_μ(z) = ∫ φ(z; θ) dμ(θ)
        δR/δμ(θ) = (1/M) Σₘ ℓ'(f_μ(zₘ), yₘ)·φ(zₘ; θ),    ∇_W R(θ) = ∇_θ of it

    δR/δμ is the marginal value of a neuron: the change of the risk per unit of mass put at θ.

    Parameters
    ----------
    inputs : array (M, D), float64 or float32
        The inputs z of M samples.
    targets : array (M,) or (M, K)
        Numbers; labels 0/1 or −1/+1 for "logistic"; class indices 0..K−1 (M,) for "cross_entropy", each of them in use.
    activation : {"tanh", "relu", "sigmoid", "softplus", "erf", "identity"}
        σ of the built-in unit a σ(w·z + b), with particles θ = (a, w, b).
    loss : {"squared", "huber", "logistic", "cross_entropy"} or Loss
        ℓ.
    unit : callable φ(z, θ) or `wgf.Unit(fn, dim)`, optional
        Another unit, in torch. With a `Unit`, `initial` knows the dimension of θ.
    batch : int, optional
        The size of a minibatch. The gradient then uses `batch` samples, drawn anew each step from the seed of the run.
    bias : bool, default False
        Whether the built-in unit has an output bias: a σ(w·z + b) + c, θ = (a, w, b, c), see `wgf.energies.TwoLayer`.

    Raises
    ------
    ConfigError, ShapeError
        If arrays, names or sizes do not fit. Also where the particles are on another device than the data.

    See Also
    --------
    wgf.Unit, wgf.energies.TwoLayer, wgf.estimators.MeanFieldClassifier, wgf.estimators.MeanFieldRegressor

    Notes
    -----
    Time O(n·M·(D + K)) per evaluation. Memory beyond O(n·d) is one block of neurons × samples.
    The force on w and b vanishes where a = 0 or σ' = 0: a saturated or dead neuron moves by other terms only.
    `wgf.drives` acts on a risk by `with_inputs`, `with_law` and `with_aggregate`: R = A[ℓ], ∂A/∂ℓₘ in place of 1/M.

    References
    ----------
    Mei, Montanari & Nguyen (2018), PNAS 115.

    Examples
    --------
    >>> import wgf
    >>> risk = wgf.NetworkRisk([[0.0], [1.0]], [1.0, 3.0], activation="identity")
    >>> mu = wgf.Ensemble([[1.0, 2.0, 1.0]])  # one neuron, f(z) = 1·(2z + 1)
    >>> risk.predict(mu, [[0.0], [1.0]]).tolist(), risk.value(mu).item()
    ([1.0, 3.0], 0.0)
    """

    integrates = True
    elementwise = True  # losses are computed in one thread of torch, and the passes are compiled

    def __init__(
        self,
        inputs: ArrayLike,
        targets: ArrayLike,
        activation: str = "tanh",
        loss: str | Loss = "squared",
        unit: NetworkUnit | Callable[[Tensor, Tensor], Tensor] | None = None,
        batch: int | None = None,
        bias: bool = False,
    ) -> None:
        self.inputs = as_inputs("inputs", inputs).clone()
        self.loss = require_loss(loss)
        self.targets, outputs = self.loss.encode(as_targets(targets, len(self.inputs)).to(self.inputs.device).clone())
        if isinstance(self.loss, CrossEntropy) and unit is None:  # a unit of the user says how many classes there are
            self.loss.require_every_class(self.targets)
        self.unit = require_unit(unit, self.inputs.shape[1], outputs, activation, bias)
        self._outputs = outputs
        self._flat = np.ndim(targets) == 1 and not self.loss.classifies
        self.batch = None if batch is None else require_integer("batch", batch, low=1, high=len(self.inputs))
        self._subset: Tensor | None = None
        self._chosen: tuple[Tensor, Tensor] | None = None  # the data of the subset
        self._law: Tensor | None = None
        self._aggregate = Mean()

    def __repr__(self) -> str:
        return f"NetworkRisk({len(self.inputs)} samples, {self.unit!r}, {type(self.loss).__name__})"

    @property
    def dim(self) -> int:
        """Dimension of a particle θ."""
        return self.unit.dim

    def initial(
        self,
        n: int,
        seed: int = 0,
        *,
        dtype: torch.dtype | str = torch.float64,
        device: str | torch.device | None = None,
    ) -> Ensemble:
        """Draw n independent neurons: a, b ~ N(0, 1) and w ~ N(0, 1/D); N(0, scale²) for a `Unit`.

        Parameters
        ----------
        n : int
            The number of particles.
        seed : int
            Fixes the draw. The first k of n neurons are the k neurons of the same seed.
        dtype, device : optional
            float64 or float32; by default the device of the data.
        """
        theta = self.unit.initial(n, require_seed(seed)).to(require_dtype(dtype))
        return Ensemble(theta.to(require_device(device or self.inputs.device)), copy=False)

    # ----------------------------------------------------------------------------------- predictions

    def _forward(self, mu: Ensemble, z: Tensor) -> Tensor:
        return self._finished(mu.summed(lambda x, weights: self.unit.forward(x, weights, z)))

    def _finished(self, f: Tensor) -> Tensor:
        if f.shape[1] != self._outputs:
            raise ShapeError(f"NetworkRisk: the unit has {f.shape[1]} outputs, the targets ask for {self._outputs}.")
        return f

    def _features(self, inputs: ArrayLike, mu: Ensemble) -> Tensor:
        z = as_inputs("inputs", inputs).to(mu.device)
        if z.shape[1] != self.inputs.shape[1]:
            raise ShapeError(f"inputs of {z.shape[1]} features; the risk has {self.inputs.shape[1]}.")
        return z

    def predict(self, mu: Ensemble, inputs: ArrayLike) -> Tensor:
        """The output f_μ at other inputs (M, D): (M, K) float64, or (M,) where a target is one number or one label.

        A classifier gives scores (logits). ShapeError for another number of features.
        """
        f = self._forward(mu, self._features(inputs, mu))
        return f[:, 0] if self._flat or (self.loss.classifies and self._outputs == 1) else f

    def _encode(self, targets: ArrayLike, m: int) -> Tensor:
        y, outputs = self.loss.encode(as_targets(targets, m))
        if outputs > self._outputs or (outputs < self._outputs and y.ndim == 2):
            raise ShapeError(f"targets ask for {outputs} outputs; the risk was built with {self._outputs}.")
        return y

    def accuracy(self, mu: Ensemble, inputs: ArrayLike, targets: ArrayLike) -> float:
        """The fraction of inputs (M, D) that is classified as in `targets`; ConfigError for a regression loss."""
        z = self._features(inputs, mu)
        correct = self.loss.correct(self._forward(mu, z), self._encode(targets, len(z)).to(mu.device))
        return float(correct.double().mean())

    def loss_on(self, mu: Ensemble, inputs: ArrayLike, targets: ArrayLike) -> float:
        """The mean loss (1/M) Σ ℓ(f_μ, y) on other data, inputs (M, D) and targets (M,) or (M, K)."""
        z = self._features(inputs, mu)
        losses = self._losses(self._forward(mu, z), self._encode(targets, len(z)).to(mu.device))
        return float(Mean().value(losses, uniform(losses)))

    # ----------------------------------------------------------------------------------- the functional

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        samples = len(self.inputs) if self.batch is None or whole else self.batch
        return Work(mu.n * mu.dim, products=float(samples) * mu.n * mu.dim)

    @property
    def infimum(self) -> float:
        return 0.0

    def _value(self, mu: Ensemble) -> Tensor:
        z, y = self._data(mu)
        return self._aggregated(self._losses(self._forward(mu, z), y))

    def _pull_back(self, mu: Ensemble, at: Tensor | None) -> tuple[Tensor, Tensor]:
        z, y = self._data(mu)
        return self.unit.backward(mu.points(at), z, self._both(self._forward(mu, z), y, len(y))[1])

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._pull_back(mu, at)[0]

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        return self._forward_backward(mu)[2] if at is None else self._pull_back(mu, at)[1]

    def _forward_backward(self, mu: Ensemble) -> tuple[Tensor, Tensor, Tensor]:
        """Predictions (M, K), losses (M,) and gradient (n, d) at the particles.

        Block by block of samples where A is linear.
        """
        z, y = self._data(mu)
        if not (self._aggregate.linear and mu.whole):  # the slope needs all losses, or all particles: two passes
            f = self._forward(mu, z)
            losses, residual = self._both(f, y, len(y))
            return f, losses, mu.rowwise(lambda x: self.unit.backward(x, z, residual)[1], mu.x)
        runs: list[tuple[Tensor, Tensor]] = []

        def along(partial: Tensor, rows: slice) -> Tensor:
            losses, residual = self._both(self._finished(partial), y[rows], len(y), rows)
            runs.append((partial, losses))
            return residual

        gradient = self.unit.forward_backward(mu.x, mu.weights, z, along)
        f, losses = runs[0] if len(runs) == 1 else (torch.cat(parts) for parts in zip(*runs, strict=True))
        return f, losses, gradient

    def _evaluate(self, mu: Ensemble) -> Evaluation:
        f, losses, gradient = self._forward_backward(mu)
        return Evaluation(self._aggregated(losses), gradient, outputs=f)
