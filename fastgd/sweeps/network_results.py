"""What the result of a sweep of networks has beside that of others: final parameters, and networks made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastgd.checks import is_integer
from fastgd.engines.protocol.outcomes import Status
from fastgd.sweeps.contents import Contents
from fastgd.sweeps.network_axes import changes_of

if TYPE_CHECKING:
    from fastgd.network.mlp import MLP


class NetworkResult(Contents):
    """What `fastgd.SweepResult` has for sweeps of networks."""

    @property
    def params(self) -> NDArray[Any]:
        """The final parameters of all networks of a sweep with ``keep="params"``, shape (axes..., n_parameters): `x`.

        Those of a run stand flat in the order of `MLP.params`; nan where a run was not started.
        """
        if not self.x.shape[-1]:
            raise ValueError("the parameters of this sweep were not kept; give it keep='params'")
        return self.x

    def network(self, *index: int) -> MLP:
        """A network of the sweep: one that is kept in `networks`, or one made of its final parameters, `params`.

        Parameters
        ----------
        *index : int
            The run's place on each axis, or one tuple of them.

        Returns
        -------
        MLP
            One from `networks` has its optimizer's state too; any other is new at every call, and has the parameters of
            the run, also where it diverged.

        Raises
        ------
        IndexError
            If there is no such run.
        ValueError
            If the parameters were not kept, the run was not started, or the sweep was read from a file, which does not
            hold what a network is made of.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgd as gd
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> problem = gd.MLP([1, 8, 1], loss="mse").problem(X, X[:, 0] ** 2)
        >>> out = gd.sweep(problem, gd.Adam(), {"lr": [1e-3, 0.1], "rng": [0, 1]}, max_iter=50, keep="params")
        >>> out.params.shape
        (2, 2, 25)
        >>> bool(out.network(1, 0).loss(X, X[:, 0] ** 2) == out.loss[1, 0])
        True
        """
        place = self._place(index)
        if place in self.networks:
            return self.networks[place]
        params = self.params[place]
        if self.template is None:
            raise ValueError(
                "this sweep was read from a file, which has no network; `params` has its numbers"
            )
        if self.status[place] == Status.NOT_RUN:
            raise ValueError(f"the run at {place} was not started")
        own = self.axes_at(place)
        seed = own.get("rng")
        new = self.template.fresh(
            seed if is_integer(seed) else None, **changes_of(self.template, own)
        )
        start = 0
        for p in new.params:
            p[...] = params[start : start + p.size].reshape(p.shape)
            start += p.size
        new.steps_, new.status_ = int(self.iterations[place]), Status(int(self.status[place]))
        return new

    def _place(self, index: tuple[Any, ...]) -> tuple[int, ...]:
        """An index, checked, with negative numbers counted from the end."""
        if len(index) == 1 and isinstance(index[0], tuple):
            (index,) = index
        shape = self.shape
        if len(index) != len(shape) or not all(map(is_integer, index)):
            raise IndexError(f"index must be {len(shape)} integers, got {index!r:.60}")
        if any(not -n <= k < n for k, n in zip(index, shape, strict=True)):
            raise IndexError(f"index {index!r:.60} is outside the shape {shape}")
        return tuple(int(k) % n for k, n in zip(index, shape, strict=True))
