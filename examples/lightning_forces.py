"""The forces of a training by Lightning, in a file that also a restart from a checkpoint leaves whole.

A small encoder learns clusters, and the log-determinant of its representations keeps them spread out. A `ForceMonitor`
between encoder and head compares the force of that entropy with the force of the task. `LightningForceLogger` writes
its records. The training is stopped after two epochs and goes on from Lightning's checkpoint. Lightning is the extra
`wgflow[lightning]`.
"""

import logging
import warnings

import matplotlib.pyplot as plt
import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import wgf
from wgf.regularizers import ForceMonitor, LogDet

TEMPERATURE = 0.02
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pytorch_lightning")  # it recommends more workers


class Classifier(lightning.LightningModule):
    """Encoder, monitor, head. The monitor returns its input, and sees the gradient that comes back."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 6))
        self.head = nn.Linear(6, 3)
        self.entropy = LogDet(ridge=1e-2)
        self.monitor = ForceMonitor(self.entropy, TEMPERATURE, every=2)

    def training_step(self, batch, index):
        z = self.monitor(self.encoder(batch[0]))
        return nn.functional.cross_entropy(self.head(z), batch[1]) - TEMPERATURE * self.entropy(z)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def fit(epochs, checkpoint=None):
    """Train up to this epoch, from the start or from a checkpoint."""
    torch.manual_seed(0)
    model = Classifier()
    forces = wgf.callbacks.LightningForceLogger(model.monitor, wgf.callbacks.CSV("forces.csv"))
    trainer = lightning.Trainer(max_epochs=epochs, callbacks=[forces], accelerator="cpu", logger=False,
                                enable_checkpointing=False, enable_progress_bar=False,
                                enable_model_summary=False)  # fmt: skip
    trainer.fit(model, DataLoader(data, batch_size=32), ckpt_path=checkpoint)
    return model, trainer


torch.manual_seed(1)
labels = torch.arange(192) % 3
data = TensorDataset(2.0 * torch.randn(3, 8)[labels] + torch.randn(192, 8), labels)

_, trainer = fit(epochs=2)
trainer.save_checkpoint("half.ckpt")
model, _ = fit(epochs=6, checkpoint="half.ckpt")

with open("forces.csv", encoding="utf-8") as file:
    steps = [int(float(line.split(",")[1])) for line in file.readlines()[1:]]
print(f"records of steps {steps[0]} to {steps[-1]}, each once: {steps == list(range(0, 36, 2))}")
accuracy = (model.head(model.encoder(data.tensors[0])).argmax(1) == labels).float().mean()
print(f"accuracy {float(accuracy):.3f}")
print(wgf.diagnostics.force_report(model.monitor))

ledger = model.monitor.ledger
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
axis.semilogy(ledger["t"], ledger["loss_force"], label="force of the task")
axis.semilogy(ledger["t"], ledger["information_force"], label="force of the entropy")
axis.set(title="Forces since the checkpoint", xlabel="step", ylabel="root mean square")
axis.legend(frameon=False)
plt.show()
