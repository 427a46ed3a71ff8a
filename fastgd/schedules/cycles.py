"""Schedules that rise again: warm restarts and 1cycle."""

from fastgd.checks import as_count
from fastgd.schedules.arguments import checked_rate, checked_span
from fastgd.schedules.schedule import Schedule


def cosine_restarts(peak: float, period: int, multiplier: int = 1, floor: float = 0.0) -> Schedule:
    """Cosine that starts again at `peak`, each cycle `multiplier` times longer (SGDR, Loshchilov & Hutter, 2017).

    Parameters
    ----------
    peak, floor : float
        Highest and lowest rate; 0 <= floor <= peak, `floor` 0 by default and reached only in the limit, since
        the step that would have it begins the next cycle.
    period : int
        Steps of the first cycle, at least 1.
    multiplier : int, default 1
        At least 1.

    Returns
    -------
    Schedule
        Without end; torch's ``CosineAnnealingWarmRestarts``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.cosine_restarts(1.0, period=10, multiplier=2)
    >>> rate(0), rate(5), rate(10), rate(20), rate(30)
    (1.0, 0.5, 1.0, 0.5, 1.0)
    """
    high, steps, low = checked_span(peak, as_count("period", period, 1), floor)
    return Schedule("cosine_restarts", (high, steps, as_count("multiplier", multiplier, 1), low))


def one_cycle(
    peak: float,
    total: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    *,
    anneal: str = "cos",
) -> Schedule:
    """Rise to `peak` and fall far below the first rate (1cycle, Smith & Topin, 2018), in two phases.

    Names, defaults and values are those of torch's ``OneCycleLR`` (``peak`` is its ``max_lr``, ``anneal`` its
    ``anneal_strategy``). Where that raises an error after its last step, ``total - 1``, this stays at its value.

    Parameters
    ----------
    peak : float
        Highest rate; finite, not negative.
    total : int
        Number of steps, at least 2.
    pct_start : float, default 0.3
        Share of the steps that rise, in [0, 1).
    div_factor : float, default 25.0
        The first rate is ``peak / div_factor``; at least 1.
    final_div_factor : float, default 1e4
        The last rate is the first one divided by this; at least 1.
    anneal : {"cos", "linear"}, default "cos"
        Shape of both phases.

    Raises
    ------
    TypeError, ValueError
        If an argument is not such a number or word.

    Examples
    --------
    >>> from fastgd import schedules
    >>> rate = schedules.one_cycle(1.0, total=11, pct_start=6 / 11, anneal="linear")
    >>> rate(0), rate(5), rate(10)
    (0.04, 1.0, 4e-06)
    """
    share = checked_rate("pct_start", pct_start)
    if share >= 1.0:
        raise ValueError(f"pct_start must be in [0, 1), got {pct_start!r}")
    divisors = (
        checked_rate("div_factor", div_factor),
        checked_rate("final_div_factor", final_div_factor),
    )
    if min(divisors) < 1.0:
        raise ValueError(f"div_factor and final_div_factor must be at least 1, got {divisors}")
    if anneal not in ("cos", "linear"):
        raise ValueError(f"anneal must be 'cos' or 'linear', got {anneal!r}")
    steps = as_count("total", total, 2)
    return Schedule("one_cycle", (checked_rate("peak", peak), steps, share, *divisors, anneal))
