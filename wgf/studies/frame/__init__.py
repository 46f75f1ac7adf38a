"""What all studies share: settings and outcome, statistics over seeds, parallel runs, and the written directory."""

from ...process.workers import processors
from ...sweeps import Work
from .estimate import Estimate
from .study import Figure, Finding, Outcome, Study, Table, Verdict, above_zero

__all__ = ["Estimate", "Figure", "Finding", "Outcome", "Study", "Table", "Verdict", "Work", "above_zero", "processors"]
