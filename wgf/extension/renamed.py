"""A decorator for renamed settings: the old keyword still works, with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ConfigError

C = TypeVar("C", bound=type)


def renamed(**names: str) -> Callable[[C], C]:
    """Make a class decorator that keeps the old names of settings: `@renamed(old="new")`.

    The constructor then takes `old=` as `new=`, and the attribute can be read under its old name. Both give a
    DeprecationWarning.

    Parameters
    ----------
    **names : str
        The new name of each setting, by its old name.

    Returns
    -------
    callable
        The decorator. It changes the class in place and returns it.

    Raises
    ------
    ConfigError
        From the constructor: both the old and the new keyword are given.

    Examples
    --------
    >>> @renamed(temperature="tau")
    ... class Softmax:
    ...     def __init__(self, tau):
    ...         self.tau = tau
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     Softmax(temperature=0.5).tau
    0.5
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
    """A property that reads the attribute `new` under the name `old`."""

    def get(self: Any) -> Any:
        warnings.warn(f"{owner}.{old} is now {owner}.{new}.", DeprecationWarning, stacklevel=2)
        return getattr(self, new)

    return property(get)
