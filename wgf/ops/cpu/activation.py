"""The activation functions for compiled loops: what is kept of a neuron's input, and how σ and σ′ follow from it.

`kept(σ, s)` is stored for each neuron and sample; `revived(σ, c)` makes (σ(s), σ′(s)) from it. Where the slope is a
function of the value, the value is kept; for erf the input is. The type of a named tuple tells the compiler which σ to
put into a loop. Tests compare every formula with `activations.evaluate`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from ..activations import ERF, IDENTITY, RELU, SIGMOID, SOFTPLUS, TANH
from .elementary import INLINED, erf, exp, exp2_minus_1, sigmoid, softplus, tanh
from .intrinsics import cast

_LOG2E = math.log2(math.e)
_TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)


class Tanh(NamedTuple):
    unused: Any = 0


class Relu(NamedTuple):
    unused: Any = 0


class Sigmoid(NamedTuple):
    unused: Any = 0


class Softplus(NamedTuple):
    unused: Any = 0


class Erf(NamedTuple):
    unused: Any = 0


class Identity(NamedTuple):
    unused: Any = 0


COMPILED = {
    TANH: Tanh(), RELU: Relu(), SIGMOID: Sigmoid(), SOFTPLUS: Softplus(), ERF: Erf(), IDENTITY: Identity()
}  # fmt: skip


def _itself(activation, x):
    return x


def _tanh(activation, x):
    return tanh(x)


def _tanh_revived(activation, x):
    return x, cast(1.0, x) - x * x


def _relu(activation, x):
    return cast(0.0, x) if x < cast(0.0, x) else x


def _relu_revived(activation, x):
    return x, cast(0.0, x) if x <= cast(0.0, x) else cast(1.0, x)


def _sigmoid(activation, x):
    return sigmoid(x)


def _sigmoid_revived(activation, x):
    return x, x * (cast(1.0, x) - x)


def _softplus(activation, x):
    return softplus(x)


def _softplus_revived(activation, x):
    far = cast(40.0, x)
    return x, -exp2_minus_1(cast(-_LOG2E, x) * (far if x > far else x))


def _erf_revived(activation, x):
    return erf(x), cast(_TWO_OVER_ROOT_PI, x) * exp(-x * x)


def _identity_revived(activation, x):
    return x, cast(1.0, x)


_FORMULAS = {
    Tanh: (_tanh, _tanh_revived),
    Relu: (_relu, _relu_revived),
    Sigmoid: (_sigmoid, _sigmoid_revived),
    Softplus: (_softplus, _softplus_revived),
    Erf: (_itself, _erf_revived),
    Identity: (_itself, _identity_revived),
}
_NAMED = (types.NamedTuple, types.NamedUniTuple)


def kept(activation, x):
    """What is stored for the input x = s. For compiled code only."""
    raise NotImplementedError


def revived(activation, x):
    """(σ(s), σ′(s)) from what was stored. For compiled code only."""
    raise NotImplementedError


@overload(kept, jit_options=INLINED)
def _kept(activation, x):
    return _FORMULAS[activation.instance_class][0] if isinstance(activation, _NAMED) else None


@overload(revived, jit_options=INLINED)
def _revived(activation, x):
    return _FORMULAS[activation.instance_class][1] if isinstance(activation, _NAMED) else None
