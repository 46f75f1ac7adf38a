"""Slow and plain answers in numpy that import nothing of the library: what its operations are held against."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def kernel(name: str, u: np.ndarray, **p: float) -> np.ndarray:
    """W(u) for u (..., d), as docs/theory.md §8 writes it."""
    r = np.sqrt((u**2).sum(-1) + p.get("softening", 0.0) ** 2)
    d = u.shape[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "Gaussian":
            return np.exp(-(r**2) / (2 * p["h"] ** 2))
        if name == "Matern":
            s = math.sqrt(2 * p["nu"]) * r / p["h"]
            return {0.5: 1, 1.5: 1 + s, 2.5: 1 + s + s**2 / 3}[p["nu"]] * np.exp(-s)
        if name == "InverseMultiquadric":
            return (1 + r**2 / p["h"] ** 2) ** -p["p"]
        if name == "QuadraticKernel":
            return p["strength"] * r**2 / 2
        if name == "Morse":
            return p["Cr"] * np.exp(-r / p["lr"]) - p["Ca"] * np.exp(-r / p["la"])
        if name == "Log":
            return -np.log(r)
        if name == "Riesz":
            return r ** -p["s"]
        if name == "Newtonian":
            area = 2 * math.pi ** (d / 2) / math.gamma(d / 2)
            return {1: -r / 2, 2: -np.log(r) / (2 * math.pi)}.get(d, r ** (2.0 - d) / max(d - 2, 1) / area)
        if name == "Cosine":
            return -p["strength"] * np.cos(u).sum(-1)
    raise KeyError(name)


def interaction(w: np.ndarray, x: np.ndarray, weights: np.ndarray, with_self: bool) -> float:
    """½ Σᵢⱼ wᵢ wⱼ W(xᵢ − xⱼ) for the matrix w of W."""
    mask = np.ones_like(w) if with_self else 1 - np.eye(len(x))
    return 0.5 * float((np.outer(weights, weights) * np.where(mask > 0, w, 0.0)).sum())


def blob_density(x: np.ndarray, weights: np.ndarray, h: float) -> np.ndarray:
    """(φ_h * μ)(xᵢ) with the normalised Gaussian."""
    q = ((x[:, None] - x[None]) ** 2).sum(-1)
    return (np.exp(-q / (2 * h * h)) / (2 * math.pi * h * h) ** (x.shape[1] / 2)) @ weights


def entropy(name: str, x: np.ndarray, w: np.ndarray, **p: float) -> float:
    """S as docs/theory.md §3 writes it."""
    m = w @ x
    c = (x - m).T @ (w[:, None] * (x - m))
    if name == "LogDet":
        return 0.5 * np.linalg.slogdet(c + p.get("ridge", 0.0) * np.eye(x.shape[1]))[1]
    if name == "Variance":
        return 0.5 * np.trace(c)
    if name == "LogVariance":
        return 0.5 * np.log(np.diag(c) + p.get("ridge", 0.0)).sum()
    if name == "CodingRate":
        d = x.shape[1]
        return 0.5 * np.linalg.slogdet(np.eye(d) + d / p["epsilon"] ** 2 * (x.T @ (w[:, None] * x)))[1]
    if name == "SpectralEntropy":
        rho = c + p.get("ridge", 0.0) * np.eye(x.shape[1])
        q = np.linalg.eigvalsh(rho / np.trace(rho))
        q = q[q > 1e-14]
        return float(-(q * np.log(q)).sum())
    if name == "HingeVariance":
        return float(-np.maximum(0.0, p["target"] - np.sqrt(np.diag(c) + p["epsilon"])).mean())
    if name == "Decorrelation":
        return float(-((c**2).sum() - (np.diag(c) ** 2).sum()) / x.shape[1])
    if name == "Uniformity":
        q = ((x[:, None] - x[None]) ** 2).sum(-1)
        return float(-np.log(w @ np.exp(-p["t"] * q) @ w))
    if name == "KoLeo":
        r = np.sort(np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1)), axis=1)[:, int(p["k"])]
        return float(x.shape[1] * (w @ np.log(r)))
    if name == "Softmax-features":
        e = np.exp(x / p["tau"])
        q = e / e.sum(1, keepdims=True)
        return float(w @ -(q * np.log(q)).sum(1))
    if name == "Softmax-particles":
        q = w[:, None] * np.exp(x / p["tau"])
        q /= q.sum(0)
        return float(-(q * np.log(q / w[:, None])).sum(0).mean())
    if name == "Blob":
        return float(-w @ np.log(blob_density(x, w, p["h"])))
    if name == "Power":
        return float(-(w @ blob_density(x, w, p["h"]) ** (p["m"] - 1)) / (p["m"] - 1))
    raise KeyError(name)


ACTIVATIONS: dict[str, Any] = {
    "tanh": np.tanh,
    "relu": lambda s: np.maximum(s, 0),
    "sigmoid": lambda s: 1 / (1 + np.exp(-s)),
    "softplus": lambda s: np.log1p(np.exp(s)),
    "erf": np.vectorize(math.erf),
    "identity": lambda s: s,
}


def network(theta: np.ndarray, w: np.ndarray, z: np.ndarray, outputs: int, activation: str) -> np.ndarray:
    """f (M, K) of the two-layer network with packed θ = (a, w, b)."""
    h = ACTIVATIONS[activation](z @ theta[:, outputs:-1].T + theta[:, -1])
    return h @ (w[:, None] * theta[:, :outputs])


def loss(name: str, f: np.ndarray, y: np.ndarray) -> float:
    """Mean loss over samples."""
    if name == "squared":
        return float(0.5 * ((f - y) ** 2).sum(1).mean())
    if name == "huber":
        r = np.abs(f - y)
        return float(np.where(r <= 1, 0.5 * r**2, r - 0.5).sum(1).mean())
    if name == "logistic":
        return float(np.log1p(np.exp(-(2 * y - 1) * f)).sum(1).mean())
    if name == "cross_entropy":
        return float((np.log(np.exp(f).sum(1)) - f[np.arange(len(y)), y]).mean())
    raise KeyError(name)


def philox4x32(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in Python integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(c)


def sinkhorn(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray, epsilon: float, rho: float = math.inf
) -> tuple[float, np.ndarray]:
    """OT_ε with the cost ½|x − y|² and its plan, by 20,000 plain iterations on the whole matrix."""
    cost = 0.5 * ((x[:, None] - y[None]) ** 2).sum(-1)
    damping = 1.0 if rho == math.inf else rho / (rho + epsilon)
    f, g = np.zeros(len(x)), np.zeros(len(y))

    def soft(h: np.ndarray, w: np.ndarray, c: np.ndarray) -> np.ndarray:
        e = np.log(w) + (h - c) / epsilon
        top = e.max(1, keepdims=True)
        return -damping * epsilon * (top[:, 0] + np.log(np.exp(e - top).sum(1)))

    for _ in range(20_000):
        f = soft(g, b, cost)
        g, last = soft(f, a, cost.T), g
        if np.abs(g - last).max() < 1e-15:
            break
    plan = a[:, None] * b * np.exp((f[:, None] + g - cost) / epsilon)
    primal = (plan * cost).sum() + epsilon * ((plan * np.log(plan / (a[:, None] * b))).sum() - plan.sum() + 1)
    if rho < math.inf:
        for mass, wanted in ((plan.sum(1), a), (plan.sum(0), b)):
            primal += rho * ((mass * np.log(mass / wanted)).sum() - mass.sum() + 1)
    return float(primal), plan
