"""Heun's method, the explicit trapezoidal rule."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class Heun(ExplicitRungeKutta):
    """Predict by Euler, correct by the mean of both slopes. Order 2; stable for h < 2/k (Heun 1900)."""

    a: ClassVar[tuple[Row, ...]] = ((), (1.0,))
    b: ClassVar[Row] = (0.5, 0.5)
    c: ClassVar[Row] = (0.0, 1.0)
    order: ClassVar[int] = 2
