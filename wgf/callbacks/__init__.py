"""Callbacks that are ready: records into a CSV file or TensorBoard, early stopping, progress; forces of a training.

Pass them as `wgf.solve(..., callbacks=[...])`. To write another one, derive from `Callback`.
"""

from ..flow import Callback
from .forces import ForceLogger
from .rows import CSV, TensorBoard
from .stopping import EarlyStopping, Progress

__all__ = ["CSV", "Callback", "EarlyStopping", "ForceLogger", "Progress", "TensorBoard"]
