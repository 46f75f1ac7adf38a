"""Figures of a run as matplotlib Figure objects, and the common look that all figures of the package share."""

from .canvas import WIDTH
from .clouds import View
from .movie import Movie
from .panels import why_no_closure
from .particles import particles, side_by_side
from .player import player
from .run import (
    dissipation,
    free_energy,
    information_force,
    learning,
    overview,
    transport,
)

__all__ = [
    "WIDTH",
    "Movie",
    "View",
    "dissipation",
    "free_energy",
    "information_force",
    "learning",
    "overview",
    "particles",
    "player",
    "side_by_side",
    "transport",
    "why_no_closure",
]
