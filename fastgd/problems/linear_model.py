"""`LinearModel`: problems whose outputs are linear in the parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastgd.engines.layout import ROW_BLOCK
from fastgd.engines.protocol.sweeps import Kernel
from fastgd.engines.registry import RESIDUALS, ROW_LOSSES
from fastgd.engines.rows import has_losses, has_slopes, row_losses, row_slopes
from fastgd.engines.vocabulary import numpy_vocabulary
from fastgd.problems.base import Array, Problem, checked_names
from fastgd.problems.condensed import Condensed
from fastgd.problems.curvature import Curvature, of_matrix, of_rows
from fastgd.problems.rows import HeldRows, Numbers, Result, Rows, over_parts

Cost = Literal["1/2m", "1/m", "1/2", "sum"]
_AT_ONCE = 1 << 14  # rows whose losses are computed together
FACTORS = {"1/2m": (0.5, True), "1/m": (1.0, True), "1/2": (0.5, False), "sum": (1.0, False)}


@cache
def _on_arrays(rules: str, kind: str) -> Callable[..., Any]:
    """A model's residuals or losses on NumPy arrays."""
    return {"residuals": RESIDUALS, "losses": ROW_LOSSES}[rules][kind].on_arrays(numpy_vocabulary())


class LinearModel(Problem):
    """A model of rows: a row times the parameters gives `outputs` numbers, each of which gives a residual.

    The slopes are the sums over the rows of residual times input, times the cost's scale. Each residual is a sum
    from left to right; products are summed within blocks of rows, and the blocks from first to last. Rows in a file
    are read some at a time, by one pass for any number of points.
    """

    outputs = 1
    _kind = "rows"  # of the kernel, and the name of the residual
    _twice = 1.0  # what the derivative adds to the cost's factor
    _rows: Rows
    cost: str
    intercept: bool

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self._rows)

    @property
    def X(self) -> NDArray[np.float64]:
        """The inputs (rows, features), the intercept's ones among them, where they are in memory."""
        if not isinstance(self._rows, HeldRows):
            raise AttributeError(f"{self!r} does not hold its rows in memory")
        return self._rows.X

    @property
    def condensed(self) -> Condensed:
        """A few rows with the same least squares."""
        return self._rows.condensed

    def _scale(self, rows: int) -> float:
        """The factor that turns a sum over this many rows into the gradient."""
        factor, mean = FACTORS[self.cost]
        return self._twice * (factor / rows if mean else factor)

    def _new_kernel(self, dtype: np.dtype[Any]) -> Kernel:
        return self._kernel_of(self._rows, dtype)

    def _kernel_of(self, held: Rows, dtype: np.dtype[Any]) -> Kernel:
        """Inputs and target row by row, then the scales of sums over all rows, a batch and the last batch."""
        rows = len(held)
        sizes = [self.n_rows]
        if self.batches is not None:
            sizes += [self.batches.size, rows % self.batches.size or self.batches.size]
        scales = [self._scale(m) for m in sizes]
        if not isinstance(held, HeldRows):
            # No engine reads these numbers: they tell whether the dtype holds those of the file.
            data = np.array([held.largest, *scales]).astype(dtype)
            return Kernel("mapped", rows, data, self._sequential, self.outputs)
        data = np.empty(rows * (held.width + 1) + len(scales), dtype)
        table = data[: -len(scales)].reshape(rows, -1)
        table[:, :-1], table[:, -1], data[-len(scales) :] = held.X, held.y, scales
        return Kernel(self._kind, rows, data, self._sequential, self.outputs)

    _sequential = False

    def _of_outputs(self, rules: str, z: Array, targets: Array) -> Array:
        """Residuals or losses, from outputs (rows, outputs, runs), which may be overwritten, and targets (rows,)."""
        rule = _on_arrays(rules, self._kind)
        if self.outputs == 1:
            return np.asarray(rule(z, targets[:, None, None]))
        own = targets == np.arange(self.outputs)[:, None]
        rule(self.outputs, np.moveaxis(z, 1, 0), own.astype(z.dtype)[:, :, None])
        return z

    def slopes(self, x: Array) -> Array:  # noqa: D102
        self._rows.check()
        return self._row_slopes(self._rows, x)

    def batch_slopes(self, x: Array, rows: NDArray[np.integer[Any]]) -> Array:  # noqa: D102
        self._rows.check()
        return self._row_slopes(HeldRows(*self._rows.part(rows)), x)

    def _row_slopes(self, rows: Rows, x: Array) -> Array:
        """Gradients from some rows; those in a file by the compiled kernels, if there are any."""
        with np.errstate(all="ignore"):
            g = self._sums(rows, x)
            return np.asarray(np.asarray(self._scale(len(rows)), x.dtype) * g)

    def _sums(self, rows: Rows, x: Array) -> Array:
        """Sums of residual times input over the rows."""
        if not isinstance(self._rows, HeldRows) and has_slopes(self._kind, x.dtype):
            return row_slopes(self._kind, self.outputs, rows.part, len(rows), x)
        points = x.reshape(rows.width, self.outputs, -1)
        g = np.zeros_like(points)
        for start in range(0, len(rows), ROW_BLOCK):
            X, y = rows.part(slice(start, start + ROW_BLOCK))
            columns = X.astype(x.dtype).T[:, :, None, None]
            residual = self._of_outputs("residuals", _outputs(columns, points), y.astype(x.dtype))
            for j, column in enumerate(columns):
                g[j] = g[j] + np.add.accumulate(residual * column, axis=0)[-1]
        return g.reshape(x.shape)

    def _row_losses(self, rows: Rows, x: Array) -> NDArray[np.float64]:
        """Sums (runs,) of the losses of some rows, at the points `x`."""
        x = np.ascontiguousarray(x, np.float64)
        if has_losses(self._kind):
            return np.asarray(row_losses(self._kind, self.outputs, rows.part, len(rows), x))
        points = x.reshape(rows.width, self.outputs, -1)

        def of_block(start: int) -> NDArray[np.float64]:
            X, y = rows.part(slice(start, start + ROW_BLOCK))
            losses = self._of_outputs("losses", _outputs(X.T[:, :, None, None], points), y)
            return np.asarray(np.add.accumulate(losses[:, 0], axis=0)[-1])

        with np.errstate(all="ignore"):
            blocks = [of_block(k) for k in range(0, len(rows), ROW_BLOCK)]
            return np.asarray(np.add.accumulate(blocks)[-1])

    @cached_property
    def _bend(self) -> Curvature:
        """Of half the mean square of an update's rows, times the scale of their sum."""
        batched = self.batches is not None
        many = self.batches.size if self.batches is not None else self.n_rows
        if isinstance(self._rows, HeldRows):
            found = of_rows(self._rows.X, in_batches=batched)
        elif batched:
            longest = max(self._over_parts(lambda X, _: float(np.einsum("ij,ij->i", X, X).max())))
            found = Curvature(longest if np.isfinite(longest) else np.inf, everywhere=False)
        else:
            X = self.condensed.X
            with np.errstate(all="ignore"):
                found = of_matrix(X.T @ X / self.n_rows, summed=max(self.n_rows, X.shape[1]))
        return found.scaled(self._scale(many) * many)

    def _over_parts(self, work: Callable[[Numbers, Numbers], Result]) -> Iterator[Result]:
        """The results of `work` on inputs and targets, some rows at a time, in order."""
        self._rows.check()
        return over_parts(self._rows, _AT_ONCE, work)

    def curvature(self, x0: ArrayLike | None = None) -> Curvature:  # noqa: D102
        return self._bend

    def _sizes(self) -> str:
        rows = f"{self.n_rows} rows"
        if self.batches is not None:
            rows += f" in batches of {self.batches.size}"
        return f"{rows}, {self.n_parameters} parameters"

    def _row_names(self, names: Sequence[str] | None) -> tuple[str, ...]:
        features = self._rows.width - self.intercept
        default = ("w",) if features == 1 else tuple(f"w{j}" for j in range(features))
        return checked_names(default if names is None else names, features) + (
            ("b",) if self.intercept else ()
        )


def _outputs(columns: Array, points: Array) -> Array:
    """Rows times parameters: `columns` (features, rows, 1, 1) and `points` (features, outputs, runs)."""
    z = columns[0] * points[0]
    for column, point in zip(columns[1:], points[1:], strict=True):
        z = z + column * point
    return np.asarray(z)


def check_cost(cost: Any, known: tuple[str, ...]) -> None:
    """Refuse a cost that is not among the known ones."""
    if not isinstance(cost, str) or cost not in known:
        raise ValueError(f"cost is {cost!r}, wanted one of {', '.join(map(repr, known))}")
