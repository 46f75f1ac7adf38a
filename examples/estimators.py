"""A gradient flow as an estimator of scikit-learn: a pipeline, a search over temperatures, labels as words, a stream.

`MeanFieldClassifier` trains a two-layer network by following its neurons. It has the interface of scikit-learn, so
cross-validation and searches work on it. Its attribute `history_` is the ledger of the flow, from which
`force_report` reads whether the entropy acted. `partial_fit` goes on with the flow on data that come in pieces.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

import wgf
from wgf.estimators import MeanFieldClassifier, MeanFieldRegressor

# words as labels, a frame as input; the smaller class counts as much as the larger one
X, y = load_breast_cancer(return_X_y=True, as_frame=True)
y = y.map({0: "malignant", 1: "benign"})
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = MeanFieldClassifier(neurons=50, class_weight="balanced", random_state=0)

# the temperature by cross-validation; runs whose steps are too large are repeated with smaller ones, in silence
search = GridSearchCV(model, {"temperature": [0.0, 1e-3, 1e-2]}, cv=3).fit(X_train, y_train)
best = search.best_estimator_
print(f"temperature {best.temperature:g}: accuracy {best.score(X_test, y_test):.3f} on new data")
print(f"first of {best.classes_}: {best.predict_proba(X_test)[0].round(3)}, {y_test.iloc[0]}")

# the ledger of the flow: where it ended, how well its steps resolved it, and whether the entropy acted
ledger = best.history_
print(f"{best.n_iter_} steps to t = {best.t_:.1f}; closure {ledger['closure_total'][-1]:+.3f}")
warmer = MeanFieldClassifier(neurons=50, temperature=1e-2, random_state=0).fit(X_train, y_train)
print(wgf.diagnostics.force_report(warmer.history_))

# a pipeline for numbers
X, y = load_diabetes(return_X_y=True)
pipeline = make_pipeline(PolynomialFeatures(2, include_bias=False), MeanFieldRegressor(neurons=50, random_state=0))
for name, regressor in (("as they are", pipeline[-1]), ("with products", pipeline)):
    print(f"diabetes {name}: R² = {cross_val_score(regressor, X, y, cv=5).mean():.3f}")

# data in pieces: each call goes on for the time 2 on the piece at hand
stream = MeanFieldRegressor(neurons=50, partial_time=2.0, random_state=0)
for piece in np.array_split(np.random.default_rng(0).permutation(len(X)), 10):
    stream.partial_fit(X[piece], y[piece])
print(f"after ten pieces: R² = {stream.score(X, y):.3f}")

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.plot(warmer.history_["t"], warmer.history_["loss_force"], label="force of the loss")
axis.plot(warmer.history_["t"], warmer.history_["information_force"], label="force of the entropy")
axis.set(title="Forces during a fit", xlabel="flow time t", ylabel="root mean square", yscale="log")
axis.legend(frameon=False)
plt.show()
