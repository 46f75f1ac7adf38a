"""One run with representations: an encoder trained by torch with labels, or by two noisy views without labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ...errors import WgfError
from ...measure import Ensemble
from ...ops import one_torch_thread
from ...regularizers import ForceMonitor, Regularizer
from .data import DIGITS, Samples, accuracies, samples
from .features import look, probe, variance
from .surrogates import (
    CONFINEMENT,
    DISSIPATION,
    FORCE,
    JUDGES,
    LOG_DET,
    NONE,
    Run,
    beside,
    forces,
    surrogate,
    unit_temperature,
)  # fmt: skip

REPRESENTATIONS, VIEWS = "representations", "two views"
HIDDEN, FEATURES = 64, 16
LEARNING_RATE = 3e-3
RECORDS = 25
VIEW_NOISE = 0.5
"""Standard deviation of the noise that makes a view, in units of the deviation of an input."""

Sizes = tuple[int, int, int]
Energy = Callable[[Tensor], Tensor]


class Classifier(nn.Module):
    """An encoder x ↦ z = U tanh(Wx + b) + c with representations z (m, 16), and class scores linear in z; float64."""

    def __init__(self, seed: int, inputs: int = 64, classes: int = 10) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch draws weights from its global state; restore it afterwards
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, FEATURES)).double()
            self.head = nn.Linear(FEATURES, classes).double()

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (m, classes)."""
        return self.head(self.encoder(x))


def train_encoder(name: str, matched: float, seed: int, sizes: Sizes, plain: Run | None, data: str = DIGITS,
                  temperature: float | None = None, views: bool = False) -> Run:  # fmt: skip
    """Minimise E − T S[z] by Adam on all training samples, and measure the run.

    With labels E is the cross-entropy + k/2 E|z|². With two views E is ½ E|z − z'|² + k/2 E|z|², where z and z' are the
    representations of a sample under independent noise, drawn anew in each step for a random half of the samples, and S
    is that of both together. The forces are those of a `ForceMonitor` at the representations; its time t counts steps.

    Parameters
    ----------
    name : str
        A surrogate of `SURROGATES`, or `NONE`.
    matched : float
        r₀, the force ratio I/G at the start: T is chosen such that T‖∇S‖ = r₀‖∇E‖ there.
    seed : int
        Seed of the samples, of the initial weights and of the views.
    sizes : (int, int, int)
        The numbers of training samples, of test samples and of steps.
    plain : Run, optional
        The run of the same seed without entropy, for the collapse index.
    data : str
        One of `DATA`.
    temperature : float, optional
        T itself, in a search for a level of dissipation; `matched` is that level.
    views : bool
        Whether the encoder learns from two noisy views. Its accuracies are then those of a linear probe.

    Returns
    -------
    Run
        A run that is refused, because particles coincide or numbers overflow, ends at its last good step.
    """
    with one_torch_thread():  # torch rounds differently for each number of threads
        return _train(name, matched, seed, sizes, plain, data, temperature, views)


def _train(name: str, matched: float, seed: int, sizes: Sizes, plain: Run | None, data: str,
           temperature: float | None, views: bool) -> Run:  # fmt: skip
    train, test, steps = sizes
    parts = samples(data, seed, train, test)
    model = Classifier(seed, parts.clean.shape[1], parts.classes)
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    batches = _batches(parts, seed, views)
    energy = _two_views if views else _with_labels(model, parts.train[1])
    unit = variance(model.encoder(parts.train[0]).detach())
    before = look(parts, model.encoder, unit) if plain is None else plain.before

    x = next(batches)
    start = model.encoder(x)
    mu = Ensemble(start.detach())
    functional, T = surrogate(LOG_DET if name == NONE else name, mu), 0.0
    if name != NONE:
        (slope,) = torch.autograd.grad(energy(start), start)
        ratio = unit_temperature(len(x) * slope, functional.gradient(mu), mu)
        T = matched * ratio if temperature is None else temperature
    entropy = Regularizer(functional)
    every = max(1, steps // RECORDS)
    monitor = ForceMonitor(entropy, T, every=every)
    cosines: dict[str, list[float]] = {key: [] for key in JUDGES}
    then = model.encoder(parts.train[0]).detach() if views else mu.x
    length, finished = 0.0 if plain is None or not views else math.nan, True
    for step in range(steps + 1):
        z = monitor(model.encoder(x))
        here = z.detach()
        loss = energy(z)
        optimiser.zero_grad()
        try:
            if T > 0:
                loss = loss - T * entropy(z)
            loss.backward()
        except WgfError:
            finished = False
            break
        if step % every == 0 and T > 0:
            force = functional.gradient(Ensemble(here))
            for key, column in cosines.items():
                column.append(beside(Ensemble(here), force, key))
        if views and plain is None:  # batches differ from step to step: a path is one of the same samples
            with torch.no_grad():
                here = model.encoder(parts.train[0])
        if not views or plain is None:
            length, then = length + float((here - then).square().sum(1).mean().sqrt()), here
        if step < steps:  # the last pass only measures
            optimiser.step()
            x = next(batches)
    with torch.no_grad():
        end = Ensemble(model.encoder(parts.train[0]))
        classify = probe(parts, model.encoder, unit) if views else lambda points: model(points).argmax(1)
        return Run(
            f"{VIEWS if views else REPRESENTATIONS}, {data}", name, seed, matched, T,
            **forces(monitor.ledger, end, plain, name, cosines, finished),
            **look(parts, model.encoder, unit), before=before, accuracy=accuracies(parts, classify),
            closure=math.nan, length=length, finished=finished,
            matching=FORCE if temperature is None else DISSIPATION,
        )  # fmt: skip


def _batches(parts: Samples, seed: int, views: bool) -> Iterator[Tensor]:
    """What the encoder sees in each step: the training samples, or two noisy views of half of them."""
    x = parts.train[0]
    generator = torch.Generator().manual_seed(seed)
    while True:
        if not views:
            yield x
            continue
        half = x[torch.randperm(len(x), generator=generator)[: len(x) // 2]]
        noise = torch.randn((2 * len(half), x.shape[1]), dtype=x.dtype, generator=generator)
        yield torch.cat([half, half]) + VIEW_NOISE * noise


def _confined(z: Tensor) -> Tensor:
    return 0.5 * CONFINEMENT * z.square().sum(1).mean()


def _with_labels(model: Classifier, y: Tensor) -> Energy:
    return lambda z: nn.functional.cross_entropy(model.head(z), y) + _confined(z)


def _two_views(z: Tensor) -> Tensor:
    """½ E|z − z'|² + k/2 E|z|² of representations (2m, p), a view below the other."""
    a, b = z.chunk(2)
    return 0.5 * (a - b).square().sum(1).mean() + _confined(z)
