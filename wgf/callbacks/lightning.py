"""The forces of a training by Lightning into CSV files and TensorBoard."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import BackendError
from ..regularizers import ForceMonitor
from .forces import ForceLogger
from .rows import CSV, TensorBoard


def _base() -> Any:
    """The class Callback of Lightning: of the package in use where both are installed.

    Raises
    ------
    BackendError
        If neither `lightning` nor `pytorch-lightning` is installed.
    """
    names = ("lightning.pytorch", "pytorch_lightning")
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            return import_module(name).Callback
        except ImportError:
            continue
    raise BackendError("this needs Lightning: python -m pip install 'wgflow[lightning]'.")


if TYPE_CHECKING:

    class _Callback:
        """The base class, as far as the type checker sees it."""
else:
    _Callback = _base()


class LightningForceLogger(_Callback):
    """`ForceLogger` as a callback of Lightning: the records of a `ForceMonitor` go to files during `Trainer.fit`.

    Parameters
    ----------
    monitor : ForceMonitor
        The monitor in the network.
    sinks : CSV, TensorBoard or iterable of them
        Where the records go.

    Raises
    ------
    BackendError
        If Lightning is not installed: the extra `wgflow[lightning]`.
    ConfigError
        If `monitor` is no ForceMonitor, or a sink is something else.

    See Also
    --------
    ForceLogger : the same for a training loop of one's own.
    wgf.regularizers.ForceMonitor : records the forces.

    Notes
    -----
    Records are written after each batch, and by the first process only; a monitor measures the batch of its process. A
    checkpoint of Lightning holds the number of backward passes. `fit(..., ckpt_path=...)` goes on from there, and every
    record is in the files once. With float16, or where gradients of k batches are accumulated, Lightning multiplies the
    loss by a number. The callback gives it to the monitor as `loss_scale`, so forces are those of the loss itself.

    The class is made for the package that is in use, `lightning` or `pytorch_lightning`, when it is first asked for.

    Examples
    --------
    ::

        forces = wgf.callbacks.LightningForceLogger(model.monitor, wgf.callbacks.CSV("forces.csv"))
        pytorch_lightning.Trainer(max_epochs=10, callbacks=[forces]).fit(model, data)
    """

    def __init__(self, monitor: ForceMonitor, sinks: CSV | TensorBoard | Iterable[CSV | TensorBoard]) -> None:
        self.logger = ForceLogger(monitor, sinks)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        """Tell the monitor by what Lightning multiplied the loss."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        scale = float(scaler.get_scale()) if scaler is not None else 1.0
        self.logger.monitor.loss_scale = scale / trainer.accumulate_grad_batches

    def on_train_batch_end(self, trainer: Any, *arguments: Any, **named: Any) -> None:
        """Write the records of this batch."""
        if trainer.is_global_zero:
            self.logger.update()

    def on_train_end(self, trainer: Any, *arguments: Any) -> None:
        """Write what is left, and close the files."""
        if trainer.is_global_zero:
            self.logger.close()

    on_exception = on_train_end

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs: the number of backward passes of the monitor."""
        return self.logger.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint: records of later passes are dropped from the files, and come again."""
        self.logger.load_state_dict(state_dict)
