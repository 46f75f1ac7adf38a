"""Sums of a radial kernel over all pairs of particles, and the Stein direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import bodies, range, reference
from .registry import array, custom_op, later, like, native, register

cpu = later("pairwise")
extents = later("extent")
few = later("stein")
finite = later("finite")
once = later("once")
products = later("products")
radial = later("radial")

DIRECT_UP_TO = 14
"""Up to this dimension, differences of coordinates are faster than matrix products (measured by `benchmarks`)."""


@custom_op("wgf::pair_sums", mutates_args=(), device_types="cpu")
def pair_sums(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
    exclude_self: bool,
    period: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum a radial kernel over all pairs: Σⱼ wⱼ K(xᵢ − yⱼ) and Σⱼ wⱼ ∇K(xᵢ − yⱼ), in one pass.

    Parameters
    ----------
    x : Tensor
        Points (m, d) at which the sums are taken, float32 or float64.
    y : Tensor
        Particles (n, d) that are summed over.
    weights : Tensor
        Their weights (n,), any sign.
    form : int
        Number of the kernel formula, in `wgf.ops.forms`.
    parameters : sequence of float
        Its parameters; lengths in the units of x.
    softening : float
        Length δ ≥ 0 in the units of x: |u|² becomes |u|² + δ².
    exclude_self : bool
        Whether to leave out the pairs i = j.
    period : sequence of float, optional
        Lengths (d,) after which space repeats; x − y is then the difference to the nearest image.

    Returns
    -------
    value : Tensor
        The sums (m,), float64. Autograd can differentiate them, once.
    gradient : Tensor
        Their gradients (m, d) in xᵢ, in the dtype of x. Autograd cannot differentiate these.

    Raises
    ------
    NotImplementedError
        If autograd is to differentiate the gradient.

    Notes
    -----
    O(m·n·d) time, O((m + n)·d) memory. The arithmetic is in float32 if x and y are and their powers fit into its range,
    else in float64. `wgf.ops.range` says when they fit.

    Examples
    --------
    >>> import torch
    >>> from wgf.ops.forms import GAUSSIAN
    >>> value, gradient = pair_sums(torch.zeros(1, 1), torch.ones(1, 1), torch.ones(1), GAUSSIAN, [1.0], 0.0, False)
    >>> round(value.item(), 4), round(gradient.item(), 4)
    (0.6065, 0.6065)
    """
    rows, columns = _points(x, y)
    rest = array(weights), form, parameters, softening, exclude_self
    if period is not None:
        value, gradient = cpu.pair_sums(rows, columns, *rest, tuple(float(length) for length in period))
        return torch.from_numpy(value), like(gradient, x)
    body = (products if x.shape[1] > DIRECT_UP_TO else cpu).pair_sums
    if rows.dtype == np.float32 and not _fits(rows, columns, form, parameters, softening):
        rows, columns = _wide(rows, columns)
    value, gradient = body(rows, columns, *rest)
    if rows.dtype == np.float32 and range.without_length(form) and not finite.all_finite(gradient):
        value, gradient = body(*_wide(rows, columns), *rest)  # a pair so close that a power of its distance overflows
    return torch.from_numpy(value), like(gradient, x)


def pair_body(
    form: int, parameters: Sequence[float], softening: float, exclude_self: bool, scale: float, factor: float,
    weights: Tensor, dtype: torch.dtype, dim: int | None = None, changing: bool = False,
) -> tuple[bodies.Pair, np.ndarray | None] | None:  # fmt: skip
    """One radial formula as plain numbers, for compiled stretches of steps.

    Parameters
    ----------
    form, parameters, softening, exclude_self
        As in `pair_sums`.
    scale, factor : float
        What the gradient is multiplied by, one after the other.
    weights : Tensor
        The weights (n,) of the particles.
    dtype : torch.dtype
        Their dtype.
    dim : int, optional
        Their dimension d. Without it the body has no loops over pairs.
    changing : bool, default False
        Whether there are also sums with other weights.

    Returns
    -------
    body : Pair
        The formula.
    relative : ndarray or None
        The relative weights. The result is None instead of both where the dtype cannot hold such sums.
    """
    kind = np.dtype(np.float32 if dtype == torch.float32 else np.float64)
    number, known = kind.type, range.extents(form, parameters, softening)
    if kind == np.float32 and known is range.NOWHERE:
        return None
    total, relative = radial.split_weights(array(weights), kind)
    numbers = float(total), number(scale), number(factor), number(softening**2)
    made, a, b = radial.compiled_form(form, parameters, kind)
    loops = [(0, 0), (0, 0)]
    if dim is not None:
        for weighted in (False, True) if changing else (relative is not None,):
            loops[weighted] = once.loops_of(made, len(weights), dim, kind, weighted)
    return bodies.Pair(made, a, b, *numbers, exclude_self, *known, *loops), relative


def stein_body(
    form: int, parameters: Sequence[float], softening: float, scale: float, temperature: float, h: float,
    weights: Tensor, x: Tensor,
) -> bodies.Stein | None:  # fmt: skip
    """The steps of a Stein flow with a radial kernel as plain numbers, for compiled stretches of steps.

    Parameters
    ----------
    form, parameters, softening
        The kernel, as in `pair_sums`.
    scale : float
        What the kernel is multiplied by.
    temperature, h : float
        T > 0 and the length of the steps.
    weights, x : Tensor
        The weights (n,) and the particles (n, d).

    Returns
    -------
    Stein or None
        None where single steps sum in another way: for many particles or dimensions, or where the dtype cannot hold
        the sums.
    """
    n, d = x.shape
    made = pair_body(form, parameters, softening, False, scale * temperature, 1.0, weights, x.dtype)
    if made is None or n > few.FEW or d > DIRECT_UP_TO:
        return None
    pair, relative = made
    number, loops, weighted = type(pair.softening), (0, 0), relative is not None
    loops = once.loops_of(pair.form, n, d, np.dtype(number), weighted, True)
    pair = pair._replace(**{"weighted_loops" if weighted else "loops": loops})
    return bodies.Stein(pair, relative, (0,) * d, number(temperature), number(h))


def _fits(rows: np.ndarray, columns: np.ndarray, form: int, parameters: Sequence[float], softening: float) -> bool:
    """Whether float32 holds what the sum makes of the kernel and of the points."""
    known = range.extents(form, parameters, softening)
    return known is not range.NOWHERE and known.hold(extents.extent(rows, columns))


def _wide(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64; one array stays one array."""
    wide = rows.astype(np.float64)
    return wide, wide if columns is rows else columns.astype(np.float64)


def _points(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """x and y in the dtype that holds both. One and the same array if they share their memory."""
    dtype = torch.promote_types(x.dtype, y.dtype)
    rows = native(x.to(dtype))
    same = x.data_ptr() == y.data_ptr() and x.shape == y.shape and x.stride() == y.stride() and x.dtype == y.dtype
    return rows, rows if same else native(y.to(dtype))


def _pair_sums_elsewhere(x, y, weights, *rest):
    value, gradient = reference.pair_sums(x.double(), y.double(), weights.double(), *rest)
    return value, gradient.to(x.dtype)


register(
    pair_sums,
    _pair_sums_elsewhere,
    lambda x, y, weights, *_: (x.new_empty(len(x), dtype=torch.float64), torch.empty_like(x)),
    triton="pairwise",
)


def _pair_context(ctx: Any, inputs: Any, output: Any) -> None:
    x, y, weights, *ctx.rest = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, y, weights, output[1])


def _pair_backward(ctx: Any, value_bar: Tensor | None, gradient_bar: Tensor | None) -> Any:
    """The derivative of the value.

    K is even in u, so that the derivatives in y and in the weights are sums of the same kind, with x and y exchanged.
    """
    if gradient_bar is not None:
        raise NotImplementedError("wgf::pair_sums: the gradient cannot be differentiated again; only the value can")
    if value_bar is None:
        return (None,) * 8
    x, y, weights, gradient = ctx.saved_tensors
    x_bar = y_bar = weights_bar = None
    if ctx.needs_input_grad[0]:
        x_bar = (value_bar[:, None] * gradient).to(x.dtype)
    if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
        value, slope = pair_sums(y, x, value_bar.double(), *ctx.rest)
        y_bar, weights_bar = (weights[:, None] * slope).to(y.dtype), value.to(weights.dtype)
    return x_bar, y_bar, weights_bar, None, None, None, None, None


pair_sums.register_autograd(_pair_backward, setup_context=_pair_context)


@custom_op("wgf::stein_direction", mutates_args=(), device_types="cpu")
def stein_direction(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    scores: Tensor,
    form: int,
    parameters: Sequence[float],
    softening: float,
) -> Tensor:
    """Sum the Stein direction over all pairs: Σⱼ wⱼ [K(xᵢ − yⱼ) sⱼ − ∇K(xᵢ − yⱼ)].

    With scores s = ∇ log π it is the direction of Stein variational gradient descent. The second part, Σⱼ wⱼ ∇ⱼK,
    keeps the particles apart.

    Parameters
    ----------
    x : Tensor
        Points (m, d) at which the direction is taken, float32 or float64.
    y : Tensor
        Particles (n, d) that are summed over.
    weights : Tensor
        Their weights (n,).
    scores : Tensor
        Scores s at the particles y (n, d), in the inverse units of x.
    form, parameters, softening
        The kernel, as in `pair_sums`.

    Returns
    -------
    Tensor
        The directions (m, d), in the dtype of x.

    References
    ----------
    Liu & Wang (2016), Stein variational gradient descent, NeurIPS 29.

    Examples
    --------
    >>> import torch
    >>> from wgf.ops.forms import GAUSSIAN
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> a = stein_direction(x, x, torch.tensor([0.5, 0.5]), torch.zeros(2, 1), GAUSSIAN, [1.0], 0.0)
    >>> a[1].item() > 0  # no scores: the particle on the right moves to the right
    True
    """
    rows, columns = _points(x, y)
    if rows.dtype == np.float32 and not (
        _fits(rows, columns, form, parameters, softening) and _scores_fit(scores, form, parameters)
    ):
        rows, columns = _wide(rows, columns)
    payload = scores.detach().numpy().astype(columns.dtype, copy=False)
    rest = array(weights), payload, form, parameters, softening
    if x.shape[1] > DIRECT_UP_TO:
        return like(products.stein_direction(rows, columns, *rest), x)
    return like(cpu.stein_direction(rows, columns, *rest), x)


def _scores_fit(scores: Tensor, form: int, parameters: Sequence[float]) -> bool:
    """Whether float32 holds the scores, and the scores in the units of the kernel, by which they are carried."""
    _, a, b = radial.compiled_form(form, parameters, np.dtype(np.float64))
    high = extents.largest(native(scores), 0, scores.shape[1])
    return range.factor_fits(high) and range.factor_fits(high * a / b)


def _stein_elsewhere(x, y, weights, scores, *rest):
    return reference.stein_direction(x.double(), y.double(), weights.double(), scores.double(), *rest).to(x.dtype)


register(stein_direction, _stein_elsewhere, lambda x, *_: torch.empty_like(x), triton="pairwise")
