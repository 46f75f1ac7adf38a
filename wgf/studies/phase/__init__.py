"""Where does order set in? The study `phase`."""

from .study import Phase

__all__ = ["Phase"]
