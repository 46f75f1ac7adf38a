"""How much a term computes, counted: the number of records of a run is chosen by it, never by a clock."""

from __future__ import annotations

from dataclasses import dataclass

from ..measure import Ensemble

FAST = 300
"""A sum over pairs that may be taken by a fast method counts as at most so many pairs for each particle."""
FAST_DIM = 3
"""The largest dimension with fast sums."""


@dataclass(frozen=True)
class Work:
    """What one evaluation of a term computes: its value and its gradient at all particles.

    Attributes
    ----------
    numbers : float
        Coordinates of particles, n·d for each pass over them.
    pairs : float
        Pairs of particles.
    products : float
        Multiply-adds in products of matrices, such as those of a network.
    """

    numbers: float = 0.0
    pairs: float = 0.0
    products: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.numbers + other.numbers, self.pairs + other.pairs, self.products + other.products)

    @staticmethod
    def over_pairs(mu: Ensemble, others: int, dense: bool = True) -> Work:
        """Count a sum over pairs.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d).
        others : int
            The number of points that act on each of them.
        dense : bool, default True
            Whether all pairs are visited, whatever their number.

        Returns
        -------
        Work
            The count. It is too small rather than too large where a fast method may be taken.
        """
        fast = not dense and mu.dim <= FAST_DIM
        return Work(mu.n * mu.dim, mu.n * (min(others, FAST) if fast else others))
