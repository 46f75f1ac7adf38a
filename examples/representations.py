"""An entropy in ordinary torch training: an encoder of digits with and without the log-determinant of its features.

    loss = cross-entropy − T · S(z),   S = ½ log det(C + εI)

`wgf.regularizers.LogDet` is the functional of the particle flows behind a torch module; `ForceMonitor` stands in the
network and keeps the ledger of the two forces on z. Printed: accuracy on held-out digits, effective rank of their
representations, and the force report with its bounds and regimes. What it does not show: that a higher rank makes a
better classifier. About 5 s.
Method: Human-Centered Learning Mechanics, arXiv:2605.22940.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
from torch import nn

import wgf
from wgf.diagnostics import Ledger, effective_rank, force_report
from wgf.regularizers import ForceMonitor, LogDet

EPOCHS, BATCH, RATE, FEATURES = 12, 128, 0.2, 32
TEMPERATURES = (0.0, 1e-4, 0.02)


def train(temperature: float, x: torch.Tensor, y: torch.Tensor, classes: int) -> tuple[nn.Module, nn.Module, Ledger]:
    """Encoder, its classifier and the ledger of the monitor."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(x.shape[1], 64), nn.Tanh(), nn.Linear(64, FEATURES)).double()
        head = nn.Linear(FEATURES, classes).double()
    entropy = LogDet(ridge=1e-3)
    monitor = ForceMonitor(entropy, temperature, every=5, dt=RATE)
    optimiser = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(BATCH)[:-1]:
            z = monitor(encoder(x[rows]))
            loss = nn.functional.cross_entropy(head(z), y[rows])
            if temperature > 0:
                loss = loss - temperature * entropy(z)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return encoder, head, monitor.ledger


def main() -> None:
    train_set, test_set = wgf.data.load("digits")
    _, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
    styles = iter(("-", "--", "-"))  # the first two are nearly the same
    for temperature in TEMPERATURES:
        encoder, head, ledger = train(temperature, train_set.x, train_set.y, len(train_set.classes))
        with torch.no_grad():
            z = encoder(test_set.x)
            accuracy = float((head(z).argmax(1) == test_set.y).double().mean())
        rank = effective_rank(wgf.Ensemble(z))
        print(f"T = {temperature:g}: accuracy {accuracy:.3f}, effective rank {rank:.2f} of {FEATURES}")
        print(force_report(ledger))
        print()
        axis.plot(ledger["t"], ledger["effective_rank"], label=f"T = {temperature:g}", linestyle=next(styles))
    axis.set(
        title=f"Effective rank of {FEATURES} features",
        xlabel="step of the optimiser",
        ylabel="effective rank",
        ylim=(0, None),
    )
    axis.legend(frameon=False)
    plt.show()


if __name__ == "__main__":
    main()
