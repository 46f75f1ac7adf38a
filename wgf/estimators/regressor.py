"""The regressor: squared loss, or that of Huber."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from ..energies.losses import Huber, Loss, Squared, require_loss
from ..errors import ConfigError, shown
from ..protocol import Solver
from .mean_field import MeanField


class MeanFieldRegressor(RegressorMixin, MeanField):
    """A two-layer network as a regressor of scikit-learn. Its neurons follow a Wasserstein gradient flow.

        F[μ] = R[μ] + λ ∫ ½|θ|² dμ − T S[μ],    θ̇ᵢ = −∇_W F[μ](θᵢ),   0 ≤ t ≤ t_end

    R is the mean loss of f_μ(z) = ∫ a σ(w·z + b) dμ(θ), S the log-determinant of the covariance of the neurons. Use it
    in pipelines and searches. Take `wgf.solve` for other terms, losses or units.

    Parameters
    ----------
    neurons : int, default 100
        The number of neurons, which are the particles.
    activation : {"softplus", "tanh", "sigmoid", "erf", "relu", "identity"}
        σ.
    loss : {"squared", "huber"} or Loss, default "squared"
        ℓ, in units of the standard deviation of the targets where `standardise` is true.
    weight_decay, temperature, ridge, solver, dt, t_end, partial_time, early_stopping, validation_fraction, tol, \
max_steps, warm_start, random_state
        As for `MeanFieldClassifier`, with the same defaults, except for t_end = 100: later the network learns the noise
        of small data sets by heart.
    standardise : bool, default True
        Whether inputs and targets are scaled to mean 0 and standard deviation 1 by the data of the fit. Predictions are
        in the units of y.

    Attributes
    ----------
    ensemble_ : wgf.Ensemble
        The neurons.
    history_ : wgf.Ledger
        The ledger of the last flow: free energy, forces, dissipation, closure.
    validation_history_ : wgf.Ledger
        The ledger of the flow that found the time. Only with early stopping.
    n_iter_, t_ : int, float
        The number of steps of the last flow, and the time at which it ended.
    scaler_, target_scaler_ : StandardScaler or None
        The units of the inputs, and of the targets.
    unit_ : wgf.energies.NetworkUnit
        The unit φ(z; θ).
    n_features_in_, feature_names_in_ : int, array
        As everywhere in scikit-learn.

    Raises
    ------
    ConfigError
        From `fit`, for parameters or data that are not acceptable. It is a ValueError.

    Warns
    -----
    ConvergenceWarning
        From `fit`, as for `MeanFieldClassifier`.

    Notes
    -----
    All rows are used in each step, in float64. Several targets (M, K) share the neurons.

    See Also
    --------
    MeanFieldClassifier : the same network for classes.
    wgf.NetworkRisk : the risk.

    References
    ----------
    Mei, Montanari & Nguyen (2018), PNAS 115.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MeanFieldRegressor(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.45, model.predict(X[:2]).shape
    (True, (2,))
    """

    def __init__(
        self,
        neurons: int = 100,
        *,
        activation: str = "softplus",
        loss: str | Loss = "squared",
        weight_decay: float = 1e-3,
        temperature: float = 1e-3,
        ridge: float = 1e-3,
        solver: Solver | None = None,
        dt: float = 0.1,
        t_end: float = 100.0,
        partial_time: float = 1.0,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        tol: float = 1e-4,
        max_steps: int = 10_000,
        standardise: bool = True,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            neurons, activation=activation, weight_decay=weight_decay, temperature=temperature, ridge=ridge,
            solver=solver, dt=dt, t_end=t_end, partial_time=partial_time, early_stopping=early_stopping,
            validation_fraction=validation_fraction, tol=tol, max_steps=max_steps, standardise=standardise,
            warm_start=warm_start, random_state=random_state,
        )  # fmt: skip
        self.loss = loss

    _numeric = True

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MeanFieldRegressor:
        """Go on with the flow for the time `partial_time`, on these data alone.

        Parameters
        ----------
        X : array (M, D)
            Inputs. The first call fixes their units, where `standardise` is true.
        y : array (M,) or (M, K)
            Targets.
        sample_weight : array (M,), optional
            Weights ≥ 0.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter or the data are not acceptable.
        """
        return self._fit(X, y, sample_weight, again=hasattr(self, "ensemble_"), partial=True)

    def predict(self, X: Any) -> np.ndarray:
        """The output of the network, in the units of the targets.

        Parameters
        ----------
        X : array (M, D)
            Inputs.

        Returns
        -------
        array (M,) or (M, K), float64
            As the targets of the fit.
        """
        f = self._scores(X)
        if self.target_scaler_ is not None:
            f = self.target_scaler_.inverse_transform(f)
        return f[:, 0] if self._flat else f

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _targets(self, y: np.ndarray, first: bool) -> np.ndarray:
        if first:
            self._flat = y.ndim == 1
        return y.astype(np.float64).reshape(len(y), -1)

    def _law(self, y: np.ndarray, weights: np.ndarray, partial: bool) -> np.ndarray:
        return weights

    def _loss_of(self) -> Loss:
        loss = require_loss(self.loss)
        if not isinstance(loss, (Squared, Huber)):
            raise ConfigError(f"loss = {shown(self.loss)}: wanted 'squared', 'huber', or one of these as a Loss.")
        return loss
