"""Closed forms of docs/theory.md §7, in numpy alone."""

from __future__ import annotations

import math

import numpy as np


def ornstein_uhlenbeck(t, k, temperature, mean0, cov0):
    """Mean and covariance of V = k|x|²/2 with Shannon T (and of log-det's empirical moments)."""
    decay = math.exp(-k * t)
    equilibrium = temperature / k * np.eye(len(mean0))
    return mean0 * decay, equilibrium + (cov0 - equilibrium) * decay**2


def euler_maruyama_variance(steps, h, k, temperature, v0):
    """Variance of x' = (1 − kh) x + √(2Th) ξ after `steps` steps."""
    a = (1 - k * h) ** 2
    stationary = temperature / (k * (1 - k * h / 2))
    return stationary + (v0 - stationary) * a**steps


def mckean_vlasov_second_moment(a, b, temperature, n, h):
    """Stationary E x² of Euler–Maruyama for V = a x²/2, W = b x²/2 with n particles."""

    def s(rate):
        return temperature / (rate * (1 - h * rate / 2))

    return s(a) / n + (1 - 1 / n) * s(a + b)


def aggregation_equilibrium(n):
    """Zeros of the Hermite polynomial Hₙ over √n, ascending."""
    return np.sort(np.polynomial.hermite.hermgauss(n)[0]) / math.sqrt(n)


def barenblatt_quantiles_1d(n, t):
    """Points at the quantiles (i + ½)/n of t^{−1/3}(0.360562 − x²/(12 t^{2/3}))₊."""
    front = (9 * t) ** (1 / 3)
    grid = np.linspace(-front, front, 200_001)
    density = t ** (-1 / 3) * np.maximum(0.360562 - grid**2 / (12 * t ** (2 / 3)), 0)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    return np.interp((np.arange(n) + 0.5) / n, mass / mass[-1], grid)


def barenblatt_radii_2d(n, t):
    """Radii at the quantiles of the planar profile, proportional to (R² − r²)₊ with R = 1.786488 t^{1/4}."""
    radius = 1.786488 * t**0.25
    q = (np.arange(n) + 0.5) / n
    return radius * np.sqrt(1 - np.sqrt(1 - q))


def ridge_optimum(z, y, lam):
    """m* = (ZᵀZ/M + λI)⁻¹ Zᵀy/M."""
    m, d = z.shape
    return np.linalg.solve(z.T @ z / m + lam * np.eye(d), z.T @ y / m)


def jko_step(k, temperature, tau, mean, cov):
    """Mean and covariance after one proximal step of length tau under k|x|²/2 and log-det at a temperature."""
    values, vectors = np.linalg.eigh(cov)
    s = np.sqrt(values)
    s = (s + np.sqrt(values + 4 * temperature * tau * (1 + k * tau))) / (2 * (1 + k * tau))
    return mean / (1 + k * tau), (vectors * s**2) @ vectors.T


def sinkhorn_of_gaussians(mean0, cov0, mean1, cov1, epsilon):
    """The Sinkhorn divergence of two Gaussians with the cost ½|x − y|² (Janati, Muzellec, Peyré & Cuturi 2020)."""

    def cost(a, b):
        d, root = len(a), _root(a)
        big = _root(4 * root @ b @ root + epsilon**2 * np.eye(d))
        rest = d * epsilon * (1 - math.log(2 * epsilon)) + epsilon * np.linalg.slogdet(big + epsilon * np.eye(d))[1]
        return 0.5 * (np.trace(a) + np.trace(b) - np.trace(big) + rest)

    means = 0.5 * np.sum((np.asarray(mean0) - mean1) ** 2)
    return means + cost(cov0, cov1) - 0.5 * cost(cov0, cov0) - 0.5 * cost(cov1, cov1)


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T
