"""Forces of a training by Lightning: each record is in the file once, also over a checkpoint; scale and refusals."""

from __future__ import annotations

import csv
import sys
import warnings
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import wgf
from wgf.callbacks import CSV
from wgf.errors import BackendError, ConfigError
from wgf.regularizers import ForceMonitor, LogDet

pytestmark = pytest.mark.slow  # Lightning takes seconds to import


@pytest.fixture(scope="module")
def lightning():
    return pytest.importorskip("pytorch_lightning")


def trained(lightning, folder, epochs, checkpoint=None, **options):
    """Four batches in an epoch; the monitor, the path of its records, and the trainer."""
    base: Any = lightning.LightningModule

    class Module(base):
        def __init__(self):
            super().__init__()
            self.encoder, self.entropy = nn.Linear(3, 2), LogDet(ridge=0.1)
            self.monitor = ForceMonitor(self.entropy, temperature=0.1)

        def training_step(self, batch, index):
            z = self.monitor(self.encoder(batch[0]))
            return z.square().mean() - 0.1 * self.entropy(z)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    model, path = Module(), folder / "forces.csv"
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))
    forces = wgf.callbacks.LightningForceLogger(model.monitor, CSV(path))
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[forces], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends worker processes, and loggers
        trainer.fit(model, DataLoader(TensorDataset(x), batch_size=8), ckpt_path=checkpoint)
    return model.monitor, path, trainer


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_each_record_is_written_once_also_over_a_checkpoint(lightning, tmp_path):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    monitor, whole, _ = trained(lightning, tmp_path / "whole", 3)
    assert [float(row["step"]) for row in rows(whole)] == list(range(12))
    assert float(rows(whole)[-1]["loss_force"]) == monitor.ledger["loss_force"][-1]
    _, parts, trainer = trained(lightning, tmp_path / "parts", 1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    trained(lightning, tmp_path / "parts", 2, tmp_path / "a.ckpt")  # its records are of the future for the next run
    monitor, parts, _ = trained(lightning, tmp_path / "parts", 3, tmp_path / "a.ckpt")
    assert parts.read_bytes() == whole.read_bytes()
    assert monitor.step == 12


def test_forces_are_those_of_the_loss_where_lightning_multiplies_it(lightning, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    plain, _, _ = trained(lightning, tmp_path / "one", 1)
    shared, _, _ = trained(lightning, tmp_path / "two", 1, accumulate_grad_batches=4)
    assert shared.loss_scale == 0.25
    assert shared.ledger["loss_force"][0] == pytest.approx(plain.ledger["loss_force"][0], rel=1e-6)


def test_refusals(lightning, tmp_path):
    make = wgf.callbacks.LightningForceLogger
    with pytest.raises(ConfigError, match="ForceMonitor"):
        make(nn.Linear(1, 1), CSV(tmp_path / "a.csv"))
    monitor = ForceMonitor(LogDet(ridge=0.1), 0.1)
    with pytest.raises(ConfigError, match="sinks"):
        make(monitor, "forces.csv")
    with pytest.raises(ConfigError, match="state"):
        make(monitor, CSV(tmp_path / "a.csv")).load_state_dict({"step": -1})


def test_without_lightning_the_error_names_the_extra(lightning, monkeypatch):
    from wgf.callbacks import lightning as ours

    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match=r"wgflow\[lightning\]"):
        ours._base()
