"""Bounds of a step: of all arrays, of some, or of their elements; and the projection onto them, in place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgd.checks import as_bounds, is_bound
from fastgd.engines.cuda.arrays import is_device_array
from fastgd.engines.steps import checked_first
from fastgd.optimizers.tree import Path, Tree, spelled

if TYPE_CHECKING:
    from fastgd.optimizers.plan import Plan

Side = float | NDArray[Any]
# Whether `clip` keeps every NaN and the sign of zeros where its bounds are numbers; with arrays it does not. A mask
# takes up to forty times as long, where some numbers are outside and some are not.
_CLIPS = np.lib.NumpyVersion(np.__version__) >= "2.2.0"


class Box(NamedTuple):
    """An array, and its lowest and highest values: numbers, or arrays that can be broadcast to its shape."""

    array: NDArray[Any]
    low: Side
    high: Side

    def project(self) -> None:
        """Move the array into the box; NaN stays NaN and -0.0 itself, as in `fastgd.rules.updates.project`."""
        low, high = self.low, self.high
        if _CLIPS and not isinstance(low, np.ndarray) and not isinstance(high, np.ndarray):
            np.clip(self.array, low, high, out=self.array)
            return
        for outside, bound in ((np.less, low), (np.greater, high)):
            if isinstance(bound, np.ndarray) or math.isfinite(bound):
                np.copyto(self.array, bound, where=outside(self.array, bound))


@contextmanager
def within(bounds: Any, plan: Plan | None, params: Any, grads: Any) -> Iterator[None]:
    """Around a step: the bounds are checked before, and the parameters moved into them afterwards, but frozen ones."""
    tree = Tree(params) if plan is None else plan.tree
    boxes = boxes_of(bounds, tree, tree.leaves(params, "params"))
    moving = [g is not None for g in tree.with_frozen(grads, "grads")]
    yield
    for k, box in boxes:
        if moving[k]:
            box.project()


def boxes_of(bounds: Any, tree: Tree, arrays: Sequence[Any]) -> list[tuple[int, Box]]:
    """The arrays of a tree that have bounds, with their numbers.

    Raises
    ------
    TypeError, ValueError
        If bounds are not such, lie where no array is, or do not fit one.
    """
    numbers = {path: k for k, path in enumerate(tree.paths)}
    found = []
    for path, pair in _pairs(bounds, (), tree.paths):
        if pair is None:
            continue
        k, name = numbers[path], spelled("params", path)
        if is_device_array(arrays[k]):
            raise TypeError(f"bounds are not for arrays on the GPU, as {name} is; clip it there")
        array = checked_first(name, arrays[k])
        low, high = _sides(spelled("bounds", path), pair, array)
        found.append((k, Box(array, low, high)))
    return found


def _pairs(bounds: Any, path: Path, paths: Sequence[Path]) -> Iterator[tuple[Path, Any]]:
    """The pair of each array; `paths` are those of the arrays that lie at `path` or below it."""
    pair = isinstance(bounds, tuple | list) and len(bounds) == 2 and all(map(is_bound, bounds))
    if bounds is None or pair or paths == [path]:
        yield from ((one, bounds) for one in paths)
        return
    keys = dict.fromkeys(one[len(path)] for one in paths)
    if isinstance(bounds, Mapping):
        given = dict(bounds)
    elif isinstance(bounds, tuple | list) and len(bounds) == len(keys):
        given = dict(enumerate(bounds))
    else:
        raise TypeError(
            f"{spelled('bounds', path)} must be a pair (low, high) for all arrays, or built as params are, with pairs "
            f"in the place of arrays; got {bounds!r:.60}"
        )
    for key, below in given.items():
        if key not in keys:
            raise ValueError(f"{spelled('bounds', (*path, key))} belongs to no array of params")
        own = [one for one in paths if one[len(path)] == key]
        yield from _pairs(below, (*path, key), own)


def _sides(name: str, pair: Any, array: NDArray[Any]) -> tuple[Side, Side]:
    """The bounds of one array, in its dtype."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"{name} must be a pair (low, high), got {pair!r:.60}")
    if all(map(is_bound, pair)):
        lowest, highest = (float(array.dtype.type(side)) for side in as_bounds(name, pair))
        return lowest, highest
    try:
        sides = [
            np.broadcast_to(np.asarray(infinite if side is None else side, np.float64), array.shape)
            for side, infinite in zip(pair, (-math.inf, math.inf), strict=True)
        ]
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must have numbers, None, or arrays that fit the shape {array.shape}; got {pair!r:.60}"
        ) from None
    if not (sides[0] <= sides[1]).all():
        raise ValueError(f"{name} must have low <= high in every place, and no NaN")
    low, high = (side.astype(array.dtype) for side in sides)
    return low, high
