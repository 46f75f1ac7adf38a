"""The forces of a torch training, which a `ForceMonitor` records, into CSV files and TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ConfigError, shown
from ..ledger import Ledger
from ..regularizers import ForceMonitor
from .rows import CSV, TensorBoard


class ForceLogger:
    """Writes the records of a `ForceMonitor` to files while a network is trained.

    Call `update()` after each step of the optimiser. In a checkpoint of the training store `state_dict()`, and give it
    to `load_state_dict` when the training goes on: every record is then written once.

    Parameters
    ----------
    monitor : ForceMonitor
        The monitor in the network.
    sinks : CSV, TensorBoard or iterable of them
        Where the records go.

    Raises
    ------
    ConfigError
        If `monitor` is no ForceMonitor, or a sink is something else.

    See Also
    --------
    wgf.regularizers.ForceMonitor : records the forces.

    Examples
    --------
    >>> import tempfile, torch, wgf
    >>> entropy = wgf.regularizers.LogDet(ridge=1e-2)
    >>> monitor = wgf.regularizers.ForceMonitor(entropy, temperature=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     logger = ForceLogger(monitor, CSV(folder + "/forces.csv"))
    ...     for _ in range(3):
    ...         z = monitor(torch.randn(8, 2, requires_grad=True))
    ...         (z.square().mean() - 0.1 * entropy(z)).backward()
    ...         logger.update()
    ...     len(open(folder + "/forces.csv").readlines())
    4
    """

    def __init__(self, monitor: ForceMonitor, sinks: CSV | TensorBoard | Iterable[CSV | TensorBoard]) -> None:
        if not isinstance(monitor, ForceMonitor):
            raise ConfigError(f"monitor = {shown(monitor)}: wanted a wgf.regularizers.ForceMonitor.")
        several = (sinks,) if isinstance(sinks, (CSV, TensorBoard)) else sinks
        if not isinstance(several, Iterable):
            raise ConfigError(f"sinks = {shown(sinks)}: wanted wgf.callbacks.CSV or TensorBoard.")
        self.monitor, self.sinks = monitor, tuple(several)
        for sink in self.sinks:
            if not isinstance(sink, (CSV, TensorBoard)):
                raise ConfigError(f"sinks: {shown(sink)}: wanted wgf.callbacks.CSV or TensorBoard.")
        self._written, self._open = 0, False

    def update(self) -> None:
        """Write the records that came since the last call."""
        if not self._open:
            self._start(self.monitor.step if self._written else 0)
        ledger = self.monitor.ledger
        for index in range(self._written, ledger.rows):
            for sink in self.sinks:
                sink.write(ledger.row(index))
        self._written = ledger.rows

    def close(self) -> None:
        """Write what is left, and close the sinks."""
        self.update()
        for sink in self.sinks:
            sink.on_end(None)

    def _start(self, since: int) -> None:
        self._open = True
        for sink in self.sinks:
            sink.on_start(since, Ledger())

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of the training needs: the number of backward passes of the monitor."""
        return {"step": self.monitor.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint: records of later passes are dropped from the sinks, and come again."""
        step = state.get("step") if isinstance(state, dict) else None
        if not isinstance(step, int) or step < 0:
            raise ConfigError(f"state = {shown(state)}: wanted what state_dict() gave.")
        self.monitor.step, self.monitor.ledger, self._written = step, Ledger(), 0
        self._start(step)
