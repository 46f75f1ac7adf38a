"""Stored files: each carries a SHA-256 of its content and the version of its format; both are checked on reading."""

from .checksum import digest, require_digest
from .files import write_whole
from .tables import seal, unseal
from .tensors import read_tensors, tensor_bytes

__all__ = ["digest", "read_tensors", "require_digest", "seal", "tensor_bytes", "unseal", "write_whole"]
