"""Stored files: each carries a SHA-256 of its content and the version of its format; both are checked on reading.

What a run remembers is stored as a tree of plain values (`to_tree`), which classes declare by `remembered`.
"""

from .appending import TrajectoryWriter
from .checkpoints import Checkpoint, Checkpoints
from .checksum import digest, require_digest
from .files import sync_folder, write_whole
from .lock import DirectoryLock
from .objects import left_out, object_from, object_tree
from .packing import pack, unpack
from .tables import seal, unseal
from .tensors import read_tensors, read_with_head, tensor_bytes
from .trajectory import Frames, Trajectory
from .tree import LeftOut, Tree, from_tree, parts_of, remembered, to_tree

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "DirectoryLock",
    "Frames",
    "LeftOut",
    "Trajectory",
    "TrajectoryWriter",
    "Tree",
    "digest",
    "from_tree",
    "left_out",
    "object_from",
    "object_tree",
    "pack",
    "parts_of",
    "read_tensors",
    "read_with_head",
    "remembered",
    "require_digest",
    "seal",
    "sync_folder",
    "tensor_bytes",
    "to_tree",
    "unpack",
    "unseal",
    "write_whole",
]
