"""An ensemble whose particles are divided among the processes of a run; only small sums travel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

import torch
from torch import Tensor

from .. import ops
from ..errors import ConfigError, ShapeError
from ..ops import linalg
from ..ops.memory import require_memory
from ..summation import Check, Summation
from ..wire import TIMEOUT, Group, Layout, Tree
from . import arrays, checks
from .arrays import ArrayLike
from .ensemble import Ensemble
from .joining import Join, join_moments, join_variances, pack_moments, pack_variances, unpack_moments
from .noise import SUBSET, Noise
from .pairs import Parts
from .resampling import Draw

if TYPE_CHECKING:
    from ..kernels import Kernel

Result = TypeVar("Result")


_PACKED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[int], Join]]] = {
    "moments": (lambda x, weights: pack_moments(*ops.moments(x, weights)), join_moments),
    "variances": (lambda x, weights: pack_variances(*ops.variances(x, weights)), join_variances),
}
"""How the sums of rows are packed as one row of numbers, and how two such rows are joined in d dimensions."""


class ShardedEnsemble(Ensemble):
    """A part of an ensemble: the particles of this process. Its integrals are over the particles of all processes.

    `Ensemble.shard` makes one. `x`, `weights` and `ids` have the rows of this process, and `n` counts all particles.

    Notes
    -----
    Particles are divided into blocks, which depend on n only. What each block gives is added along one binary tree. So
    sums have the same bits for every number of processes; a plain ensemble has those up to rounding. All processes
    must call the same methods in the same order.

    Attributes
    ----------
    group : Group
        The processes of the run; it counts what is sent.
    layout : Layout
        The blocks.
    """

    __slots__ = ("_equal", "_foreseen", "_group", "_layout")
    _equal: bool | None
    _foreseen: dict[str, Tensor]
    _group: Group
    _layout: Layout

    @staticmethod
    def of(rows: Ensemble, group: Group, layout: Layout) -> ShardedEnsemble:
        """The ensemble whose rows in this process are those of `rows`; their weights have the sum one over all."""
        new = object.__new__(ShardedEnsemble)
        new._x, new._weights, new._ids = rows.x, rows.weights, rows.ids
        new._positive, new._period, new._history, new._finite = None, rows.period, rows.history, False
        new._group, new._layout, new._equal, new._foreseen = group, layout, None, {}
        return new

    @staticmethod
    def made(
        n: int, make: Callable[[Tensor], Tensor], blocks: int | None = None, timeout: float = TIMEOUT
    ) -> ShardedEnsemble:
        """n particles of equal weight, of which each process makes its own rows and never holds the others.

        Parameters
        ----------
        n : int
            The number of all particles.
        make : callable
            Gives the particles (m, d) with these ids (m,), such as `lambda ids: noise.normal(ids, 0, 2)`.
        blocks, timeout
            As for `Ensemble.shard`.
        """
        group = Group(timeout)
        layout = group.together(lambda: Layout.of(n, group.rank, group.size, blocks))
        ids = torch.arange(*layout.span(group.rank))
        rows = Ensemble(make(ids), ids=ids, copy=False)
        return ShardedEnsemble.of(rows.weighing(torch.full((len(ids),), 1.0 / n, dtype=torch.float64)), group, layout)

    def _same(self) -> Self:
        new = super()._same()
        new._group, new._layout, new._equal, new._foreseen = self._group, self._layout, self._equal, {}
        return new

    @property
    def group(self) -> Group:
        """The processes of the run."""
        return self._group

    @property
    def layout(self) -> Layout:
        """The blocks of particles."""
        return self._layout

    @property
    def tree(self) -> Tree:
        """What adds the sums of all blocks."""
        return Tree(self._group, self._layout)

    @property
    def n(self) -> int:
        """The number of particles of all processes."""
        return self._layout.n

    @property
    def whole(self) -> bool:
        return False

    @property
    def speaks(self) -> bool:
        return self._group.speaks

    @property
    def equal_weights(self) -> bool:
        if self._equal is None:
            ends = self._group.gather(torch.stack([self._weights.min(), self._weights.max()]).cpu(), "checks")
            self._equal = bool((ends == ends[0, 0]).all())
        return self._equal

    @property
    def positive_weights(self) -> bool:
        if self._positive is None:
            self._positive = not self._group.any(not bool((self._weights > 0).all()))
        return self._positive

    def __repr__(self) -> str:
        where = f"process {self._group.rank} of {self._group.size}, rows={len(self._x)}"
        return f"{super().__repr__()[:-1].replace('Ensemble', 'ShardedEnsemble', 1)}, {where})"

    # ------------------------------------------------------------------------------------------ other ensembles

    def reweighted(self, weights: Tensor) -> Self:
        new = self._same()
        total = self.over_blocks(lambda rows: linalg.total(weights[rows].double()))
        new._weights, new._positive, new._equal = weights.double() / total, None, None
        return new

    def select(self, rows: ArrayLike) -> NoReturn:
        """Refused: rows of other processes are not here."""
        raise ConfigError("select: this ensemble is divided among processes; wanted a whole one. Take mu.gathered().")

    def save(self, path: Any) -> NoReturn:
        """Refused: this process has some of the particles."""
        raise ConfigError("save: this ensemble is divided among processes. Take mu.gathered(), or a run with store=.")

    def shard(
        self, blocks: int | None = None, timeout: float = TIMEOUT, processes: Sequence[int] | None = None
    ) -> ShardedEnsemble:
        return self

    def resampled(self, uniform: float, *parts: Tensor) -> tuple[Self, tuple[Tensor, ...]]:
        """n particles of equal weight, drawn by weight in the order of the rows; and the same rows of other arrays."""
        draw = Draw(self._weights, uniform, self._group, self._layout)
        new = self._same()
        new._x, new._ids = draw.take(self._x), draw.ids(self._ids)
        new._weights = torch.ones_like(self._weights)
        return new.reweighted(new._weights), tuple(map(draw.take, parts))

    def gathered(self) -> Ensemble:
        """The whole ensemble, in every process. This sends all particles: no run does it, users may at the end."""
        x, weights, ids = (self.gathered_rows(part) for part in (self._x, self._weights, self._ids))
        new = Ensemble(x, torch.full((self.n,), 1.0 / self.n, dtype=torch.float64), ids=ids, copy=False)
        new._weights, new._period, new._history = weights, self._period, self._history
        return new

    def gathered_rows(self, part: Tensor, kind: str = "gather") -> Tensor:
        """The rows (n, ...) of all processes, from those of this one. This sends them all."""
        return self._collected(part, [b - a for a, b in map(self._layout.span, range(self._layout.size))], kind)

    # ------------------------------------------------------------------------------------------ integrals

    def together(self, call: Callable[[], Result]) -> Result:
        return call() if checks.deferring() else self._group.together(call)

    @contextmanager
    def postponing(self, noted: checks.Deferred) -> Iterator[None]:
        with self._group.postponing():
            yield
            flags = noted.local()[None]
            noted.note(self._group.outbox.add(flags, torch.all, flags[0]) if self._group.outbox.open else flags[0])

    def over_blocks(self, part: Callable[[slice], Tensor]) -> Tensor:
        parts = [part(rows) for rows in self._layout.slices]
        leaves = torch.stack([one.reshape(-1) for one in parts])
        return self.tree.total(leaves).reshape(parts[0].shape)

    def summed(self, partial: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        return self.over_blocks(lambda rows: partial(self._x[rows], self._weights[rows]))

    def rowwise(self, call: Callable[..., Any], *rows: Tensor) -> Any:
        found = [call(*(part[block] for part in rows)) for block in self._layout.slices]
        if isinstance(found[0], Tensor):
            return torch.cat(found)
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

    def crossed(self, a: Tensor, b: Tensor) -> Tensor:
        weighted = self._weights[:, None] * a
        return self.over_blocks(lambda rows: linalg.product(weighted[rows].T.contiguous(), b[rows].contiguous()))

    def first(self, values: Tensor) -> Tensor:
        return self._group.gather(values[0], "sums")[0]

    def greatest(self, values: Tensor) -> Tensor:
        return self._group.gather(values.amax(0), "sums").amax(0)

    def count(self, condition: Tensor) -> int:
        return sum(self._group.counts(int(condition.sum())))

    def everywhere(self, condition: bool) -> bool:
        return not self._group.any(not condition)

    def drawn(self, most: int) -> Callable[[Tensor], Tensor]:
        keys = Noise(0).uniform(self._ids, 0, 1, SUBSET)[:, 0]
        if self.n > most:  # far more than are needed, except once in 10¹³ draws
            rows = torch.nonzero(keys <= (most + 8.0 * most**0.5 + 8.0) / self.n).flatten()
        else:
            rows = torch.arange(len(keys), device=keys.device)
        sizes = self._group.counts(len(rows))
        order = torch.argsort(self._collected(keys[rows], sizes))[:most] if self.n > most else slice(None)
        return lambda values: self._collected(values[rows], sizes)[order]

    def _collected(self, part: Tensor, sizes: list[int], kind: str = "samples") -> Tensor:
        """The rows of all processes, which have so many each."""
        padded = part.new_zeros((max(sizes), *part.shape[1:]))
        padded[: len(part)] = part
        found = self._group.gather(padded, kind)
        return torch.cat([rows[:size] for rows, size in zip(found, sizes, strict=True)])

    def reduce(self, partial: Tensor) -> Tensor:
        """The sum over processes of sums over their rows, in their order. Its rounding depends on their number."""
        found = self._group.gather(partial, "sums")
        total = found[0].clone()
        for other in found[1:]:
            total += other
        return total

    def expect(self, values: ArrayLike) -> Tensor:
        values = arrays.numbers("values", values).to(self.device)
        if values.is_complex():
            return torch.complex(self.expect(values.real), self.expect(values.imag))
        rows = len(self._x)
        if values.ndim == 0 or len(values) != rows:
            raise ShapeError(
                f"expect: values of shape {tuple(values.shape)}; wanted ({rows}, ...), a row per particle of this "
                "process."
            )
        flat = values.detach().reshape(rows, -1)
        sums = self.over_blocks(lambda part: ops.weighted_sum(self._weights[part], flat[part]))
        return sums.reshape(values.shape[1:])

    def expect_finite(self, values: Tensor, others: Tensor) -> Tensor | None:
        return None

    def inner(self, a: Tensor, b: Tensor) -> Tensor:
        if a.shape == b.shape and len(a) == len(self._x):
            return self.over_blocks(lambda rows: ops.inner(self._weights[rows], a[rows], b[rows]))
        return self.expect(linalg.row_dot(a, b))

    def moments(self) -> tuple[Tensor, Tensor]:
        return unpack_moments(self._begun("moments"), self.dim)

    def foresee(self, integrals: Iterable[str]) -> None:
        for integral in sorted(set(integrals) - {""}):
            self._begun(integral)

    def _begun(self, integral: str) -> Tensor:
        """The packed moments or variances; computed once."""
        if integral not in self._foreseen:
            pack, join = _PACKED[integral]
            if integral == "moments":
                require_memory(f"covariances in {self.dim} dimensions", 16 * self.dim**2, "reduce the dimension")
            leaves = [pack(self._x[rows], self._weights[rows]) for rows in self._layout.slices]
            self._foreseen[integral] = self.tree.total(torch.stack(leaves), join(self.dim))
        return self._foreseen[integral]

    def parts(self, factor: Tensor | None = None) -> Parts:
        """The particles as parts of sums over pairs, with a factor on their weights."""
        weights = self._weights if factor is None else self._weights * factor.double()
        return Parts(self._x, weights, self._group, self._layout, self._period)

    def _kernel_sums(
        self, kernel: Kernel, at: ArrayLike | None, factor: Tensor | None, how: Summation
    ) -> tuple[Tensor, Tensor]:
        parts = self.parts(factor)
        if at is not None:
            return parts.sums_at(kernel, self.points(at))
        value, gradient = parts.sums(kernel, how)
        return value, gradient.to(self.dtype)

    def audit(self, kernel: Kernel, how: Summation) -> Check:
        return self.parts().audit(kernel, how)

    def variances(self) -> tuple[Tensor, Tensor]:
        total = self._begun("variances")
        return total[1 : self.dim + 1], total[self.dim + 1 :]
