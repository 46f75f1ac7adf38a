"""The classical Runge–Kutta method."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class RungeKutta4(ExplicitRungeKutta):
    """Four stages, order 4; stable for h < 2.785/k (Kutta 1901)."""

    a: ClassVar[tuple[Row, ...]] = ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0))
    b: ClassVar[Row] = (1 / 6, 1 / 3, 1 / 3, 1 / 6)
    c: ClassVar[Row] = (0.0, 0.5, 0.5, 1.0)
    order: ClassVar[int] = 4
