"""Does the residual risk follow a power law? The study `scaling`."""

from .study import Scaling

__all__ = ["Scaling"]
