"""Small dense linear algebra with the same bits for every number of threads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .registry import later, native, ordinary
from .threads import one_blas_thread, one_torch_thread

cpu = later("coupled")
definite = later("definite")
moments = later("moments")

SMALL = 8
"""Up to this dimension matrices on the CPU are inverted by compiled code, which stretches of steps use too."""
LARGE = 256
"""Up to this dimension other compiled code is faster than LAPACK."""
AT_ONCE = ("cpu",)
"""Kinds of devices on which a number can be read without waiting for other work."""
FEW = 8
"""Up to so many columns, `row_dot` adds them one after the other."""


def symmetric_eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of a symmetric matrix.

    Parameters
    ----------
    matrix : Tensor
        Symmetric (d, d), float64.

    Returns
    -------
    values : Tensor
        Eigenvalues (d,), ascending.
    vectors : Tensor
        Eigenvectors (d, d), one a column.

    Notes
    -----
    Both are NaN if the matrix is not finite. The test for that makes a GPU wait.

    Examples
    --------
    >>> import torch
    >>> symmetric_eigen(torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)))[0].tolist()
    [1.0, 3.0]
    """
    if not bool(torch.isfinite(matrix).all()):  # LAPACK would not converge
        return torch.full_like(matrix[0], torch.nan), torch.full_like(matrix, torch.nan)
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    with one_blas_thread():
        pair = np.linalg.eigh(matrix.numpy())
    return torch.from_numpy(pair.eigenvalues), torch.from_numpy(np.ascontiguousarray(pair.eigenvectors))


def inverse_and_log_det(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Inverse, log-determinant and condition number of a symmetric positive definite matrix, by Cholesky's method.

    Parameters
    ----------
    matrix : Tensor
        Symmetric (d, d).

    Returns
    -------
    inverse : Tensor
        A⁻¹ (d, d).
    log_det : Tensor
        log det A, 0-d.
    condition : Tensor
        ‖A‖‖A⁻¹‖ ≥ λ_max/λ_min in Frobenius norms, 0-d. Infinite or NaN if A is not positive definite; the other two
        results are then meaningless.

    Notes
    -----
    Nothing is tested here, so that a GPU need not wait: the caller tests `condition` when it can.
    There `torch.cholesky_inverse` and `torch.linalg.eigh` would test and wait. On the CPU compiled code takes up to
    256 rows, and the first of these more.

    Examples
    --------
    >>> import torch
    >>> inverse, log_det, condition = inverse_and_log_det(2.0 * torch.eye(2, dtype=torch.float64))
    >>> round(inverse[0, 0].item(), 3), round(log_det.item(), 3), round(condition.item(), 3)
    (0.5, 1.386, 2.0)
    """
    if (
        len(matrix) <= LARGE
        and matrix.device.type in AT_ONCE
        and matrix.dtype == torch.float64
        and not matrix.requires_grad
    ):
        inverse = torch.empty_like(matrix, memory_format=torch.contiguous_format)
        body = (cpu if len(matrix) <= SMALL else definite).inverse_and_log_det
        log_det, condition = torch.tensor(body(native(matrix), inverse.numpy()), dtype=matrix.dtype)
        return inverse, log_det, condition
    with one_torch_thread():
        factor, info = torch.linalg.cholesky_ex(matrix)
        if matrix.device.type in AT_ONCE and not matrix.requires_grad and not int(info):
            inverse = torch.cholesky_inverse(factor)
            condition = torch.linalg.matrix_norm(matrix) * torch.linalg.matrix_norm(inverse)
            return inverse, 2.0 * factor.diagonal().log().sum(), condition
        one = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        half = torch.linalg.solve_triangular(factor, one, upper=False)
        inverse = half.T @ half
        condition = torch.linalg.matrix_norm(matrix) * torch.linalg.matrix_norm(inverse)
        log_det = 2.0 * factor.diagonal().log().sum()
    return inverse, log_det, condition.masked_fill(info != 0, torch.inf)


def row_dot(a: Tensor, b: Tensor) -> Tensor:
    """The scalar product of each row of a with the same row of b.

    Parameters
    ----------
    a, b : Tensor
        Shape (n, d).

    Returns
    -------
    Tensor
        Σ_c a[i, c] b[i, c] (n,), float64.

    Notes
    -----
    Up to eight columns are added one after the other, which is ten times as fast as torch's sum over short rows. More
    are added by compiled code, without an array of the products, where there are plain CPU tensors. Torch
    splits a sum among threads only where there is a single row; that case runs in one thread.

    Examples
    --------
    >>> import torch
    >>> row_dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([11.], dtype=torch.float64)
    """
    alike = a.ndim == 2 and a.shape == b.shape and a.dtype == b.dtype
    if alike and a.shape[1] > FEW and a.dtype in (torch.float64, torch.float32) and ordinary((a, b)):
        return torch.from_numpy(moments.dots(native(a), native(b))[:, 0])
    terms = a.double() * b.double()
    if 1 <= terms.shape[1] <= FEW:
        total = terms[:, 0]
        for c in range(1, terms.shape[1]):
            total = total + terms[:, c]
        return total
    if len(terms) > 1:
        return terms.sum(1)
    with one_torch_thread():
        return terms.sum(1)


def total(values: Tensor) -> Tensor:
    """The sum of a vector, in one thread.

    Parameters
    ----------
    values : Tensor
        Shape (n,).

    Returns
    -------
    Tensor
        A 0-d float64 tensor.
    """
    with one_torch_thread():
        return values.double().sum()


def roots(values: Tensor) -> Tensor:
    """Square roots; on the CPU correctly rounded, as in compiled code. Those of torch may differ in the last bit.

    Parameters
    ----------
    values : Tensor
        Numbers of any shape, float64.

    Returns
    -------
    Tensor
        Their square roots.
    """
    return values.sqrt() if values.device.type != "cpu" else torch.from_numpy(np.sqrt(values.numpy()))


def of_spectrum(values: Tensor, vectors: Tensor) -> Tensor:
    """The symmetric matrix V diag(λ) Vᵀ.

    Parameters
    ----------
    values : Tensor
        λ (d,), float64.
    vectors : Tensor
        V (d, d), one eigenvector a column.

    Returns
    -------
    Tensor
        The matrix (d, d).

    Examples
    --------
    >>> import torch
    >>> of_spectrum(torch.tensor([1.0, 3.0]).double(), torch.eye(2).double()).tolist()
    [[1.0, 0.0], [0.0, 3.0]]
    """
    matrix = product(vectors * values, vectors.T.contiguous())
    return 0.5 * (matrix + matrix.T)


def product(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product a @ b, in one thread.

    Parameters
    ----------
    a, b : Tensor
        Matrices (m, k) and (k, n) of one dtype, small like a covariance matrix.

    Returns
    -------
    Tensor
        The product (m, n).
    """
    if a.device.type != "cpu":
        return a @ b
    with one_blas_thread():
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))
