"""The study `scaling`: does the residual risk follow a power law?"""

from .study import Scaling

__all__ = ["Scaling"]
