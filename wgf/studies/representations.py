"""The information force on representations: an encoder of digits trained by plain torch with an entropy of its output."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..diagnostics.entropy import effective_rank
from ..diagnostics.table import Ledger
from ..ensemble import Ensemble
from ..entropies import LogDet
from ..functional import Functional
from ..regularizers import Regularizer
from .surrogates import CONFINEMENT, NONE, Run, accuracies, forces, images, surrogate, unit_temperature

REPRESENTATIONS = "representations"
HIDDEN, FEATURES = 64, 16
LEARNING_RATE = 3e-3
RECORDS = 100


class Classifier(nn.Module):
    """x ↦ z = U tanh(Wx + b) + c, the representation (m, 16), and class scores linear in it; float64."""

    def __init__(self, seed: int, classes: int = 10) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch draws weights from its global state, which stays as it was
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(nn.Linear(64, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, FEATURES)).double()
            self.head = nn.Linear(FEATURES, classes).double()

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (m, classes)."""
        return self.head(self.encoder(x))


def train_encoder(name: str, matched: float, seed: int, sizes: tuple[int, int, int], plain: Run | None) -> Run:
    """Minimise cross-entropy + k/2 E|z|² − T S[z] by Adam on all training images; `sizes` are training and test images
    and steps.

    The particles are the representations of the training images, S a surrogate as `wgf.regularizers` has it, t counts
    steps. T is such that T‖∇S‖ = r₀‖∇E‖ at the start, for the r₀ in `matched`, with n ∂E/∂zᵢ for ∇E.
    """
    train, test, steps = sizes
    data = images(seed, train, test)
    x, y = data.train
    model = Classifier(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    entropy, temperature = None, 0.0
    ledger, length, previous = Ledger(), 0.0, None
    for step in range(steps + 1):
        z = model.encoder(x)
        energy = nn.functional.cross_entropy(model.head(z), y) + 0.5 * CONFINEMENT * z.square().sum(1).mean()
        here = Ensemble(z.detach())
        if step == 0 and name != NONE:
            functional = surrogate(name, here)
            entropy = Regularizer(functional)
            temperature = matched * unit_temperature(_force(energy, z), functional.gradient(here), here)
        length += 0.0 if previous is None else math.sqrt(float(here.expect((here.x - previous).square().sum(1))))
        previous = here.x
        if step % max(1, steps // RECORDS) == 0 or step == steps:
            ledger.append({"t": step} | _columns(_force(energy, z), entropy, temperature, here))
        if step < steps:
            loss = energy if entropy is None else energy - temperature * entropy(z)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        return Run(
            REPRESENTATIONS, name, seed, matched, temperature, **forces(ledger, here, plain),
            rank=effective_rank(Ensemble(model.encoder(data.clean))),
            accuracy=accuracies(data, lambda points: model(points).argmax(1)),
            closure=math.nan,
            length=length,
        )  # fmt: skip


def _force(energy: Tensor, z: Tensor) -> Tensor:
    """∇_W E at the representations: n ∂E/∂zᵢ."""
    (gradient,) = torch.autograd.grad(energy, z, retain_graph=True)
    return len(z) * gradient


def _columns(force: Tensor, entropy: Regularizer | None, temperature: float, mu: Ensemble) -> dict[str, float]:
    """The columns of the force report, in L²(μ): what −∇E alone and T∇S do to the representations."""

    def inner(a: Tensor, b: Tensor) -> float:
        return float(mu.expect((a * b).sum(1)))

    gradient = torch.zeros_like(force) if entropy is None else _gradient(entropy.functional, mu)
    loss, information = math.sqrt(inner(force, force)), temperature * math.sqrt(inner(gradient, gradient))
    row = {"loss_force": loss, "information_force": information, "force_ratio": information / loss}
    if entropy is None:
        return row | dict.fromkeys(("alignment", "entropy_production", "reference_alignment"), math.nan)
    across = temperature * inner(gradient, force)
    reference = LogDet().gradient(mu)
    both = math.sqrt(inner(gradient, gradient) * inner(reference, reference))
    return row | {
        "alignment": -across / (loss * information),
        "entropy_production": temperature * inner(gradient, gradient) - inner(gradient, force),
        "reference_alignment": inner(gradient, reference) / both,
    }


def _gradient(functional: Functional, mu: Ensemble) -> Tensor:
    return functional.gradient(mu)
