"""Bayesian logistic regression on the breast-cancer data, and the moments of its posterior by importance sampling.

V(β) = |β|²/2 + Σₘ log(1 + exp(−sₘ β·zₘ)), with sₘ = ±1 and zₘ the 30 standardised measurements and a 1. At T = 1,
exp(−V) is the posterior under the prior N(0, I). Its moments are stored in posterior.json, made once by

    python -m wgf.benchmarks.solvers.logistic

This draws independent points of a Student t around the maximum and weights them by importance. It uses no Markov chain,
no time step, and nothing of wgf except the data. The file states the standard errors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit

from ... import data
from ...energies import Potential
from ...runs import store

POSTERIOR = Path(__file__).parent / "posterior.json"
_PILOT, _DRAWS, _CHUNK, _DEGREES, _WIDER = 500_000, 4_000_000, 5_000, 20.0, 1.05


def design() -> tuple[np.ndarray, np.ndarray]:
    """The training part: rows zₘ (M, 31) and signs sₘ (M,)."""
    train, _ = data.load("breast-cancer")
    x = train.x.numpy()
    return np.concatenate([x, np.ones((len(x), 1))], axis=1), np.where(train.y.numpy() == 1, 1.0, -1.0)


def potential() -> Potential:
    """V as an energy term, with its gradient in closed form."""
    z, s = (torch.from_numpy(array) for array in design())
    signed = s[:, None] * z

    def value(beta: torch.Tensor) -> torch.Tensor:
        margins = beta @ signed.to(beta).T
        return 0.5 * (beta**2).sum(1) + torch.nn.functional.logsigmoid(margins).neg().sum(1)

    def gradient(beta: torch.Tensor) -> torch.Tensor:
        rows = signed.to(beta)
        return beta - torch.sigmoid(-(beta @ rows.T)) @ rows

    return Potential(value, gradient)


def moments() -> tuple[np.ndarray, np.ndarray]:
    """Mean (31,) and covariance (31, 31) of the posterior, from posterior.json."""
    known = store.read_json(POSTERIOR)
    return np.array(known["mean"]), np.array(known["covariance"])


def maximum() -> tuple[np.ndarray, np.ndarray]:
    """The maximum of the posterior and the inverse of the Hessian of V there."""
    z, s = design()
    signed = s[:, None] * z

    def objective(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signed @ beta
        return 0.5 * beta @ beta + np.logaddexp(0, -margins).sum(), beta - expit(-margins) @ signed

    best = minimize(objective, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-10}).x
    slope = expit(signed @ best) * expit(-signed @ best)
    return best, np.linalg.inv(np.eye(len(best)) + (signed.T * slope) @ signed)


def importance(draws: int = _DRAWS, pilot: int = _PILOT) -> dict[str, Any]:
    """The moments by importance sampling in two stages.

    A pilot samples around the maximum of the posterior; the draws then sample around the moments of the pilot. The
    posterior is skewed, so its mean lies about 0.3 σ from its maximum.
    """
    found = _weighed(*maximum(), pilot, seed=0)
    return _weighed(np.array(found["mean"]), np.array(found["covariance"]), draws, seed=1)


def _weighed(best: np.ndarray, cov: np.ndarray, draws: int, seed: int) -> dict[str, Any]:
    """Self-normalised importance sampling: moments, effective number of draws, and standard errors."""
    z, s = design()
    signed = s[:, None] * z
    root, d = np.linalg.cholesky(cov) * _WIDER, len(best)
    top = 0.5 * best @ best + np.logaddexp(0, -signed @ best).sum()
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(-(-draws // _CHUNK)):
        normal = rng.standard_normal((_CHUNK, d))
        heavy = rng.chisquare(_DEGREES, _CHUNK) / _DEGREES
        step = normal / np.sqrt(heavy)[:, None]
        beta = best + step @ root.T
        proposal = -(_DEGREES + d) / 2 * np.log1p((step**2).sum(1) / _DEGREES)
        energy = 0.5 * (beta**2).sum(1) + np.logaddexp(0, -beta @ signed.T).sum(1) - top
        w = np.exp(-energy - proposal)
        off = beta - best
        batches.append((w.sum(), (w**2).sum(), w @ off, (off.T * w) @ off))
    return _summary(batches, best)


def _summary(batches: list[Any], best: np.ndarray) -> dict[str, Any]:
    """The moments from sums over batches. The standard errors come from the scatter of twenty groups of batches."""
    total, squares, first, second = (sum(parts) for parts in zip(*batches, strict=True))
    mean, outer = first / total, second / total
    groups = []
    for k in range(20):
        weight, _, one, two = (sum(parts) for parts in zip(*batches[k::20], strict=True))
        groups.append((one / weight, np.diag(two / weight) - (one / weight) ** 2))
    covariance = outer - np.outer(mean, mean)
    deviation = np.sqrt(np.diag(covariance))
    errors = [np.std([g[i] for g in groups], axis=0, ddof=1) / np.sqrt(20) for i in range(2)]
    return {
        "made by": "python -m wgf.benchmarks.solvers.logistic",
        "draws": len(batches) * _CHUNK,
        "effective draws": round(float(total**2 / squares)),
        "largest error of a mean, in standard deviations": float((errors[0] / deviation).max()),
        "largest relative error of a variance": float((errors[1] / deviation**2).max()),
        "mean": (best + mean).tolist(),
        "covariance": covariance.tolist(),
    }


if __name__ == "__main__":
    store.write_json(POSTERIOR, importance())
