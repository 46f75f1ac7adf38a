"""Estimates of the Shannon entropy and of its score from particles, for runs in which noise realises the entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..domains import Domain, PeriodicBox
from ..entropies.estimators import extrapolated_entropy, kozachenko_leonenko, principal_axes
from ..errors import ConfigError, ResourceError
from ..measure import SUBSET, Ensemble, unwrapped
from ..ops.local_scores import Leaves, local_scores, nearest_distances, radii
from ..ops.noise import above_half
from ..ops.reference import nearest_image
from ..ops.score_sums import mixed
from .widths import Combination, combination

LARGEST_DIM = 8  # above it, nearest neighbours and local fits need more particles than one can afford
FEWEST_PARTICLES = 50
MOST_IMAGES = 20
"""Images for each particle beyond which there is no estimate: many dimensions and wide windows."""
SURE = 2.0
"""Error bars are SURE standard errors, and what is known of the bias."""
NEIGHBOURS, FARTHEST = 4, 8
"""On a line the entropy is that of the 4th neighbour; in more dimensions it is extrapolated from the 1st to the 8th."""
STEEPEST = 10.0
"""The density changes at most e^STEEPEST times over the distance to the 8th neighbour. It bounds the score of particles
far out, where few others determine it."""
OVERLAP = 64
"""Leaves in a window."""
NARROWEST, ON_A_LINE, SMALLEST = 1.0 / 20.0, 1.0 / 5.0, 8.0
"""Windows are halved down to this part of all particles, or to SMALLEST for each number of a fit, d + 1; twice at
least. On a line narrow windows are noisy, so they have more."""


@dataclass(frozen=True, eq=False)
class ShannonEstimate:
    """An estimate of the Shannon entropy S = −∫ ρ log ρ and of the score ∇log ρ.

    Attributes
    ----------
    entropy : float
        S; NaN where it cannot be estimated.
    standard_error : float
        Of the entropy, from the scatter of the particles.
    error : float
        The error bar of the entropy, 2 √(standard_error² + σ²) + |change|, for the change by the extrapolation over
        neighbours and its standard error σ.
    scores : (Tensor, Tensor) or None
        Two independent estimates of ∇log ρ (n, d), from disjoint halves of the particles.
    smoother : (Tensor, Tensor) or None
        The same from windows with twice as many particles. The change from `scores` measures the smoothing error.
    note : str
        How it was estimated, or why not.
    divergence : Tensor or None
        ∇·∇log ρ at the particles (n,).
    places : tuple of ndarray or None
        A partition of the particles into small boxes: the rows, box after box (n,), and where boxes begin (m + 1,).
    noise : float
        The standard error of ∫ s₁·s₂ dμ for the two scores s₁, s₂, from their noise.
    missing : float
        How much ∫ s₁·s₂ dμ may be off besides, where windows are too wide or have few particles.
    part : float
        The part of all particles that is in a window.
    """

    entropy: float
    standard_error: float
    error: float
    scores: tuple[Tensor, Tensor] | None
    smoother: tuple[Tensor, Tensor] | None
    note: str
    divergence: Tensor | None = None
    places: tuple[np.ndarray, np.ndarray] | None = None
    noise: float = 0.0
    missing: float = 0.0
    part: float = 0.0


def unknown(note: str) -> ShannonEstimate:
    """No estimate, with the reason."""
    return ShannonEstimate(math.nan, math.nan, math.nan, None, None, note)


def known(entropy: float, note: str) -> ShannonEstimate:
    """An entropy that is exact, without a score."""
    return ShannonEstimate(entropy, 0.0, 0.0, None, None, note)


def estimate_shannon(mu: Ensemble, domain: Domain | None = None) -> ShannonEstimate:
    """Estimate the Shannon entropy (Kozachenko–Leonenko) and the score (local fits by score matching).

    All particles count. They are whitened by their covariance first.

    Parameters
    ----------
    mu : Ensemble
        The particles (n, d), with equal weights.
    domain : Domain, optional
        Where the particles may be. Densities go on across the walls of a box as mirror images, and across the seam of
        a torus. A curved wall has no images, so there is no estimate in a ball.

    Returns
    -------
    ShannonEstimate
        The estimate. Its entropy is NaN, with the reason in `note`, for d > 8, n < 50, weighted particles, and
        particles in a plane of fewer dimensions.

    Notes
    -----
    In a window K around a place c the score is fitted by an affine function, s(x) = a + B(x − c). The fit minimises
    ∫ K |s − ∇log ρ|² dμ, which by partial integration needs no density (Hyvärinen). It is exact for a Gaussian. The
    score at a particle is the average over some ten windows around it. The particle is left out of each.

    Each half of the particles gives one estimate, so that squares can be computed without the variance of the estimate.
    Fits with matrices of random entries have a bias, which the jackknife measures within each half and removes. The
    bias by the width of the windows is extrapolated from windows of K and 2K particles, and narrower
    windows, of K/2 and less, count where they see more of the score than noise.

    A curved law is seen if windows of max(n/20, 8(d + 1)) particles are no wider than its bends. A ring whose radius is
    six times its width needs some 300 particles, two rings with a gap of six widths 1000, a spiral of 1½ turns 500.
    With less the score is too small. The error bar covers this in general, but not if nothing of the bends is seen:
    a sine wave of three bends at n = 200, two rings at n = 200. Bars for n < 2000 are wide, since fine structure cannot
    be excluded. On 32 laws in one to six dimensions at n = 200, 2000 and 20 000, 20 samples each, the bars of D and S
    cover the truth in 90 % of the samples or more, but for that sine wave and for S in d = 6 at n = 20 000 (85 %).
    Where the particles are not in a domain, the affine part of the score is that which partial integration gives.

    K is 23 n^{0.4} (d + 1)/3, and 5.5 n^{0.65} on a line. Windows are wider where particles are rare: the radius is the
    geometric mean of one for all windows and one for as many particles in all. Time O(n) for n below about 10⁶.

    References
    ----------
    Hyvärinen (2005), Estimation of non-normalized statistical models by score matching, JMLR 6, 695.
    Kozachenko & Leonenko (1987), Probl. Inf. Transm. 23, 95.
    Berrett, Samworth & Yuan (2019), Ann. Statist. 47, 288: the extrapolation over neighbours.
    """
    reason = _refusal(mu, domain)
    if reason:
        return unknown(reason)
    order = None if bool((mu.ids[1:] > mu.ids[:-1]).all()) else torch.argsort(mu.ids, stable=True)
    sample, domain = around_its_centre(mu if order is None else mu.select(order), domain)
    try:
        found = _Whitened(sample, domain).estimate()
    except (ConfigError, ResourceError) as error:
        return unknown(str(error))
    return found if order is None else _reordered(found, order)


def around_its_centre(mu: Ensemble, domain: Domain | None) -> tuple[Ensemble, Domain | None]:
    """Particles on a torus around their circular mean, and the torus with its seam farthest from it."""
    if not isinstance(domain, PeriodicBox):
        return mu, domain
    moved = unwrapped(mu.on(domain.period(mu.dim)))
    centre = moved.x[0] + nearest_image(moved.mean().to(moved.x) - moved.x[0], domain.period(mu.dim).to(moved.x))
    turned = domain.centred(centre.double())
    return mu.moved(turned.fold(moved.x)).on(None), turned


class _Whitened:
    """Particles in the coordinates y = (x − m) W in which their covariance is 1, and their images in a domain."""

    def __init__(self, sample: Ensemble, domain: Domain | None) -> None:
        self._sample, self._domain = sample, domain
        self._mean, values, vectors = principal_axes(sample)
        if not values[0] > 0:
            raise ConfigError(
                f"All {sample.n} particles coincide in some direction, up to rounding: they have no density, so no "
                "entropy."
            )
        self._scales, self._axes = 1.0 / values, vectors / np.sqrt(values)
        self._volume, self._widest = 0.5 * float(np.log(values).sum()), math.sqrt(values[-1])
        self._second = above_half(sample.ids, (0, 0), 0, SUBSET).numpy()
        n, d = sample.n, sample.dim
        self._window = min(5.5 * n**0.65 if d == 1 else 23.0 * (d + 1) / 3.0 * n**0.4, n / 2)
        self._points, self._owner = self._at(sample.x), np.arange(sample.n)  # columns (d, n), and rows
        if domain is not None:
            self._add_images(domain)

    def _at(self, x: Tensor) -> np.ndarray:
        """Points in the coordinates y, as columns (d, n); with the same bits for every number of threads."""
        columns = [_on_cpu(column) - m for column, m in zip(x.double().unbind(1), self._mean, strict=True)]
        out = np.empty((len(columns), len(x)))
        for c, row in enumerate(out):
            np.multiply(columns[0], self._axes[0, c], out=row)
            for k in range(1, len(columns)):
                row += columns[k] * self._axes[k, c]
        return out

    def _leaves(self) -> Leaves:
        """The points and images in an even number of leaves."""
        wanted = OVERLAP * self._sample.n / self._window
        wanted = min(wanted, self._sample.n / 4) * len(self._owner) / self._sample.n
        return Leaves.of(self._points, self._second[self._owner], max(2, 2 * round(wanted / 2)))

    def _add_images(self, domain: Domain) -> None:
        """Add the images of all particles that a window or a neighbour could reach."""
        leaves = self._leaves()
        _, farthest = nearest_distances(leaves, self._owner, FARTHEST)
        reach = max(radii(leaves.coarser(), (OVERLAP,)).max(), farthest[: len(self._owner)].max())
        found = domain.images(self._sample.x, float(reach) * self._widest)
        assert found is not None
        points, rows = self._at(found[0]), _on_cpu(found[1])
        if len(rows) > MOST_IMAGES * self._sample.n:
            raise ResourceError(f"no score: {len(rows)} images of {self._sample.n} particles at the walls")
        self._points, self._owner = np.hstack([self._points, points]), np.concatenate([self._owner, rows])

    def estimate(self) -> ShannonEstimate:
        """The estimate at the particles in their order."""
        n, d, leaves = self._sample.n, self._sample.dim, self._leaves()
        logarithms, farthest = nearest_distances(leaves, self._owner, FARTHEST)
        value, standard_error, error = self._entropy(leaves, logarithms)
        scores, divergence, found = self._scores(leaves, STEEPEST / farthest)
        note = (
            f"Kozachenko–Leonenko, k = {NEIGHBOURS if d == 1 else f'1–{FARTHEST}'}, {n} particles; score by local fits "
            "of their halves"
        )
        like = self._sample.x
        (a, b), (c, e) = torch.from_numpy(scores).to(like).unbind()
        return ShannonEstimate(
            value, standard_error, error, (a, b), (c, e), note, torch.from_numpy(divergence).to(like.device),
            leaves.boxes(n), found.noise, found.missing, found.part,
        )  # fmt: skip

    def _scores(self, leaves: Leaves, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, Combination]:
        """Scores (2, 2, n, d) from windows of all widths, and the divergence of those of the typical width."""
        n, d, coarse = self._sample.n, self._sample.dim, leaves.coarser()
        each, ranks = len(self._owner) / leaves.count, [OVERLAP, OVERLAP // 2]
        part = ON_A_LINE if d == 1 else NARROWEST
        while ranks[-1] * each >= 2.0 * max(part * n, SMALLEST * (d + 1)):
            ranks.append(ranks[-1] // 2)
        places = [(coarse, radii(coarse, (OVERLAP,))[0]), *((leaves, sizes) for sizes in radii(leaves, tuple(ranks)))]
        scores, traces = local_scores(leaves, places, n, lengths, self._scales, self._axes.T)
        found = combination(scores, [k * each for k in (2 * OVERLAP, *ranks)])
        turn = self._axes if self._domain is None else None  # in a domain densities need not vanish far out
        return mixed(found.factors, scores, self._points, turn), traces[1], found

    def _entropy(self, leaves: Leaves, logarithms: np.ndarray) -> tuple[float, float, float]:
        """S, its standard error and its error bar."""
        n, d, rows = self._sample.n, self._sample.dim, leaves.rows
        if len(rows) > n:  # without the images
            logarithms, rows = logarithms[:, rows < n], rows[rows < n]
        least = logarithms[NEIGHBOURS - 1]
        if not least.min() > -math.inf:
            raise ConfigError(
                f"More than k = {NEIGHBOURS} particles coincide (at row {rows[int(least.argmin())]}): they have no "
                "density, so no entropy."
            )
        plain = kozachenko_leonenko(least, n, d, NEIGHBOURS)
        if logarithms[0].min() > -math.inf:
            better, wider, apart = extrapolated_entropy(logarithms, n, d, NEIGHBOURS)
            value, spread = (better, wider) if d > 1 else plain
            error = SURE * math.hypot(spread, apart) + abs(better - plain[0])
        else:  # pairs that coincide
            (value, spread), error = plain, SURE * plain[1]
        return value + self._volume, spread, error


def _reordered(found: ShannonEstimate, order: Tensor) -> ShannonEstimate:
    """The estimate for rows that were taken in this order."""
    back, cpu = torch.argsort(order), _on_cpu(order)
    assert found.scores is not None
    assert found.smoother is not None
    assert found.divergence is not None
    assert found.places is not None
    scores, smoother = ((a[back], b[back]) for a, b in (found.scores, found.smoother))
    places, divergence = (cpu[found.places[0]], found.places[1]), found.divergence[back]
    return replace(found, scores=scores, smoother=smoother, divergence=divergence, places=places)


def _on_cpu(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _refusal(mu: Ensemble, domain: Domain | None) -> str:
    """Why there is no estimate, or an empty string."""
    if domain is not None and domain.images(mu.x[:1], 0.0) is None:
        why = "where particles have no density in space" if domain.curved else "whose curved wall has no mirror images"
        return f"no Shannon estimate in a {type(domain).__name__}, {why}"
    if mu.dim > LARGEST_DIM:
        return f"no Shannon estimate in dimension {mu.dim} > {LARGEST_DIM}"
    if mu.n < FEWEST_PARTICLES:
        return f"no Shannon estimate from {mu.n} < {FEWEST_PARTICLES} particles"
    if not mu.equal_weights:
        return "no Shannon estimate for weighted particles"
    return ""
