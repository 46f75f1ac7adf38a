"""What solvers, drives and the ledger can ask about a term: its name, its structure, and how it is summed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor

from ..extension import same_value
from ..kernels import Kernel
from ..kernels.composition import written
from ..measure import Ensemble
from ..summation import Check
from .work import Work


class Capabilities:
    """Facts about a term beyond its value and gradient.

    The defaults describe a term without special structure. A term overrides the facts that differ. Schemes, drives and
    the ledger ask for these facts, so that they need not know the classes of terms.
    """

    is_entropy: bool = False
    """Whether the term is an entropy. Its coefficient in a free energy is then −T, with T ≥ 0 a temperature. A class or
    a single term may say so."""
    realised_by_noise: ClassVar[bool] = False
    """Whether the term has no force on particles (Shannon). A scheme then realises it by noise, a kernel or a grid."""
    linear: ClassVar[bool] = False
    """Whether 𝓕 is linear in μ. Its first variation δ𝓕/δμ then does not depend on μ: the term is a potential."""
    is_log_density: ClassVar[bool] = False
    """Whether δ𝓕/δμ is −log of a density. Birth and death then make δF/δμ decay at the rate T."""
    by_values: ClassVar[bool] = False
    """Whether `linearised` gives a form of the term that needs values only, no derivatives."""
    elementwise: ClassVar[bool] = False
    """Whether the torch operations of the term are on arrays of at most n·d numbers, and have the same bits with any
    number of threads. One thread of torch then does them, where the ensemble is small."""

    needs_space: ClassVar[bool] = False
    """Whether particles must be free to be anywhere: the term has no meaning in a domain (`wgf.domains`)."""

    integrates: ClassVar[bool] = False
    """Whether the term sums over particles by methods of the ensemble only (`expect`, `moments`, `summed`, ...). The
    particles may then be divided among processes."""

    foresees: ClassVar[str] = ""
    """The integral of the ensemble with which an evaluation of the term begins: "moments", "variances", or none of
    them. Where particles are divided among processes, it then travels with the sums of other terms."""

    regimes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Where the force of an entropy is degenerate by its own nature, in words: by the regime of the force report."""

    @property
    def name(self) -> str:
        """The name of the term in the ledger; by default the name of its class."""
        return type(self).__name__

    def __repr__(self) -> str:
        settings = (f"{k}={written(v)}" for k, v in vars(self).items() if not k.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"

    @property
    def varies(self) -> bool:
        """Whether the term itself depends on t. (Its coefficient may depend on t in addition.)"""
        return False

    @property
    def sampled(self) -> bool:
        """Whether each step sees the term on a random minibatch of its data."""
        return False

    @property
    def pair_kernel(self) -> Kernel | None:
        """The kernel W if 𝓕 = ½ ∬ W dμ dμ, else None. `RandomBatch` sums such a term in random batches."""
        return None

    @property
    def constant_hessian(self) -> Tensor | None:
        """The matrix K if ∇_W 𝓕 = K(x − c), else None: a 0-d number, a diagonal (d,) or a matrix (d, d), float64."""
        return None

    @property
    def density_power(self) -> float | None:
        """The exponent m if 𝓕 = −∫ ρᵐ/(m − 1), else None. A grid then evaluates the term with its own density ρ."""
        return None

    @property
    def infimum(self) -> float | None:
        """The least value that 𝓕 can take, or a lower bound of it; None where none is known."""
        return None

    def undivided(self, mu: Ensemble) -> str | None:
        """Say why the term needs all particles in one process.

        Parameters
        ----------
        mu : Ensemble
            The particles.

        Returns
        -------
        str or None
            The reason. None where the particles may be divided among processes.
        """
        return None if self.integrates else "it does not say, by `integrates`, that it sums by methods of the ensemble"

    def audit(self, mu: Ensemble) -> Check | None:
        """Measure how accurately the term sums over pairs of particles.

        Parameters
        ----------
        mu : Ensemble
            The particles.

        Returns
        -------
        wgf.summation.Check or None
            The method of summation, and its error against all pairs. None for a term without sums over pairs.
        """
        return None

    def work(self, mu: Ensemble, whole: bool = False) -> Work:
        """Count what one evaluation of the term computes. The default number of records is chosen by it.

        Parameters
        ----------
        mu : Ensemble
            The particles (n, d).
        whole : bool, default False
            Whether all data are seen, as at a record, where a step sees a minibatch.

        Returns
        -------
        Work
            The count. The default is one pass over the particles. A count that is too small means fewer records.
        """
        return Work(numbers=mu.n * mu.dim)

    def same_as(self, other: object) -> bool:
        """Tell whether another term has the same class and the same settings.

        Arrays are compared entry by entry. A continued run keeps the resolved rules of a term, such as its bandwidth,
        only if the term is the same as before.

        Parameters
        ----------
        other : object
            The other term.

        Returns
        -------
        bool
            True if they are the same.
        """
        return type(self) is type(other) and same_value(vars(self), vars(other))
