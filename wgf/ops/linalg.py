"""Small dense linear algebra whose bits do not depend on the number of threads."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .threads import one_blas_thread


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


def cholesky(matrix: Tensor) -> Tensor:
    """Lower factor of a positive definite float64 matrix; raises numpy.linalg.LinAlgError when it is not."""
    with one_blas_thread():
        return torch.from_numpy(np.linalg.cholesky(matrix.cpu().numpy())).to(matrix.device)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in one thread, for matrices of the size of a covariance."""
    if a.device.type != "cpu":
        return a @ b
    with one_blas_thread():
        return torch.from_numpy(np.matmul(a.numpy(), b.numpy()))
