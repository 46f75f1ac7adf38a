"""The forces of energy and entropy on the particles, and the columns of the ledger that come from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..functional import FreeEnergyEvaluation
from ..measure import Ensemble
from ..protocol import Slope
from .reference import cosine


@dataclass(frozen=True, eq=False)
class Forces:
    """∇_W E and T ∇_W S at the particles (docs/theory.md §5).

    Where ∇_W S is estimated, a square ‖T ∇_W S‖² is computed as the product of two independent estimates. The
    variance of the estimate then does not add to the square.

    Attributes
    ----------
    energetic : Tensor
        ∇_W E (n, d), E the sum of all terms that are not entropies.
    entropic : Tensor or None
        T ∇_W S (n, d), summed over all entropies. None where it is not known.
    twin : Tensor or None
        A second, independent estimate of `entropic`. Where that is exact, `entropic` itself.
    temperature : float
        T, summed over all entropies.
    """

    energetic: Tensor
    entropic: Tensor | None
    twin: Tensor | None
    temperature: float

    @staticmethod
    def of(
        evaluation: FreeEnergyEvaluation,
        scores: tuple[Tensor, Tensor] | None = None,
        noise_temperature: float = 0.0,
        rows: Tensor | slice = slice(None),
    ) -> Forces:
        """Take the forces from an evaluated free energy.

        Parameters
        ----------
        evaluation : FreeEnergyEvaluation
            The terms that act by force, each evaluated at the particles.
        scores : (Tensor, Tensor), optional
            Two independent estimates of the score ∇log ρ at `rows`, where noise realises an entropy.
        noise_temperature : float, default 0.0
            The temperature of that noise. It adds −T ∇log ρ to the entropic force.
        rows : Tensor or slice, optional
            The particles at which the forces are wanted. By default all.

        Returns
        -------
        Forces
            The forces at `rows`. The entropic force is None where the noise has a temperature and no score is given.
        """
        energetic = torch.zeros_like(evaluation.gradient[rows])
        entropic = torch.zeros_like(evaluation.gradient[rows])
        temperature = noise_temperature
        for part in evaluation.terms:
            factor = part.term.coefficient.number
            if part.term.functional.is_entropy:
                entropic = entropic - factor * part.gradient[rows]
                temperature -= factor
            else:
                energetic = energetic + factor * part.gradient[rows]
        if noise_temperature == 0:
            return Forces(energetic, entropic, entropic, temperature)
        if scores is None:
            return Forces(energetic, None, None, temperature)
        first, second = (entropic - noise_temperature * score for score in scores)
        return Forces(energetic, first, second, temperature)

    def slope(self, mu: Ensemble) -> Slope | None:
        """∇_W F = ∇_W E − T ∇_W S at the particles of `mu`, for `Solver.dissipation`; None where it is unknown."""
        if self.entropic is None or self.twin is None:
            return None
        return Slope(mu, self.energetic - self.entropic, self.energetic - self.twin)

    def beside(self, mu: Ensemble, reference: Tensor | None) -> float:
        """The cosine of ∇_W S and the gradient of a reference entropy in L²(μ).

            ⟨∇_W S, ∇_W S_ref⟩/(‖∇_W S‖ ‖∇_W S_ref‖)

        Parameters
        ----------
        mu : Ensemble
            The particles of these forces (n, d).
        reference : Tensor or None
            ∇_W S_ref (n, d).

        Returns
        -------
        float
            The cosine, in [−1, 1] where the forces are exact. NaN where a force is not known or is zero.
        """
        if self.entropic is None or self.twin is None or reference is None:
            return math.nan
        return cosine(mu, self.entropic, self.twin, reference)

    def columns(self, mu: Ensemble) -> dict[str, float]:
        """Compute the columns of the ledger that come from the forces.

            G = ‖∇_W E‖,   I = T ‖∇_W S‖,   r = I/G,   alignment = ⟨T ∇_W S, −∇_W E⟩/(I G),
            Ṡ = ⟨∇_W S, v⟩,   D = ∫ |∇_W F|² dμ

        Parameters
        ----------
        mu : Ensemble
            The particles of these forces (n, d).

        Returns
        -------
        dict of str to float
            The columns by name. NaN where one is undefined: without an entropy or at T = 0, I is 0 and alignment and
            Ṡ are NaN.
        """

        def inner(a: Tensor, b: Tensor) -> float:
            return float(mu.inner(a, b))

        loss = math.sqrt(inner(self.energetic, self.energetic))
        if self.entropic is None or self.twin is None:
            names = ("information_force", "force_ratio", "alignment", "entropy_production", "dissipation")
            return {"loss_force": loss} | dict.fromkeys(names, math.nan)
        square, across = inner(self.entropic, self.twin), inner(0.5 * (self.entropic + self.twin), self.energetic)
        information = math.sqrt(max(square, 0.0))
        both = loss * information
        return {
            "loss_force": loss,
            "information_force": information,
            "force_ratio": information / loss if loss > 0 else math.nan,
            "alignment": -across / both if both > 0 else math.nan,
            "entropy_production": (square - across) / self.temperature if self.temperature > 0 else math.nan,
            "dissipation": self.dissipation(mu),
        }

    def dissipation(self, mu: Ensemble) -> float:
        """D = ∫ |∇_W F|² dμ alone; NaN where the entropic force is not known."""
        if self.entropic is None or self.twin is None:
            return math.nan
        return float(mu.inner(self.entropic - self.energetic, self.twin - self.energetic))
