"""What both estimators share: parameters, data, the flow of a fit, and scores of new data."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..energies import NetworkRisk, Quadratic
from ..energies.losses import Loss
from ..energies.units import NetworkUnit
from ..entropies import LogDet
from ..errors import ConfigError, require_integer, require_number, shown
from ..functional import Functional
from ..ledger import Ledger
from ..measure import Ensemble
from ..protocol import Solver
from ..solvers import BogackiShampine
from .following import VALIDATION, Course, follow

HELD_OUT_FROM = 100
"""With early_stopping="auto" a validation part is held out from so many rows on."""


class MeanField(BaseEstimator):
    """The base of the estimators: a two-layer network whose neurons follow a gradient flow.

    A subclass defines `_targets`, `_law` and `_loss_of`.
    """

    unit_: NetworkUnit
    ensemble_: Ensemble
    history_: Ledger

    def __init__(
        self, neurons: int, *, activation: str, weight_decay: float, temperature: float, ridge: float,
        solver: Solver | None, dt: float, t_end: float, partial_time: float, early_stopping: bool | str,
        validation_fraction: float, tol: float, max_steps: int, standardise: bool, warm_start: bool, random_state: Any,
    ) -> None:  # fmt: skip
        self.neurons = neurons
        self.activation = activation
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.ridge = ridge
        self.solver = solver
        self.dt = dt
        self.t_end = t_end
        self.partial_time = partial_time
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.max_steps = max_steps
        self.standardise = standardise
        self.warm_start = warm_start
        self.random_state = random_state

    # ----------------------------------------------------------------------------------- what a subclass says

    @abstractmethod
    def _targets(self, y: np.ndarray, first: bool) -> np.ndarray:
        """The targets as the risk takes them: class indices (M,), or numbers (M, K) before they are standardised."""

    @abstractmethod
    def _law(self, y: np.ndarray, weights: np.ndarray, partial: bool) -> np.ndarray:
        """The weights of the samples in the risk (M,), from those that the user gave."""

    @abstractmethod
    def _loss_of(self) -> Loss:
        """The loss."""

    _numeric = False
    """Whether targets are numbers."""

    # ----------------------------------------------------------------------------------- fitting

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Follow the gradient flow of the free energy on these data, from new neurons.

        Parameters
        ----------
        X : array (M, D)
            Inputs. A pandas frame of numbers is taken as well; a sparse matrix is refused.
        y : array (M,) or (M, K)
            Targets: labels of any kind for a classifier, numbers for a regressor.
        sample_weight : array (M,), optional
            Weights ≥ 0. A weight of 2 is the same as the row twice, a weight of 0 the same as no row.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If a parameter or the data are not acceptable (a ValueError), or with `warm_start` fit the network no more.
        DivergenceError, StepSizeError
            If the flow fails with the smallest steps as well.

        Notes
        -----
        With `warm_start` the flow goes on from the neurons of the last fit, in the old units of inputs and targets.
        """
        again = bool(self.warm_start) and hasattr(self, "ensemble_")
        return self._fit(X, y, sample_weight, again=again, partial=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, again: bool, partial: bool) -> Any:
        course = self._course(partial)
        free_terms = self._free_terms()
        X, y = validate_data(
            self, X, y, dtype=np.float64, reset=not again, multi_output=self._numeric, y_numeric=self._numeric
        )
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        targets = self._targets(y, first=not again)
        law = self._law(targets, weights, partial)
        kept = law > 0
        if not kept.any():
            raise ConfigError("class_weight: every row here has the weight 0; wanted a positive one at least.")
        X, targets, weights, law = X[kept], targets[kept], weights[kept], law[kept]
        if not again:
            self._begin_units(X, targets, weights)
        inputs, wanted = self._in_units(X, targets)
        loss = self._loss_of()
        risk = NetworkRisk(inputs, wanted, activation=self.activation, loss=loss).with_law(law / law.sum())
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        start = self._start(risk, seed, again)
        complaints = []
        if not partial and self._holds_out(len(inputs)):
            t_best, complaint = self._validated(inputs, wanted, law, loss, start, free_terms, course, seed)
            complaints.append(complaint)
            course = Course(course.solver, course.dt, t_best, course.max_steps, 0.0)
        solution, _, complaint = follow(risk + free_terms if free_terms else risk, start, course)
        for text in dict.fromkeys([*complaints, complaint]):
            if text:
                warnings.warn(text, ConvergenceWarning, stacklevel=3)
        self.ensemble_, self.history_, self.unit_ = solution.ensemble, solution.ledger, risk.unit
        self.n_iter_, self.t_ = solution.state.step, float(solution.state.t)
        return self

    def _course(self, partial: bool) -> Course:
        """The settings of the flow, checked."""
        solver = BogackiShampine(rtol=1e-3, atol=2e-3) if self.solver is None else self.solver
        if not isinstance(solver, Solver):
            raise ConfigError(f"solver = {shown(solver)}: wanted a scheme of wgf.solvers, such as Heun(), or None.")
        times = {
            name: require_number(name, getattr(self, name), positive=True) for name in ("dt", "t_end", "partial_time")
        }
        return Course(
            solver,
            times["dt"],
            times["partial_time" if partial else "t_end"],
            require_integer("max_steps", self.max_steps, low=1),
            require_number("tol", self.tol, nonnegative=True),
        )

    def _free_terms(self) -> Functional | None:
        """The free energy without the risk: weight decay and entropy."""
        require_integer("neurons", self.neurons, low=1)
        decay = require_number("weight_decay", self.weight_decay, nonnegative=True)
        temperature = require_number("temperature", self.temperature, nonnegative=True)
        terms: list[Functional] = [decay * Quadratic()] if decay else []
        entropy = LogDet(ridge=self.ridge)
        terms += [-temperature * entropy] if temperature else []
        return sum(terms[1:], start=terms[0]) if terms else None

    def _start(self, risk: NetworkRisk, seed: int, again: bool) -> Ensemble:
        if not again:
            return risk.initial(self.neurons, seed)
        if (self.ensemble_.n, self.unit_) != (self.neurons, risk.unit):
            raise ConfigError(
                f"the fitted network has {self.ensemble_.n} neurons of {self.unit_!r}, the parameters and data ask for "
                f"{self.neurons} of {risk.unit!r}; set warm_start=False, or fit a clone."
            )
        return self.ensemble_

    def _begin_units(self, X: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """Find the units of inputs, and of numbers as targets: mean 0 and standard deviation 1."""
        if not isinstance(self.standardise, bool):
            raise ConfigError(f"standardise = {shown(self.standardise)}: wanted True or False.")
        self.scaler_ = StandardScaler().fit(X, sample_weight=weights) if self.standardise else None
        scaled = self.standardise and self._numeric
        self.target_scaler_ = StandardScaler().fit(targets, sample_weight=weights) if scaled else None

    def _in_units(self, X: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inputs = X if self.scaler_ is None else self.scaler_.transform(X)
        return inputs, targets if self.target_scaler_ is None else self.target_scaler_.transform(targets)

    # ----------------------------------------------------------------------------------- validation

    def _holds_out(self, rows: int) -> bool:
        """Whether a validation part decides when the flow ends."""
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "auto":
            raise ConfigError(f"early_stopping = {shown(self.early_stopping)}: wanted True, False or 'auto'.")
        fraction = require_number("validation_fraction", self.validation_fraction)
        if not 0 < fraction < 1:
            raise ConfigError(f"validation_fraction = {shown(fraction)}: wanted a number strictly between 0 and 1.")
        return rows >= HELD_OUT_FROM if self.early_stopping == "auto" else bool(self.early_stopping)

    def _validated(
        self, inputs: np.ndarray, targets: np.ndarray, law: np.ndarray, loss: Loss, start: Ensemble,
        free_terms: Functional | None, course: Course, seed: int,
    ) -> tuple[float, str]:  # fmt: skip
        """The time of the least loss on rows that are held out, and a complaint about the flow that found it."""
        labels = None if self._numeric or np.bincount(targets).min() < 2 else targets
        try:
            train, test = train_test_split(
                np.arange(len(inputs)), test_size=self.validation_fraction, random_state=seed, stratify=labels
            )
        except ValueError as error:
            raise ConfigError(f"early_stopping: {len(inputs)} rows cannot be split: {error}") from error
        risk = NetworkRisk(inputs[train], targets[train], activation=self.activation, loss=loss)
        risk = risk.with_law(law[train] / law[train].sum())
        held = NetworkRisk(inputs[test], targets[test], activation=self.activation, loss=loss)
        held = held.with_law(law[test] / law[test].sum())
        solution, best, complaint = follow(
            risk + free_terms if free_terms else risk, start, course, {VALIDATION: lambda mu: float(held.value(mu))}
        )
        self.validation_history_ = solution.ledger
        return best or float(solution.ledger["t"][1]), complaint  # no loss was less than that at the start

    # ----------------------------------------------------------------------------------- new data

    def _scores(self, X: Any) -> np.ndarray:
        """The outputs of the network (M, K), in the units of the fit."""
        check_is_fitted(self, "ensemble_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        z = np.ascontiguousarray(X if self.scaler_ is None else self.scaler_.transform(X))
        mu = self.ensemble_
        scores: np.ndarray = self.unit_.forward(mu.x, mu.weights, torch.from_numpy(z)).numpy()
        return scores
