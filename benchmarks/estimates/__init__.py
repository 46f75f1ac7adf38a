"""Estimates of entropy, dissipation and closure on laws with known answers: `python -m wgf.benchmarks.estimates`."""

from .laws import LAWS, Law, closure, record

__all__ = ["LAWS", "Law", "closure", "record"]
