"""What all studies share: settings and outcome, statistics over seeds, parallel runs, and the written directory."""

from ...process.workers import processors
from ...sweeps import Work
from .estimate import Estimate
from .finding import Finding, Verdict, above_zero
from .study import Figure, Outcome, Study, Table

__all__ = ["Estimate", "Figure", "Finding", "Outcome", "Study", "Table", "Verdict", "Work", "above_zero", "processors"]
