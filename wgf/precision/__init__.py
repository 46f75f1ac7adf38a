"""Work and precision: the error of schemes against their time, on any problem, as a table and a figure."""

from .benchmark import WorkPrecision, benchmark

__all__ = ["WorkPrecision", "benchmark"]
