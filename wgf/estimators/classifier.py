"""The classifier: logistic loss for two classes, cross-entropy for more."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from ..energies.losses import CrossEntropy, Logistic, Loss
from ..errors import ConfigError
from ..protocol import Solver
from .mean_field import MeanField


class MeanFieldClassifier(ClassifierMixin, MeanField):
    """A two-layer network as a classifier of scikit-learn. Its neurons follow a Wasserstein gradient flow.

        F[μ] = R[μ] + λ ∫ ½|θ|² dμ − T S[μ],    θ̇ᵢ = −∇_W F[μ](θᵢ),   0 ≤ t ≤ t_end

    R is the mean loss of f_μ(z) = ∫ a σ(w·z + b) dμ(θ), S the log-determinant of the covariance of the neurons. Use it
    in pipelines and searches. Take `wgf.solve` for other terms, losses or units.

    Parameters
    ----------
    neurons : int, default 100
        The number of neurons, which are the particles.
    activation : {"softplus", "tanh", "sigmoid", "erf", "relu", "identity"}
        σ.
    weight_decay : float, default 1e-3
        λ ≥ 0.
    temperature : float, default 1e-3
        T ≥ 0. The entropy keeps the neurons different from each other.
    ridge : float, default 1e-3
        ε ≥ 0 of S = ½ log det(C + εI). With ridge 0 there must be more neurons than numbers in a neuron.
    solver : Solver, optional
        A scheme of `wgf.solvers`. By default `BogackiShampine(rtol=1e-3, atol=2e-3)`, which adapts its steps.
    dt : float, default 0.1
        The first step of an adaptive scheme, or all steps, in flow time.
    t_end : float, default 400.0
        The time at which the flow ends, in flow time.
    partial_time : float, default 1.0
        The time by which each `partial_fit` goes on.
    early_stopping : bool or "auto", default "auto"
        Whether the time is found on rows that are held out: then the flow runs on the others, until the loss on the
        rows held out has not become less while the time doubled; and again on all rows, to the time of the least loss.
        "auto" does so from 100 rows on.
    validation_fraction : float, default 0.1
        The part of the rows that is held out.
    tol : float, default 1e-4
        The flow ends early where F can release less than this part of what it has released.
    max_steps : int, default 10_000
        The largest number of steps.
    standardise : bool, default True
        Whether inputs are scaled to mean 0 and standard deviation 1 by the data of the fit.
    class_weight : "balanced" or dict, optional
        A factor on the weights of each class, by label.
    warm_start : bool, default False
        Whether `fit` goes on from the neurons of the last fit.
    random_state : int or RandomState, optional
        Fixes the first neurons, and the rows that are held out. The same number gives the same bits.

    Attributes
    ----------
    classes_ : array (K,)
        The labels, sorted.
    ensemble_ : wgf.Ensemble
        The neurons.
    history_ : wgf.Ledger
        The ledger of the last flow: free energy, forces, dissipation, closure.
    validation_history_ : wgf.Ledger
        The ledger of the flow that found the time, with a column `validation_loss`. Only with early stopping.
    n_iter_, t_ : int, float
        The number of steps of the last flow, and the time at which it ended.
    scaler_ : StandardScaler or None
        The units of the inputs.
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
        From `fit`, at most once for each reason. The closure (`wgf.Ledger`) says whether steps resolve the flow. Where
        it is beyond 10 %, or the flow diverges, the flow is repeated with smaller steps, up to twice. The warning comes
        where this does not help, or where `max_steps` end the flow.

    Notes
    -----
    All rows are used in each step, in float64. Time O(neurons · M · (D + K)) per gradient; a fit takes about 50 steps
    of three gradients. Two classes have one output, K classes have K.

    See Also
    --------
    MeanFieldRegressor : the same network for numbers.
    wgf.NetworkRisk : the risk.

    References
    ----------
    Mei, Montanari & Nguyen (2018), PNAS 115.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MeanFieldClassifier(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95, model.history_["free_energy"][-1] < model.history_["free_energy"][0]
    (True, np.True_)
    """

    def __init__(
        self,
        neurons: int = 100,
        *,
        activation: str = "softplus",
        weight_decay: float = 1e-3,
        temperature: float = 1e-3,
        ridge: float = 1e-3,
        solver: Solver | None = None,
        dt: float = 0.1,
        t_end: float = 400.0,
        partial_time: float = 1.0,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        tol: float = 1e-4,
        max_steps: int = 10_000,
        standardise: bool = True,
        class_weight: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            neurons, activation=activation, weight_decay=weight_decay, temperature=temperature, ridge=ridge,
            solver=solver, dt=dt, t_end=t_end, partial_time=partial_time, early_stopping=early_stopping,
            validation_fraction=validation_fraction, tol=tol, max_steps=max_steps, standardise=standardise,
            warm_start=warm_start, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> MeanFieldClassifier:
        """Go on with the flow for the time `partial_time`, on these data alone.

        Parameters
        ----------
        X : array (M, D)
            Inputs. The first call fixes their units, where `standardise` is true.
        y : array (M,)
            Labels.
        classes : array (K,), optional
            All labels. Needed in the first call where y lacks some of them.
        sample_weight : array (M,), optional
            Weights ≥ 0.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter or the data are not acceptable, or with class_weight="balanced", which needs all data.
        """
        again = hasattr(self, "ensemble_")
        named = None if classes is None else np.unique(column_or_1d(classes))
        if again and named is not None and not np.array_equal(named, self.classes_):
            raise ConfigError(f"classes = {named}: the first call of partial_fit had {self.classes_}.")
        self._named = named
        try:
            return self._fit(X, y, sample_weight, again=again, partial=True)
        finally:
            del self._named

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class: σ(f) for two classes, softmax(f) for more.

        Parameters
        ----------
        X : array (M, D)
            Inputs.

        Returns
        -------
        array (M, K), float64
            Columns in the order of `classes_`.
        """
        f = self._scores(X)
        if f.shape[1] == 1:
            f = np.hstack([np.zeros_like(f), f])
        p: np.ndarray = np.exp(f - f.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def decision_function(self, X: Any) -> np.ndarray:
        """The outputs of the network.

        Parameters
        ----------
        X : array (M, D)
            Inputs.

        Returns
        -------
        array (M,) or (M, K), float64
            For two classes one number, positive for `classes_[1]`; else one for each class.
        """
        f = self._scores(X)
        return f[:, 0] if f.shape[1] == 1 else f

    def predict(self, X: Any) -> np.ndarray:
        """The label of the most likely class.

        Parameters
        ----------
        X : array (M, D)
            Inputs.

        Returns
        -------
        array (M,)
            Labels of `classes_`.
        """
        f = self._scores(X)
        index = (f[:, 0] > 0).astype(int) if f.shape[1] == 1 else f.argmax(axis=1)
        labels: np.ndarray = self.classes_[index]
        return labels

    def _targets(self, y: np.ndarray, first: bool) -> np.ndarray:
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        named = getattr(self, "_named", None)
        if first:
            classes = np.unique(y) if named is None else named
            if len(classes) < 2:
                raise ConfigError(f"y has one class, {classes[:1].tolist()[0]!r}; wanted two classes or more.")
            self.classes_ = classes
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ConfigError(
                f"y has the class {unknown.tolist()[0]!r}, which is not among the classes {self.classes_}."
            )
        index: np.ndarray = np.searchsorted(self.classes_, y)
        return index

    def _law(self, y: np.ndarray, weights: np.ndarray, partial: bool) -> np.ndarray:
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            if partial:
                raise ConfigError(
                    'class_weight = "balanced" in partial_fit: the frequencies of all data are not known there; give '
                    "the weights of the classes as a dict."
                )
            totals = np.bincount(y, weights, len(self.classes_))
            law = weights / np.where(totals > 0, totals, 1.0)[y]
        else:
            present = self.classes_
            law = weights * compute_class_weight(self.class_weight, classes=present, y=present)[y]
        if np.count_nonzero(np.bincount(y, law, len(self.classes_))) < 2 and not partial:
            raise ConfigError("the weights leave rows of one class only; wanted two classes or more.")
        return law

    def _loss_of(self) -> Loss:
        return Logistic() if len(self.classes_) == 2 else CrossEntropy(classes=len(self.classes_))
