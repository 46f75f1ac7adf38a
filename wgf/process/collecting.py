"""Python's garbage collector, and when it rests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """Keep the garbage collector from running inside a `with` block, if it is on. It is for imports.

    What a module makes stays. Each look through it and through all of torch for garbage takes a tenth of a second. So
    all that there is at the end counts as old: the collector looks at it again only when much more has been made.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else the program has frozen objects, and they stay so
            gc.freeze()
            gc.unfreeze()
        gc.enable()
