"""The information force: what the entropy does to the particles beside what the loss does (theory §5)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..ensemble import Ensemble
from ..functional import FreeEnergyEvaluation
from ..ops import linalg


@dataclass(frozen=True, eq=False)
class Forces:
    """∇_W E and T ∇_W S at the particles (n, d), T summed over the entropies; `entropic` is None where unknown."""

    energetic: Tensor
    entropic: Tensor | None
    temperature: float

    @staticmethod
    def of(
        evaluation: FreeEnergyEvaluation,
        score: Tensor | None = None,
        noise_temperature: float = 0.0,
        rows: Tensor | slice = slice(None),
    ) -> Forces:
        """From an evaluated free energy; temperature realised by noise adds −T∇log ρ, by `score` on `rows`."""
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
        if noise_temperature > 0:
            return Forces(energetic, None if score is None else entropic - noise_temperature * score, temperature)
        return Forces(energetic, entropic, temperature)

    def columns(self, mu: Ensemble) -> dict[str, float]:
        """G, I, r = I/G, the alignment ⟨T∇S, −∇E⟩/(IG), Ṡ = ⟨∇S, v⟩ and D = ∫|∇F|² dμ; NaN where undefined.

        Without an entropy term, or at T = 0, I = 0 and the alignment and Ṡ are NaN.
        """

        def inner(a: Tensor, b: Tensor) -> float:
            return float(mu.expect(linalg.row_dot(a, b)))

        loss = math.sqrt(inner(self.energetic, self.energetic))
        if self.entropic is None:
            names = ("information_force", "force_ratio", "alignment", "entropy_production", "dissipation")
            return {"loss_force": loss} | dict.fromkeys(names, math.nan)
        velocity = self.entropic - self.energetic
        information = math.sqrt(inner(self.entropic, self.entropic))
        both = loss * information
        power = inner(self.entropic, velocity)
        return {
            "loss_force": loss,
            "information_force": information,
            "force_ratio": information / loss if loss > 0 else math.nan,
            "alignment": -inner(self.entropic, self.energetic) / both if both > 0 else math.nan,
            "entropy_production": power / self.temperature if self.temperature > 0 else math.nan,
            "dissipation": inner(velocity, velocity),
        }
