"""Explicit Euler."""

from dataclasses import dataclass
from typing import ClassVar

from .tableau import ExplicitRungeKutta, Row


@dataclass(frozen=True)
class Euler(ExplicitRungeKutta):
    """x' = x − h ∇_W F[μ](x). Order 1; stable on a quadratic of stiffness k for h < 2/k (Euler 1768)."""

    a: ClassVar[tuple[Row, ...]] = ((),)
    b: ClassVar[Row] = (1.0,)
    c: ClassVar[Row] = (0.0,)
    order: ClassVar[int] = 1
