"""Small dense linear algebra whose bits do not depend on the number of threads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .threads import one_blas_thread, one_torch_thread

_FEW = 8  # columns that are added one by one


def symmetric_eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (ascending) and eigenvectors (columns) of a symmetric matrix; all NaN when it is not finite."""
    if not bool(torch.isfinite(matrix).all()):  # LAPACK would not converge
        return torch.full_like(matrix[0], torch.nan), torch.full_like(matrix, torch.nan)
    if matrix.device.type != "cpu":
        values, vectors = torch.linalg.eigh(matrix)
        return values, vectors
    with one_blas_thread():
        pair = np.linalg.eigh(matrix.numpy())
    return torch.from_numpy(pair.eigenvalues), torch.from_numpy(np.ascontiguousarray(pair.eigenvectors))


def inverse_and_log_det(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A⁻¹, log det A and ‖A‖‖A⁻¹‖ ≥ λ_max/λ_min (Frobenius norms) of a symmetric positive definite A, by Cholesky.

    The last is infinite, or NaN, where A has no factor, and the others mean nothing then. Nothing is looked at, so that
    a GPU does not stop; `cholesky_inverse` and `eigh` would look at their own success.
    """
    with one_torch_thread():
        factor, info = torch.linalg.cholesky_ex(matrix)
        one = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        half = torch.linalg.solve_triangular(factor, one, upper=False)
        inverse = half.T @ half
        condition = torch.linalg.matrix_norm(matrix) * torch.linalg.matrix_norm(inverse)
        log_det = 2.0 * factor.diagonal().log().sum()
    return inverse, log_det, condition.masked_fill(info != 0, torch.inf)


def row_dot(a: Tensor, b: Tensor) -> Tensor:
    """Σ_c a[i, c] b[i, c] (n,), float64. Torch splits a sum among threads only where there is one row.

    Of few columns it sums slowly, ten times as slowly as it adds the columns to each other.
    """
    terms = a.double() * b.double()
    if 1 <= terms.shape[1] <= _FEW:
        total = terms[:, 0]
        for c in range(1, terms.shape[1]):
            total = total + terms[:, c]
        return total
    if len(terms) > 1:
        return terms.sum(1)
    with one_torch_thread():
        return terms.sum(1)


def total(values: Tensor) -> Tensor:
    """The sum of a vector, 0-d float64, in one thread."""
    with one_torch_thread():
        return values.double().sum()


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in one thread, for matrices of the size of a covariance."""
    if a.device.type != "cpu":
        return a @ b
    with one_blas_thread():
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))
