"""Sums of a kernel over particles that are divided among processes: by moments, by Fourier modes, or round a ring."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import BackendError, ConfigError
from ..kernels import Kernel
from ..kernels.moments import ByMoments
from ..ops import weighted_sum
from ..ops.fast.fourier import Plan
from ..ops.fast.spectrum import Refused
from ..summation import Check, Summation, relative_error
from ..summation.divided import Cloud, fourier_sums, nanoseconds, planned, transforms_pay
from ..summation.methods import PROBES, require_method, split
from ..wire import Group, Layout, Ring, Tree

Sums = tuple[Tensor, Tensor]
AUDITED = 256
"""Points at which an approximate sum is compared with that over all pairs, at records."""


@dataclass(frozen=True)
class Parts:
    """The particles of this process, and how they are added to those of the others.

    Attributes
    ----------
    x : Tensor
        Particles (rows, d).
    weights : Tensor
        Their weights (rows,), float64, with any factor.
    group, layout : Group, Layout
        The processes, and the blocks.
    period : Tensor or None
        Lengths after which space repeats.
    """

    x: Tensor
    weights: Tensor
    group: Group
    layout: Layout
    period: Tensor | None

    # ------------------------------------------------------------------------------------------ what is added

    def total(self, part: Callable[[slice], Tensor]) -> Tensor:
        """The sum of what `part` gives for the rows of each block, of any shape."""
        parts = [part(rows) for rows in self.layout.slices]
        leaves = torch.stack([one.reshape(-1) for one in parts])
        return Tree(self.group, self.layout).total(leaves).reshape(parts[0].shape)

    def at_rows(self, rows: Tensor) -> Tensor:
        """The particles at some rows (k,) of all, counted over all processes: (k, d), float64."""

        def held(block: slice) -> Tensor:
            out = self.x.new_zeros((len(rows), self.x.shape[1]), dtype=torch.float64)
            own = rows - self.layout.first
            here = (own >= block.start) & (own < block.stop)
            out[here] = self.x[own[here]].double()
            return out

        return self.total(held)

    def sums_at(self, kernel: Kernel, points: Tensor) -> Sums:
        """The sums over all particles at points (k, d) that all processes share."""

        def held(rows: slice) -> Tensor:
            if self.period is not None:
                value, slope = kernel.periodic_sums(points, self.x[rows], self.weights[rows], False, self.period)
            else:
                value, slope = kernel.sums(points, self.x[rows], self.weights[rows], False)
            return torch.cat([value[:, None], slope.double()], 1)

        both = self.total(held)
        return both[:, 0], both[:, 1:].to(points.dtype)

    # ------------------------------------------------------------------------------------------ methods

    def by_moments(self, kernel: ByMoments) -> Sums:
        """The sums at the particles of this process, from moments of all."""
        x = self.x.double()
        origin = self.group.gather(x[0], "sums")[0]
        moments = self.total(lambda rows: weighted_sum(self.weights[rows], kernel.columns(x[rows], origin)))
        value, gradient = kernel.from_moments(x, moments, origin)
        return value, gradient

    def over_pairs(self, kernel: Kernel) -> Sums:
        """The sums at the particles of this process, over all pairs: the others come round a ring."""
        value, gradient = torch.zeros_like(self.weights), torch.zeros_like(self.x, dtype=torch.float64)
        first = self.layout.owned(self.layout.rank).start
        for block, (y, weights) in self.round(self.x, self.weights):
            for index, rows in enumerate(self.layout.slices):
                x, same = self.x[rows], index + first == block
                if self.period is None:
                    v, slope = kernel.sums(x, x if same else y, weights, same)
                else:
                    v, slope = kernel.periodic_sums(x, x if same else y, weights, same, self.period)
                value[rows] += v
                gradient[rows] += slope
        return value, gradient

    def round(self, *columns: Tensor) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
        """The blocks of all processes in order: their number, and their rows of each of these arrays."""
        flat = [part.reshape(len(part), -1).contiguous() for part in columns]
        widths = [part.shape[1] * part.element_size() for part in flat]
        rows = torch.cat([part.view(torch.uint8) for part in flat], 1)
        for block, found in Ring(self.group, self.layout).blocks(rows):
            parts = found.split(widths, 1)
            yield (
                block,
                tuple(
                    one.contiguous().view(like.dtype).reshape(-1, *like.shape[1:])
                    for one, like in zip(parts, columns, strict=True)
                ),
            )

    # ------------------------------------------------------------------------------------------ Fourier

    def cloud(self, kernel: Kernel, count: int = PROBES) -> Cloud:
        """What this process must know of all particles."""
        rows = torch.linspace(0, self.layout.n - 1, min(count, self.layout.n), dtype=torch.float64).long()
        points = self.at_rows(rows)
        value, gradient = self.sums_at(kernel, points)
        ends = self.group.gather(torch.cat([self.x.amin(0), -self.x.amax(0)]), "sums").amin(0)
        mass = self.total(lambda block: self.weights[block].abs().sum())
        dim = self.x.shape[1]
        return Cloud(ends[:dim], -ends[dim:], float(mass), points, value, gradient)

    def by_blocks(self, modes: tuple[int, ...]) -> bool:
        """Whether modes are made block by block: then the bits do not depend on the number of processes.

        It takes a transform for each block. Where a block has fewer particles than modes, that costs too much.
        """
        return math.prod(modes) <= max(4096, self.layout.n // self.layout.blocks)

    def added(self, modes: tuple[int, ...]) -> Callable[[Callable[[slice], np.ndarray]], np.ndarray]:
        """What adds up the modes of all processes."""
        layout = self.layout

        def add(of: Callable[[slice], np.ndarray]) -> np.ndarray:
            if self.by_blocks(modes):
                found = self.total(lambda rows: torch.view_as_real(torch.from_numpy(of(rows))))
            else:
                mine = torch.view_as_real(torch.from_numpy(of(slice(0, layout.rows))))
                empty = torch.zeros_like(mine)
                found = self.total(lambda rows: mine if rows.start == 0 else empty)
            return torch.view_as_complex(found).numpy().copy()

        return add

    def by_fourier(self, kernel: Kernel, how: Summation) -> Sums | None:
        """The sums by Fourier transforms; None where "auto" takes all pairs instead."""
        cloud = self.cloud(kernel)
        plan = self._plan(kernel, cloud, how)
        if plan is None:
            return None
        try:
            return fourier_sums(kernel, plan, self.x, self.weights, cloud, how.rtol, self.added(plan.modes))
        except Refused as why:
            if how.method == "auto":
                return None
            raise self._cannot(kernel, how, why) from None

    def _plan(self, kernel: Kernel, cloud: Cloud, how: Summation) -> Plan | None:
        n, dim = self.layout.n, self.x.shape[1]
        dtype = str(self.x.dtype).removeprefix("torch.")
        try:
            plan = planned(kernel, cloud, n, dtype, how.rtol)
            if how.method == "auto" and nanoseconds(plan, n, how.rtol, how.costs) > how.costs.pairs(
                kernel, dtype, dim, n, n
            ):
                return None
            return plan
        except Refused as why:
            if how.method == "auto":
                return None
            raise self._cannot(kernel, how, why) from None

    def _cannot(self, kernel: Kernel, how: Summation, why: Refused) -> ConfigError:
        return ConfigError(
            f"method={how.method!r} cannot sum {kernel.formula} over {self.layout.n} particles of dimension "
            f"{self.x.shape[1]} to rtol = {how.rtol:g}: {why}. Use method='auto' or 'dense', or another rtol."
        )

    # ------------------------------------------------------------------------------------------ all of it

    def method(self, kernel: Kernel, how: Summation) -> str:
        """Which method sums the part of a kernel that is not summed by moments, if it can."""
        if how.method in ("dense", "moments") or self.period is not None:
            return "dense"
        if how.method == "sorting":
            raise ConfigError("method='sorting': particles that are divided among processes cannot be sorted; 'auto'.")
        if self.x.device.type != "cpu":
            if how.method == "fourier":
                raise BackendError(f"method='fourier' sums on the CPU; the particles are on {self.x.device}.")
            return "dense"
        if how.method == "fourier":
            require_method(kernel, "fourier", how.rtol)
            return "fourier"
        dtype = str(self.x.dtype).removeprefix("torch.")
        return "fourier" if transforms_pay(kernel, self.layout.n, self.x.shape[1], dtype, how) else "dense"

    def sums(self, kernel: Kernel, how: Summation) -> Sums:
        """The sums at the particles of this process, float64."""
        pairwise, moments = split(kernel)
        value, gradient = torch.zeros_like(self.weights), torch.zeros_like(self.x, dtype=torch.float64)
        if pairwise is not None:
            found = self.by_fourier(pairwise, how) if self.method(pairwise, how) == "fourier" else None
            value, gradient = self.over_pairs(pairwise) if found is None else found
        for factor, part in moments:
            assert isinstance(part, ByMoments)
            more, slope = self.by_moments(part) if self.period is None else self.over_pairs(part)
            value, gradient = value + factor * more, gradient + factor * slope
        return value, gradient

    def audit(self, kernel: Kernel, how: Summation) -> Check:
        """The method in use, and the error of a Fourier sum against sums over all pairs."""
        pairwise, _ = split(kernel)
        if pairwise is None:
            return Check("moments", "exact, by moments", None, how.rtol)
        if self.method(pairwise, how) != "fourier":
            return Check("dense", "all pairs, round a ring", None, how.rtol)
        cloud = self.cloud(pairwise)
        plan = self._plan(pairwise, cloud, how)
        found = None if plan is None else self.by_fourier(pairwise, how)
        if plan is None or found is None:
            return Check("dense", "all pairs, round a ring", None, how.rtol)
        count = min(AUDITED, self.layout.n)
        rows = torch.linspace(0, self.layout.n - 1, count, dtype=torch.float64).long()
        held = Parts(torch.cat([found[0][:, None], found[1]], 1), self.weights, self.group, self.layout, None)
        got, points = held.at_rows(rows), self.at_rows(rows)
        want, slope = self.sums_at(pairwise, points)
        error = relative_error(got[:, 0], want, got[:, 1:], slope)
        method = "fourier" if self.by_blocks(plan.modes) else "fourier, whose rounding depends on the processes"
        return Check(method, f"modes {plan.modes}", error, how.rtol)
