"""The information force: what the entropy does to the particles beside what the loss does (docs/theory.md §5)."""

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
    """∇_W E and T ∇_W S at the particles (n, d), T summed over the entropies; `entropic` is None where unknown.

    Where the entropic force is estimated, `twin` is a second, independent estimate: squares are then products of the
    two, so that the variance of an estimate does not count as force. Where it is exact, the twin is the force itself.
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
        """From an evaluated free energy; temperature realised by noise adds −T∇log ρ, by two `scores` on `rows`."""
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
        """∇_W F = ∇_W E − T ∇_W S at the particles of μ, for a solver's own metric; None where it is unknown."""
        if self.entropic is None or self.twin is None:
            return None
        return Slope(mu, self.energetic - self.entropic, self.energetic - self.twin)

    def beside(self, mu: Ensemble, reference: Tensor | None) -> float:
        """⟨∇S, ∇S_ref⟩/(‖∇S‖ ‖∇S_ref‖) for the force of a reference entropy; NaN where one is unknown or vanishes."""
        if self.entropic is None or self.twin is None or reference is None:
            return math.nan
        return cosine(mu, self.entropic, self.twin, reference)

    def columns(self, mu: Ensemble) -> dict[str, float]:
        """G, I, r = I/G, the alignment ⟨T∇S, −∇E⟩/(IG), Ṡ = ⟨∇S, v⟩ and D = ∫|∇F|² dμ; NaN where undefined.

        Without an entropy term, or at T = 0, I = 0 and the alignment and Ṡ are NaN.
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
            "dissipation": inner(self.entropic - self.energetic, self.twin - self.energetic),
        }
