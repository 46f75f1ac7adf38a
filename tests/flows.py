"""Flows that several tests share: a smooth free energy, a driven one, a start, and the slope of an error."""

from __future__ import annotations

import math

import numpy as np

import wgf
from wgf import kernels as K


def start(n=12, d=2, seed=1, cov=0.8):
    return wgf.Ensemble.gaussian(n, d, cov=cov, seed=seed)


def free_energy():
    """Nonlinear, interacting, with an entropy; smooth, so that orders show."""
    return wgf.Potential(lambda x: (x**4).sum(1) / 4) + wgf.Interaction(K.Gaussian(1.0)) - 0.3 * wgf.LogDet()


def slope(hs, errors):
    return float(np.polyfit(np.log(hs), np.log(errors), 1)[0])


def driven():
    """Coefficients and a centre that move."""
    return (
        free_energy()
        + wgf.Quadratic(2.0, center=lambda t: math.sin(2 * t))
        - (lambda t: 0.1 * (1 + t)) * wgf.Variance()
        + (lambda t: math.cos(t)) * wgf.Quadratic(0.3)
    )
