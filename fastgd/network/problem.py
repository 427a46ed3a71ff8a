"""`NetworkProblem`: a network and its data, as a problem for `fastgd.sweep`."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from numpy.typing import ArrayLike

from fastgd.batches import Batches
from fastgd.checks import as_count, as_flag
from fastgd.network.rows import checked_validation
from fastgd.network.trainable import Trainable

Net = TypeVar("Net", bound=Trainable)


class NetworkProblem(Generic[Net]):
    """A network with its training rows and evaluation rows, for `fastgd.sweep`; `fastgd.MLP.problem` makes it.

    Parameters
    ----------
    network : MLP
        Every run trains a copy with new weights; this network itself is not trained.
    X, y, sample_weight : array_like
        As in `MLP.fit`; checked once, and read by all runs.
    batch_size : int, default 32
        Rows of an update.
    validation : (X, y), optional
        Rows that are not trained on; loss and metric at the end of each run are those of these rows.
    shuffle : bool, default True
        A new order of the rows in each epoch.
    drop_last : bool, default False
        Leave out a last batch that is smaller.

    Attributes
    ----------
    network : MLP
    rows, judged : Rows
        Training rows; evaluation rows, which are the training rows without `validation`.
    batch_size : int
    shuffle, drop_last : bool

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgd as gd
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> net = gd.MLP([3, 8, 1], loss="mse")
    >>> problem = net.problem(X, X.sum(axis=1), batch_size=10)
    >>> problem
    NetworkProblem(MLP([3, 8, 1], activation='relu', loss='mse', dtype='float32'), 100 rows, batch_size=10)
    >>> gd.sweep(problem, gd.Adam(), {"lr": [1e-3, 1e-2]}, max_iter=100).status.tolist()
    [1, 1]
    """

    def __init__(
        self,
        network: Net,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        batch_size: int = 32,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        if not hasattr(network, "architecture"):
            raise TypeError(f"network must be a gd.MLP, got {network!r:.60}")
        self.network = network
        self.rows = network.rows(X, y, sample_weight)
        self.judged = (
            self.rows
            if validation is None
            else checked_validation(network.architecture, validation)
        )
        self.shuffle, self.drop_last = as_flag("shuffle", shuffle), as_flag("drop_last", drop_last)
        self.batch_size = self.batches(batch_size, network.seed).size

    def batches(self, batch_size: Any, seed: int, name: str = "batch_size") -> Batches:
        """Rows in batches of this size; all rows in one batch where there are fewer."""
        size = min(as_count(name, batch_size, 1), len(self.rows))
        return Batches(len(self.rows), size, self.shuffle, self.drop_last, seed)

    def __repr__(self) -> str:
        return (
            f"NetworkProblem({self.network!r}, {len(self.rows)} rows, batch_size={self.batch_size})"
        )
