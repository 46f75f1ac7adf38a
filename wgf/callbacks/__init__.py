"""Callbacks that are ready: records into a CSV file or TensorBoard, early stopping, progress; forces of a training.

Pass them as `wgf.solve(..., callbacks=[...])`. To write another one, derive from `Callback`.
`LightningForceLogger` needs the extra `wgflow[lightning]`, and is imported when it is asked for.
"""

from typing import Any

from ..flow import Callback
from .forces import ForceLogger
from .rows import CSV, TensorBoard
from .stopping import EarlyStopping, Progress

__all__ = ["CSV", "Callback", "EarlyStopping", "ForceLogger", "Progress", "TensorBoard"]


def __getattr__(name: str) -> Any:
    if name == "LightningForceLogger":
        from .lightning import LightningForceLogger

        return LightningForceLogger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "LightningForceLogger"]
