"""A registry: all classes of one kind by name, those of this package and those that users add."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ..errors import ConfigError, closest, shown

T = TypeVar("T")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The concrete classes of one kind, by name. It is a read-only mapping from names to classes.

    A package of such classes has a constant `REGISTRY`, such as `wgf.kernels.REGISTRY`. It finds the classes in the
    namespace of the package, so one import line registers a class. Configuration files, `wgf.regularizers`, the lists
    in the README and the contract tests read the registry. They know a new class without further code.

    Parameters
    ----------
    kind : str
        What is registered, as messages say it, such as "kernel".
    base : type
        The abstract class of the kind.
    namespace : mapping of str to object, optional
        Where to look for concrete subclasses of `base` with public names: the `globals()` of the package.
    without : iterable of type, optional
        Classes of the namespace to leave out, such as sums of kernels.
    name : callable, optional
        Gives the name of a class. By default it is `__name__`.

    Raises
    ------
    ConfigError
        From `add` and `including`: the class is no concrete subclass of `base`, or another class has its name. From
        `make`: no class has this name.

    Examples
    --------
    >>> from wgf.kernels import REGISTRY
    >>> "Gaussian" in REGISTRY, REGISTRY["Gaussian"].__name__
    (True, 'Gaussian')
    >>> REGISTRY.make("Gaussian", h=2.0)
    Gaussian(h=2.0)  # repels
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
        """Whether `cls` is a class that may be registered."""
        return isinstance(cls, type) and issubclass(cls, self.base) and not inspect.isabstract(cls)

    def add(self, cls: type[T]) -> type[T]:
        """Register a class.

        Parameters
        ----------
        cls : type
            A concrete subclass of `base`. Adding the same class again changes nothing.

        Returns
        -------
        type
            The same class, so that `@REGISTRY.add` works as a decorator.

        Raises
        ------
        ConfigError
            If `cls` is no concrete subclass of `base`, or another class has its name.
        """
        if not self._fits(cls):
            raise ConfigError(f"{self.kind} {cls!r}: wanted a concrete subclass of {self.base.__name__}.")
        name = self._name(cls)
        if self._classes.get(name, cls) is not cls:
            raise ConfigError(f"{self.kind} {name!r} is already {self._classes[name]!r}; choose another name.")
        self._classes[name] = cls
        return cls

    @contextmanager
    def including(self, cls: type[T]) -> Iterator[type[T]]:
        """Register a class during a `with` block only. Tests use it.

        Parameters
        ----------
        cls : type
            A concrete subclass of `base`.

        Yields
        ------
        type
            The same class.

        Raises
        ------
        ConfigError
            As from `add`.
        """
        name = self._name(self.add(cls))
        try:
            yield cls
        finally:
            del self._classes[name]

    def make(self, name: str, **settings: Any) -> T:
        """Make an object of the class called `name`.

        Parameters
        ----------
        name : str
            The name of a registered class.
        **settings
            The arguments of its constructor.

        Returns
        -------
        object
            The new object.

        Raises
        ------
        ConfigError
            If no class has this name. The message suggests the nearest one.
        """
        if name not in self._classes:
            raise ConfigError(f"{self.kind} {shown(name)}{closest(name, self._classes)}")
        return self._classes[name](**settings)

    def __getitem__(self, name: str) -> type[T]:
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        """The names in alphabetical order."""
        return iter(sorted(self._classes, key=str.lower))

    def __len__(self) -> int:
        return len(self._classes)

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self)})"
