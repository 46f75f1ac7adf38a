"""What the bodies of the peers share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TORCH, JAX, JAX_FIRST = "torch by hand", "JAX by hand", "JAX by hand: noise first"


def jax64() -> Any:
    """JAX with float64 allowed. The setting is global, but each peer has its own process."""
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def scanned(step: Callable[[Any, Any], Any], over: Callable[[Any], Any], start: Any, keyed: bool = True) -> Any:
    """One jitted `lax.scan` from `start`: x ← step(x, item) for the items of `over(key)`. Returns the call."""
    jax = jax64()

    @jax.jit
    def walk(x: Any, key: Any) -> Any:
        return jax.lax.scan(lambda x, item: (step(x, item), None), x, over(key))[0]

    key = jax.random.key(1)
    return lambda: walk(start, key).block_until_ready()


def counted(step: Callable[[Any], Any], steps: int, start: Any) -> Any:
    """One jitted loop from `start`: x ← step(x), so many times. Returns the call."""
    jax = jax64()

    @jax.jit
    def walk(x: Any) -> Any:
        return jax.lax.scan(lambda x, _: (step(x), None), x, None, length=steps)[0]

    return lambda: walk(start).block_until_ready()
