"""The energy terms E of a free energy: potentials, pair interactions, network risks, distances to a target.

Every energy is a `Functional`: it has a value, a first variation and a gradient. In F = E − T·S particles move by the
force −∇_W E, downhill in E.
"""

from typing import TYPE_CHECKING

from ..extension import Registry
from ..functional import Functional
from .aggregates import Aggregate as Aggregate
from .aggregates import Mean as Mean
from .banana import Banana as Banana
from .discrepancy import MMD as MMD
from .discrepancy import SlicedWasserstein as SlicedWasserstein
from .double_well import DoubleWell as DoubleWell
from .function import FunctionOf as FunctionOf
from .function import from_function as from_function
from .interaction import Interaction as Interaction
from .ksd import KSD as KSD
from .landscape import Landscape as Landscape
from .least_squares import LeastSquares as LeastSquares
from .least_squares import LinearisedLeastSquares as LinearisedLeastSquares
from .logistic_posterior import LogisticPosterior as LogisticPosterior
from .losses import CrossEntropy as CrossEntropy
from .losses import Huber as Huber
from .losses import Logistic as Logistic
from .losses import Loss as Loss
from .losses import Squared as Squared
from .mixture import GaussianMixture as GaussianMixture
from .muller_brown import MullerBrown as MullerBrown
from .network import NetworkRisk as NetworkRisk
from .potential import Potential as Potential
from .quadratic import Quadratic as Quadratic
from .sinkhorn import SinkhornDivergence as SinkhornDivergence
from .two_layer import TwoLayer as TwoLayer
from .units import Unit as Unit
from .wasserstein import Wasserstein as Wasserstein

REGISTRY: Registry[Functional] = Registry("energy", Functional, globals(), without=(FunctionOf, LinearisedLeastSquares))
"""Every energy that users make by its class. A new energy is one file and one import line above."""

if not TYPE_CHECKING:  # a type checker goes by the imports above
    __all__ = [
        "REGISTRY",
        "Aggregate",
        "CrossEntropy",
        "FunctionOf",
        "Huber",
        "Landscape",
        "LinearisedLeastSquares",
        "Logistic",
        "Loss",
        "Mean",
        "Squared",
        "TwoLayer",
        "Unit",
        "from_function",
        *REGISTRY,
    ]
