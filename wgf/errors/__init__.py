"""The errors and the warning of `wgf`, and the checks of numbers that raise them.

Every failure has its own type. A message says what was given, what was wanted and what to do.
"""

from .checks import (
    LENGTHS,
    STEEPEST,
    require_exponent,
    require_integer,
    require_length,
    require_number,
    require_seed,
    require_truth,
    require_unmasked,
)
from .facts import Facts, html_table
from .kinds import (
    BackendError,
    CheckpointError,
    CommunicationError,
    ConfigError,
    DivergenceError,
    JobError,
    LockedError,
    ResourceError,
    ShapeError,
    StepSizeError,
    TransportError,
    WgfError,
    WgfWarning,
)
from .words import LONGEST, MOST_LINES, closest, no_attribute, printable, shown, with_minus

__all__ = [
    "LENGTHS",
    "LONGEST",
    "MOST_LINES",
    "STEEPEST",
    "BackendError",
    "CheckpointError",
    "CommunicationError",
    "ConfigError",
    "DivergenceError",
    "Facts",
    "JobError",
    "LockedError",
    "ResourceError",
    "ShapeError",
    "StepSizeError",
    "TransportError",
    "WgfError",
    "WgfWarning",
    "closest",
    "html_table",
    "no_attribute",
    "printable",
    "require_exponent",
    "require_integer",
    "require_length",
    "require_number",
    "require_seed",
    "require_truth",
    "require_unmasked",
    "shown",
    "with_minus",
]
