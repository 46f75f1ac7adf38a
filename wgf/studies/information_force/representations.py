"""One run with representations: an encoder of digits, trained by torch with a surrogate entropy of its outputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...entropies.estimators import effective_rank
from ...measure import Ensemble
from ...ops import one_torch_thread
from ...regularizers import ForceMonitor, Regularizer
from .surrogates import CONFINEMENT, LOG_DET, NONE, Run, accuracies, forces, images, surrogate, unit_temperature

REPRESENTATIONS = "representations"
HIDDEN, FEATURES = 64, 16
LEARNING_RATE = 3e-3
RECORDS = 100


class Classifier(nn.Module):
    """An encoder x ↦ z = U tanh(Wx + b) + c with representations z (m, 16), and class scores linear in z; float64."""

    def __init__(self, seed: int, classes: int = 10) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch draws weights from its global state; restore it afterwards
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(nn.Linear(64, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, FEATURES)).double()
            self.head = nn.Linear(FEATURES, classes).double()

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (m, classes)."""
        return self.head(self.encoder(x))


def train_encoder(name: str, matched: float, seed: int, sizes: tuple[int, int, int], plain: Run | None) -> Run:
    """Minimise cross-entropy + k/2 E|z|² − T S[z] by Adam on all training images, and measure the run.

    The particles are the representations z of the training images, S a surrogate by `wgf.regularizers`. The forces are
    those of a `ForceMonitor`; its time t counts steps. T is chosen such that T‖∇S‖ = r₀‖∇E‖ at the start.

    Parameters
    ----------
    name : str
        A surrogate of `SURROGATES`, or `NONE`.
    matched : float
        r₀, the force ratio I/G at the start.
    seed : int
        Seed of the images and of the initial weights.
    sizes : (int, int, int)
        The numbers of training images, of test images and of steps.
    plain : Run, optional
        The run of the same seed without entropy, for the collapse index.
    """
    with one_torch_thread():  # torch rounds differently for each number of threads
        return _train(name, matched, seed, sizes, plain)


def _train(name: str, matched: float, seed: int, sizes: tuple[int, int, int], plain: Run | None) -> Run:
    train, test, steps = sizes
    data = images(seed, train, test)
    x, y = data.train
    model = Classifier(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)

    def energy(z: Tensor) -> Tensor:
        confined = 0.5 * CONFINEMENT * z.square().sum(1).mean()
        return nn.functional.cross_entropy(model.head(z), y) + confined

    start = model.encoder(x)
    mu = Ensemble(start.detach())
    functional, temperature = surrogate(LOG_DET if name == NONE else name, mu), 0.0
    if name != NONE:
        (slope,) = torch.autograd.grad(energy(start), start)
        temperature = matched * unit_temperature(len(x) * slope, functional.gradient(mu), mu)
    entropy = Regularizer(functional)
    monitor = ForceMonitor(entropy, temperature, every=max(1, steps // RECORDS))
    length, before = 0.0, mu.x
    for step in range(steps + 1):
        z = monitor(model.encoder(x))
        here = z.detach()
        length, before = length + float((here - before).square().sum(1).mean().sqrt()), here
        loss = energy(z) if name == NONE else energy(z) - temperature * entropy(z)
        optimiser.zero_grad()
        loss.backward()
        if step < steps:  # the last pass only measures
            optimiser.step()
    with torch.no_grad():
        return Run(
            REPRESENTATIONS, name, seed, matched, temperature, **forces(monitor.ledger, Ensemble(here), plain),
            rank=effective_rank(Ensemble(model.encoder(data.clean))),
            accuracy=accuracies(data, lambda points: model(points).argmax(1)),
            closure=math.nan,
            length=length,
        )  # fmt: skip
