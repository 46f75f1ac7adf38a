"""Functions of the user are given the particles to read. What they write is found here and refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import Tensor

from ..errors import ConfigError
from ..storage import remembered

Result = TypeVar("Result")


class Reading:
    """A user's function that may read its arguments, and not write to them.

    Parameters
    ----------
    name : str
        Which function it is, for the message.
    function : callable
        The function.

    Raises
    ------
    ConfigError
        From a call in which the function wrote to a tensor that it was given.

    Notes
    -----
    Every call looks at the version counters of torch, which costs nothing. They do not see what is written through
    numpy or `.data`. So the first call compares the numbers too, where they are on the CPU.

    Examples
    --------
    >>> import torch
    >>> Reading("fn", lambda x: x + 1)(torch.zeros(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self.function = name, function
        self._compared = False

    def __call__(self, *arguments: Tensor) -> Any:
        copies: tuple[Tensor, ...] = ()
        if not self._compared and all(argument.device.type == "cpu" for argument in arguments):  # a GPU would wait
            copies = tuple(argument.detach().clone() for argument in arguments)
        try:
            result = guarded(self.name, arguments, self.function, *arguments)
        except RuntimeError as error:
            if "in-place operation" not in str(error):
                raise
            raise written(self.name) from error
        if copies and any(differ(copy, argument) for copy, argument in zip(copies, arguments, strict=True)):
            raise written(self.name)
        self._compared = True
        return result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reading) and self.function == other.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return repr(self.function)


remembered(name="Reading", parts=lambda it: {"name": it.name, "function": it.function}, make=lambda it: Reading(**it))(
    Reading
)


def versions(arrays: Sequence[Tensor]) -> list[int]:
    """How often each tensor was written to. Tensors of `torch.inference_mode` do not count it."""
    try:
        return [array._version for array in arrays]
    except RuntimeError:
        return [0 if array.is_inference() else array._version for array in arrays]


def guarded(name: str, arrays: Sequence[Tensor], call: Callable[..., Result], *arguments: Any) -> Result:
    """Make a call that may read these tensors, and raise a ConfigError if it wrote to one of them."""
    before = versions(arrays)
    result = call(*arguments)
    if versions(arrays) != before:
        raise written(name)
    return result


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors differ in an entry; NaN equals NaN."""
    other = other.detach()
    return not bool(((one == other) | ((one != one) & (other != other))).all())


def written(name: str) -> ConfigError:
    """The error for a function that writes to the particles or weights that it was given to read."""
    return ConfigError(f"{name} writes to what it was given; wanted a function that only reads. Work on x.clone().")
