"""The measure μ: weighted particles, and what they need: checked arrays, initial samples, noise, finiteness checks.

`Ensemble` is the measure. `Noise` gives random numbers that depend on the particle, not on the machine.
"""

from . import remembered as _remembered  # noqa: F401  registers Ensemble among what a run remembers
from .arrays import ArrayLike, as_numbers, as_real, require_device, require_dtype, require_finite_rows, to_tensor
from .checks import first_bad_row
from .dividing import shard as _shard  # noqa: F401  sets what `Ensemble.shard` calls
from .ensemble import Ensemble
from .given import require_ensemble, require_whole
from .noise import BATCHES, INITIAL, MINIBATCH, RESAMPLING, SECOND, STEP, SUBSET, THIRD, Noise, NoiseSource, digest
from .periodic import unwrapped
from .returned import returned
from .sampling import require_room
from .sharded import ShardedEnsemble

__all__ = [
    "BATCHES",
    "INITIAL",
    "MINIBATCH",
    "RESAMPLING",
    "SECOND",
    "STEP",
    "SUBSET",
    "THIRD",
    "ArrayLike",
    "Ensemble",
    "Noise",
    "NoiseSource",
    "ShardedEnsemble",
    "as_numbers",
    "as_real",
    "digest",
    "first_bad_row",
    "require_device",
    "require_dtype",
    "require_ensemble",
    "require_finite_rows",
    "require_room",
    "require_whole",
    "returned",
    "to_tensor",
    "unwrapped",
]
