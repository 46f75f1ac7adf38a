"""A registry: the classes of one kind by their names, those of this package and those that users add."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ..errors import ConfigError, closest, shown

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The concrete classes of one kind, by name.

    A package builds its registry from its own namespace, so that an import line registers a class. Configuration files,
    regularizers, documentation and contract tests read the registry, so that they know a class as soon as it is in it.

    Parameters
    ----------
    kind : str
        What is registered, as messages say it: "kernel".
    base : type
        The abstract class of the kind.
    namespace : mapping of str to object, optional
        Where to look for concrete public subclasses of `base`: the `globals()` of the package.
    without : iterable of type, optional
        Classes of the namespace to leave out, such as sums of kernels.
    name : callable, optional
        The name of a class; by default `__name__`.

    Raises
    ------
    ConfigError
        From `add`, for what is no concrete subclass of `base` or has the name of another class.

    Examples
    --------
    >>> from wgf.kernels import REGISTRY, Kernel
    >>> "Gaussian" in REGISTRY, REGISTRY["Gaussian"].__name__
    (True, 'Gaussian')
    """

    def __init__(
        self,
        kind: str,
        base: type,
        namespace: Mapping[str, object] | None = None,
        without: Iterable[type] = (),
        name: Callable[[Any], str] | None = None,
    ) -> None:
        self.kind, self.base = kind, base
        self._name: Callable[[Any], str] = name or (lambda cls: str(cls.__name__))
        self._classes: dict[str, type[T]] = {}
        left_out = {base, *without}
        for key, value in (namespace or {}).items():
            if self._fits(value) and value not in left_out and not key.startswith("_"):
                self.add(value)  # type: ignore[arg-type]

    def _fits(self, cls: object) -> bool:
        return isinstance(cls, type) and issubclass(cls, self.base) and not inspect.isabstract(cls)

    def add(self, cls: type[T]) -> type[T]:
        """Register a class and return it, so that `@REGISTRY.add` works as a decorator."""
        if not self._fits(cls):
            raise ConfigError(f"{self.kind} {cls!r}: wanted a concrete subclass of {self.base.__name__}.")
        name = self._name(cls)
        if self._classes.get(name, cls) is not cls:
            raise ConfigError(f"{self.kind} {name!r} is already {self._classes[name]!r}; choose another name.")
        self._classes[name] = cls
        return cls

    @contextmanager
    def including(self, cls: type[T]) -> Iterator[type[T]]:
        """The registry with one class more for the length of a `with` block."""
        name = self._name(self.add(cls))
        try:
            yield cls
        finally:
            del self._classes[name]

    def make(self, name: str, **settings: Any) -> T:
        """An object of the class called `name`; ConfigError with the nearest name where there is none."""
        if name not in self._classes:
            raise ConfigError(f"{self.kind} {shown(name)}{closest(name, self._classes)}")
        return self._classes[name](**settings)

    def __getitem__(self, name: str) -> type[T]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes, key=str.lower))

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self)})"
