"""Renamed settings: the old keyword and attribute still work, with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfigError

C = TypeVar("C", bound=type)


def renamed(**names: str) -> Callable[[C], C]:
    """A class decorator: `@renamed(old="new")` lets the constructor take `old=` as `new=`, with a DeprecationWarning.

    The attribute can be read under its old name too.

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
        for old, new in names.items():
            setattr(cls, old, _alias(cls.__name__, old, new))
        return cls

    return decorate


def _alias(owner: str, old: str, new: str) -> property:
    """The attribute under its old name."""

    def get(self: Any) -> Any:
        warnings.warn(f"{owner}.{old} is now {owner}.{new}.", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(get)
