"""The measure: weighted particles, the arrays they are made of, samples, noise, and checks on values."""

from .arrays import ArrayLike, as_real, require_device, require_dtype, require_finite_rows, to_tensor
from .checks import first_bad_row
from .ensemble import Ensemble, require_ensemble
from .noise import BATCHES, INITIAL, MINIBATCH, RESAMPLING, SECOND, STEP, SUBSET, THIRD, Noise, NoiseSource

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
    "as_real",
    "first_bad_row",
    "require_device",
    "require_dtype",
    "require_ensemble",
    "require_finite_rows",
    "to_tensor",
]
