"""Cross-validation of the estimators and of scikit-learn's network, fold by fold in turns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...estimators import MeanFieldClassifier, MeanFieldRegressor
from ..frame.case import OURS
from ..frame.measure import Row, spread

WIDTH = 100
"""Neurons of every network; the default of scikit-learn."""
FOLDS, SHUFFLES = 5, 4
MLP, MLP_STOPPED = "scikit-learn MLP", "scikit-learn MLP, early stopping"
DATA = ("digits", "breast_cancer", "diabetes", "wine")


def rows(quick: bool) -> Iterator[Row]:
    """One row for each data set."""
    for name in DATA[-1:] if quick else DATA:
        yield compared(name, 1 if quick else SHUFFLES, WIDTH if not quick else 20)


def models(regression: bool, width: int, seed: int) -> dict[str, Any]:
    """The estimators by name, with the defaults of their libraries. Each standardises inputs, and targets that are
    numbers, by the data of the fit."""
    if regression:
        ours: Any = MeanFieldRegressor(width, random_state=seed)
        mlp = {
            name: TransformedTargetRegressor(
                make_pipeline(
                    StandardScaler(),
                    MLPRegressor(hidden_layer_sizes=(width,), early_stopping=stop, random_state=seed),
                ),
                transformer=StandardScaler(),
            )
            for name, stop in ((MLP, False), (MLP_STOPPED, True))
        }
    else:
        ours = MeanFieldClassifier(width, random_state=seed)
        mlp = {
            name: make_pipeline(
                StandardScaler(), MLPClassifier(hidden_layer_sizes=(width,), early_stopping=stop, random_state=seed)
            )
            for name, stop in ((MLP, False), (MLP_STOPPED, True))
        }
    return {OURS: ours, **mlp}


def compared(name: str, shuffles: int, width: int) -> Row:
    """Scores and times of all estimators on one data set: they take turns within each fold."""
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    regression = name == "diabetes"
    split = KFold if regression else StratifiedKFold
    names = list(models(regression, width, 0))
    scores: dict[str, list[float]] = {model: [] for model in names}
    seconds: dict[str, list[float]] = {model: [] for model in names}
    warned: dict[str, int] = dict.fromkeys(names, 0)
    for model in models(regression, width, 0).values():  # compiles, and is not counted
        _fit(model, X, y)
    for shuffle in range(shuffles):
        for number, (train, test) in enumerate(split(FOLDS, shuffle=True, random_state=shuffle).split(X, y)):
            ready = models(regression, width, shuffle)
            order = names[number % len(names) :] + names[: number % len(names)]
            for model in order:
                fitted, taken, count = _fit(ready[model], X[train], y[train])
                scores[model].append(float(fitted.score(X[test], y[test])))
                seconds[model].append(taken)
                warned[model] += count
    bodies = {
        model: {**spread(seconds[model]), **_summary(scores[model]), "scores": scores[model], "warned": warned[model]}
        for model in names
    }
    for body in bodies.values():
        change = np.array(scores[OURS]) - np.array(body["scores"])
        body["ours_minus"] = [float(change.mean()), float(change.std(ddof=1) / FOLDS**0.5)]
    return {
        "name": f"{name.replace('_', '-')}, {len(X)} × {X.shape[1]}", "family": "scores", "bodies": bodies,
        "score": "R²" if regression else "accuracy", "folds": FOLDS, "shuffles": shuffles, "width": width,
    }  # fmt: skip


def _fit(model: Any, X: np.ndarray, y: np.ndarray) -> tuple[Any, float, int]:
    """The fitted model, its seconds, and how many warnings it gave."""
    fresh = clone(model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begun = time.perf_counter()
        fresh.fit(X, y)
        taken = time.perf_counter() - begun
    return fresh, taken, len(caught)


def _summary(scores: list[float]) -> dict[str, float]:
    """Mean and standard error. Shuffles of the same data are not independent: the error is that of a single one."""
    return {"mean": float(np.mean(scores)), "error": float(np.std(scores, ddof=1) / FOLDS**0.5)}
