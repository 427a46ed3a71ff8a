"""`explore`: a page on which descents are tried out."""

from __future__ import annotations

import html
from functools import cached_property
from os import PathLike
from pathlib import Path

from numpy.typing import ArrayLike

from fastgd.checks import as_count
from fastgd.explorer.gallery import SCENES
from fastgd.explorer.page import page_text
from fastgd.explorer.scene import Scene, scene_of
from fastgd.files import atomic_text
from fastgd.names import meant
from fastgd.problems import Problem


class Explorer:
    """A page on which descents are tried out; made by `explore`.

    A notebook shows it. The page is one file that needs no network.

    Attributes
    ----------
    problem : str
        The problem that it opens with, by name.

    Examples
    --------
    >>> import fastgd as gd
    >>> gd.explore("himmelblau")
    Explorer('himmelblau')
    """

    def __init__(self, problem: str, own: Scene | None, height: int) -> None:
        self.problem, self._own, self._height = problem, own, height

    @cached_property
    def html(self) -> str:
        """The page."""
        return page_text(self.problem, self._own)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the page.

        Parameters
        ----------
        path : path
            A file; one that is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
        with atomic_text(path) as file:
            file.write(self.html)
        return Path(path)

    def _repr_html_(self) -> str:
        """A frame with the page."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="Descent explorer" width="100%" height="{self._height}" '
            'style="border: 0" sandbox="allow-scripts" allow="clipboard-write"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Explorer({self.problem!r})"


def explore(
    problem: str | Problem = "line", x0: ArrayLike | None = None, *, height: int = 900
) -> Explorer:
    """Try out descents on a page: every optimizer at once, with sliders for rate and momentum.

    The page is one file without links to others: it computes by itself, with the library's own rules translated to
    JavaScript. A click sets the start, another one in the diagram of rates and momenta sets both. Its whole state
    stands in its address, and it shows the Python that makes the same descents.

    Parameters
    ----------
    problem : str or Problem, default "line"
        What it opens with: "line" (heights and weights), "unscaled" (the same, heights in inches), "ravine",
        "rosenbrock", "beale", "himmelblau", "saddle"; of one parameter "bumpy", "parabola", "valleys". Or a problem of
        one or two parameters: `fastgd.LeastSquares`, `fastgd.Quadratic`, `fastgd.Polynomial` or a function of
        `fastgd.functions`.
    x0 : array_like, optional
        Where a problem of your own is started; zero by default.
    height : int, default 900
        Pixels in a notebook.

    Returns
    -------
    Explorer
        A notebook shows it; ``save(path)`` writes the page.

    Raises
    ------
    TypeError, ValueError
        If there is no such problem, it has more than two parameters, or a page cannot compute it.

    Examples
    --------
    >>> import fastgd as gd
    >>> page = gd.explore(gd.LeastSquares([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]))
    >>> page.save("line.html")  # doctest: +SKIP
    PosixPath('line.html')
    """
    pixels = as_count("height", height, 1)
    if not isinstance(problem, str):
        own = scene_of(problem, x0)
        return Explorer(own.key, own, pixels)
    if problem not in SCENES:
        other = meant(problem, SCENES) or f"there are {', '.join(SCENES)}"
        raise ValueError(f"there is no problem {problem!r}; {other}")
    if x0 is not None:
        raise ValueError("x0 is for a problem of your own")
    return Explorer(problem, None, pixels)
