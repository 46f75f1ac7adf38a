"""Keywords that were renamed: the old name goes on with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfigError

C = TypeVar("C", bound=type)


def renamed(**names: str) -> Callable[[C], C]:
    """A class decorator: `@renamed(old="new")` lets the constructor take `old=` as `new=`, with a DeprecationWarning.

    Raises
    ------
    ConfigError
        From the constructor, where both the old and the new keyword are given.
    """

    def decorate(cls: C) -> C:
        build = cls.__init__  # type: ignore[misc]

        @functools.wraps(build)
        def __init__(self: Any, *args: Any, **settings: Any) -> None:
            for old, new in names.items():
                if old in settings:
                    if new in settings:
                        raise ConfigError(f"{cls.__name__}: {old} and {new} are the same setting; give {new} only.")
                    warnings.warn(f"{cls.__name__}({old}=) is now {new}=.", DeprecationWarning, stacklevel=2)
                    settings[new] = settings.pop(old)
            build(self, *args, **settings)

        cls.__init__ = __init__  # type: ignore[misc]
        return cls

    return decorate
