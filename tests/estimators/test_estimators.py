"""The estimators in scikit-learn: its own checks, pipelines, searches, weights, and refusals."""

from __future__ import annotations

import io
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import wgf
from wgf.errors import ConfigError
from wgf.estimators import MeanFieldClassifier, MeanFieldRegressor

BOTH = (MeanFieldClassifier, MeanFieldRegressor)
IRIS = load_iris(return_X_y=True)
SHORT = {"neurons": 20, "t_end": 10.0, "early_stopping": False, "random_state": 0}
"""Settings of a quick fit."""


@pytest.mark.slow
@parametrize_with_checks([MeanFieldClassifier(), MeanFieldRegressor()])
def test_the_checks_of_scikit_learn(estimator, check):
    """All of them. scikit-learn itself skips one, about arrays of other libraries, unless SCIPY_ARRAY_API is set."""
    check(estimator)


@pytest.mark.parametrize("cls", BOTH)
def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(cls):
    one, two, other = (cls(**SHORT | {"random_state": seed}).fit(*IRIS) for seed in (0, 0, 1))
    assert torch.equal(one.ensemble_.x, two.ensemble_.x)
    assert not torch.equal(one.ensemble_.x, other.ensemble_.x)


def test_a_fit_is_a_run_of_solve():
    """On standardised data, without a part that is held out, the neurons are those that `solve` finds, to the bit."""
    x, y = IRIS
    z = StandardScaler().fit(x, sample_weight=np.ones(150)).transform(x)
    model = MeanFieldClassifier(50, t_end=20.0, early_stopping=False, tol=0.0, random_state=7).fit(x, y)
    seed = np.random.RandomState(7).randint(np.iinfo(np.int32).max)
    risk = wgf.NetworkRisk(z, y, activation="softplus", loss="cross_entropy").with_law(np.full(150, 1 / 150))
    F = risk + 1e-3 * wgf.Quadratic() - 1e-3 * wgf.LogDet(ridge=1e-3)
    scheme = wgf.solvers.BogackiShampine(rtol=1e-3, atol=2e-3)
    sol = wgf.solve(F, risk.initial(50, seed), scheme, dt=0.1, t_end=20.0)
    assert torch.equal(model.ensemble_.x, sol.ensemble.x)
    assert model.n_iter_ == sol.state.step
    assert np.array_equal(model.history_["free_energy"], sol.ledger["free_energy"])
    assert np.allclose(model.decision_function(x), risk.predict(sol.ensemble, z).numpy(), atol=1e-12)


def test_labels_of_any_kind_and_frames():
    x, y = load_breast_cancer(return_X_y=True, as_frame=True)
    words = y.map({0: "malignant", 1: "benign"})
    model = MeanFieldClassifier(**SHORT).fit(x, words)
    assert list(model.classes_) == ["benign", "malignant"]
    assert list(model.feature_names_in_) == list(x.columns)
    assert model.score(x, words) > 0.95
    p = model.predict_proba(x)
    assert np.allclose(p.sum(axis=1), 1.0)
    assert np.array_equal(p[:, 1] > 0.5, model.decision_function(x) > 0)
    assert np.array_equal(model.predict(x), MeanFieldClassifier(**SHORT).fit(x.to_numpy(), words).predict(x.to_numpy()))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(x.rename(columns={"mean radius": "radius"}))


@pytest.mark.parametrize("cls", BOTH)
def test_weights_are_repetitions(cls):
    x, y = IRIS
    weights = np.random.default_rng(0).integers(0, 4, 150)
    weighted = cls(**SHORT).fit(x, y, sample_weight=weights)
    repeated = cls(**SHORT).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    assert np.allclose(weighted.ensemble_.x, repeated.ensemble_.x, atol=1e-8)


def test_class_weights_are_weights():
    x, y = IRIS
    factors = {0: 1.0, 1: 2.0, 2: 3.0}
    by_class = MeanFieldClassifier(class_weight=factors, **SHORT).fit(x, y)
    by_sample = MeanFieldClassifier(**SHORT).fit(x, y, sample_weight=y + 1.0)
    assert by_class.scaler_.mean_ == pytest.approx(x.mean(axis=0))
    plain = [  # units come from the samples, not from the classes: compare without them
        MeanFieldClassifier(standardise=False, **SHORT, class_weight=given).fit(x, y, weights)
        for given, weights in ((factors, None), (None, y + 1.0))
    ]
    assert torch.equal(plain[0].ensemble_.x, plain[1].ensemble_.x)
    assert by_sample.scaler_.mean_ != pytest.approx(x.mean(axis=0))
    few = np.r_[0:50, 50:60, 100:150]
    balanced = MeanFieldClassifier(class_weight="balanced", **SHORT).fit(x[few], y[few])
    assert (
        balanced.predict_proba(x)[:, 1].sum()
        > MeanFieldClassifier(**SHORT).fit(x[few], y[few]).predict_proba(x)[:, 1].sum()
    )


def test_partial_fit_goes_on():
    x, y = IRIS
    model = MeanFieldClassifier(neurons=20, random_state=0, partial_time=2.0)
    losses = []
    for _ in range(5):
        for rows in (slice(0, 150, 2), slice(1, 150, 2)):
            model.partial_fit(x[rows], y[rows], classes=[0, 1, 2])
        losses.append(-np.log(model.predict_proba(x)[np.arange(150), y]).mean())
    assert np.all(np.diff(losses) < 0)
    assert model.t_ == 2.0
    with pytest.raises(ConfigError, match="the first call of partial_fit had"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ConfigError, match="has the class 5"):
        model.partial_fit(x, np.where(y == 0, 5, y))
    with pytest.raises(ConfigError, match="balanced"):
        MeanFieldClassifier(class_weight="balanced").partial_fit(x, y)


def test_warm_start_goes_on_and_refuses_another_network():
    x, y = load_diabetes(return_X_y=True)
    model = MeanFieldRegressor(warm_start=True, **SHORT)
    first = model.fit(x, y).history_["free_energy"]
    again = model.fit(x, y).history_["free_energy"]
    assert again[0] == pytest.approx(first[-1], abs=1e-12)
    assert again[-1] < again[0]
    with pytest.raises(ConfigError, match="20 neurons"):
        model.set_params(neurons=30).fit(x, y)
    assert MeanFieldRegressor(**SHORT).fit(x, y).fit(x, y).history_["free_energy"][0] == first[0]


def test_several_targets_and_their_units():
    x, y = load_diabetes(return_X_y=True)
    both = np.column_stack([y, 1e6 - 1e4 * y])
    model = MeanFieldRegressor(**SHORT | {"neurons": 100, "t_end": 30.0}).fit(x, both)
    assert model.predict(x).shape == both.shape
    assert model.score(x, both) > 0.4
    assert MeanFieldRegressor(loss="huber", **SHORT).fit(x, y).predict(x).shape == y.shape


def test_the_validation_part_decides_the_time():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 10))
    y = x[:, 0] + 3.0 * rng.normal(size=150)  # much noise: a long flow learns it by heart
    held = MeanFieldRegressor(random_state=0).fit(x, y)
    losses = held.validation_history_["validation_loss"]
    best = losses.argmin()
    assert held.t_ == held.validation_history_["t"][best] < 50.0
    assert losses[-1] > losses[best]
    fresh = rng.normal(size=(2000, 10))
    wrong = [
        np.mean((model.predict(fresh) - fresh[:, 0]) ** 2)
        for model in (held, MeanFieldRegressor(random_state=0, early_stopping=False).fit(x, y))
    ]
    assert wrong[0] < 0.5 * wrong[1]


@pytest.mark.slow
def test_the_flow_ends_at_equilibrium():
    x, y = IRIS
    settings = {"early_stopping": False, "weight_decay": 0.1, "temperature": 0.05, "random_state": 0, "neurons": 30}
    ended = MeanFieldClassifier(tol=1e-2, **settings).fit(x, y)
    whole = MeanFieldClassifier(tol=0.0, **settings).fit(x, y)
    assert ended.t_ < whole.t_ == 400.0
    released = [model.history_["released"].sum() for model in (ended, whole)]
    assert released[1] - released[0] <= 1e-2 * released[0]


def test_steps_that_are_too_large_are_refined_in_silence():
    """Heun with dt = 4 has a closure beyond 10 %; a quarter of it, or a sixteenth, does not."""
    x, y = IRIS
    kept = SHORT | {"t_end": 8.0}
    coarse = MeanFieldClassifier(solver=wgf.solvers.Heun(), dt=4.0, **kept)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coarse.fit(x, y)
    assert abs(coarse.history_["closure_total"][-1]) < 0.1
    assert coarse.n_iter_ in (8, 32)


def test_what_cannot_be_refined_warns_once():
    x, y = IRIS
    with pytest.warns(ConvergenceWarning) as caught:
        MeanFieldClassifier(solver=wgf.solvers.Euler(), dt=100.0, t_end=100.0, neurons=20, early_stopping=False).fit(
            x, y
        )
    assert len(caught) == 1
    assert "closure" in str(caught[0].message)
    with pytest.warns(ConvergenceWarning, match="max_steps = 3 steps and stands at t = ") as caught:
        model = MeanFieldClassifier(max_steps=3, random_state=0).fit(x, y)
    assert len(caught) == 1
    assert model.n_iter_ == 3


@pytest.mark.slow
def test_searches_and_pipelines_without_a_flood_of_warnings():
    x, y = load_wine(return_X_y=True)
    grid = {"meanfieldclassifier__temperature": [0.0, 1e-3, 1e-1], "meanfieldclassifier__weight_decay": [0.0, 1e-2]}
    pipeline = make_pipeline(StandardScaler(), MeanFieldClassifier(neurons=30, t_end=50.0, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(x, y)
    assert search.best_score_ > 0.95
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("cls", BOTH)
def test_clones_and_stored_estimators(cls):
    x, y = IRIS
    model = cls(solver=wgf.solvers.Heun(), **SHORT | {"neurons": 10}).fit(x, y)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(x)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    loaded = joblib.load(file)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert np.array_equal(loaded.history_["t"], model.history_["t"])
    assert torch.equal(loaded.ensemble_.x, model.ensemble_.x)
    assert len(file.getvalue()) < 100_000  # the data are not in it


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"neurons": 0}, "neurons = 0"),
        ({"neurons": 2.5}, "neurons = 2.5"),
        ({"activation": "tanhh"}, "did you mean 'tanh'"),
        ({"weight_decay": -1.0}, "weight_decay = -1.0: wanted a number ≥ 0"),
        ({"temperature": "hot"}, "temperature = 'hot'"),
        ({"ridge": -1.0}, "ridge"),
        ({"solver": "Heun"}, "wanted a scheme of wgf.solvers"),
        ({"dt": 0.0}, "dt = 0.0: wanted a positive number"),
        ({"t_end": np.inf}, "t_end = inf"),
        ({"partial_time": -1}, "partial_time = -1"),
        ({"early_stopping": "yes"}, "wanted True, False or 'auto'"),
        ({"validation_fraction": 1.0}, "strictly between 0 and 1"),
        ({"tol": -1.0}, "tol = -1.0"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"standardise": 1}, "standardise = 1"),
    ],
)
def test_parameters_that_are_not_acceptable(cls, settings, said):
    with pytest.raises(ConfigError, match=said):
        cls(**settings).fit(*IRIS)


def test_data_that_are_not_acceptable():
    x, y = IRIS
    with pytest.raises(TypeError, match="dense data is required"):
        MeanFieldClassifier().fit(sparse.csr_matrix(x), y)
    with pytest.raises(ConfigError, match="one class, 1"):
        MeanFieldClassifier().fit(x, np.ones(150, dtype=int))
    with pytest.raises(ConfigError, match="rows of one class only"):
        MeanFieldClassifier().fit(x, y, sample_weight=(y == 0) * 1.0)
    with pytest.raises(ConfigError, match="every row here has the weight 0"):
        MeanFieldClassifier(class_weight={0: 0, 1: 0, 2: 0}).partial_fit(x, y)
    with pytest.raises(ValueError, match="at least one non-zero"):
        MeanFieldRegressor().fit(x, y, sample_weight=np.zeros(150))
    with pytest.raises(ValueError, match="Negative values"):
        MeanFieldRegressor().fit(x, y, sample_weight=-np.ones(150))
    with pytest.raises(ConfigError, match="'squared', 'huber'"):
        MeanFieldRegressor(loss="cross_entropy").fit(x, y)
    with pytest.raises(ConfigError, match="2 rows cannot be split"):
        MeanFieldRegressor(early_stopping=True, validation_fraction=0.9).fit(x[:2], y[:2])
    with pytest.raises(ValueError, match="NaN"):
        MeanFieldRegressor().fit(np.where(x > 5, np.nan, x), y)
    frame = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    with pytest.raises(ValueError, match="could not convert string to float"):
        MeanFieldClassifier().fit(frame, [0, 1])
