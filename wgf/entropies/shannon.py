"""The Shannon entropy −∫ρ log ρ: realised by noise, not available as a force on particles."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor

from ..errors import ConfigError
from ..measure import Ensemble
from .base import Entropy

SURROGATES = ("LogDet", "Variance", "LogVariance", "Blob", "Power", "Softmax")
"""What messages name in place of Shannon: entropies with a force on particles."""


class Shannon(Entropy):
    """S[μ] = −∫ ρ log ρ, ∇_W S = −∇log ρ (Jordan, Kinderlehrer & Otto 1998).

    A stochastic solver such as `Langevin` realises −T·S by the noise √(2T) dB. On particles neither the value nor the
    force exists; the ledger reports named estimates, up to dimension 8. A deterministic solver refuses this term.
    """

    realised_by_noise = True

    def _refuse(self) -> NoReturn:
        raise ConfigError(
            "Shannon entropy has no value or force on particles: use a stochastic solver (wgf.solvers.Langevin), which "
            f"realises it by noise, or a surrogate with a force: {', '.join(SURROGATES)}. "
            "For an estimate of the value see wgf.diagnostics.knn_entropy."
        )

    def _value(self, mu: Ensemble) -> Tensor:
        self._refuse()

    def _first_variation(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._refuse()

    def _gradient(self, mu: Ensemble, at: Tensor | None) -> Tensor:
        self._refuse()
